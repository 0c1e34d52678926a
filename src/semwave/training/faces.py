"""Generated faces with known codes: training data without end.

Half of them are one random face each; the others are composed, every part taken from one of three random faces.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semwave.air.seeds import noise_generator
from semwave.errors import SemwaveError
from semwave.generators.compositional import CompositionalGenerator
from semwave.generators.weights import state_digest
from semwave.inversion.parser import FaceParser
from semwave.latent.layout import BASE_CODES, MASK_CODE
from semwave.latent.masks import part_probabilities
from semwave.latent.space import CodeSpace
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import track
from semwave.pictures.images import INPUT, SKETCH
from semwave.training.data import to_float
from semwave.work.local import Local
from semwave.work.pieces import Pieces
from semwave.work.units import Engine, Work

SOURCES = 3
GROUP = 4
"""Faces that are drawn at once, a unit of work."""
ALONE = Local(0, 1)
AGAIN = "delete it, and it is made again"


def random_styles(generator: CompositionalGenerator, count: int, random: torch.Generator) -> Tensor:
    """Random styles w, (count, code_size)."""
    return generator.body.map(
        torch.randn(count, generator.layout.layout.code_size, generator=random).to(generator.body.mapping[0].device)
    )


def compose(codes: Tensor, others: Tensor, random: torch.Generator) -> Tensor:
    """Every part of ``codes`` (B, codes, code_size), shape and texture code together, from one of its own face and the
    other faces ``others`` (B, n, codes, code_size), at random; the base codes stay."""
    count, number, size = codes.shape
    parts = (number - BASE_CODES) // 2
    everything = torch.cat([codes[:, None], others], 1)
    chosen = torch.randint(everything.shape[1], (count, parts), generator=random).repeat_interleave(2, 1)
    chosen = torch.cat([torch.zeros(count, BASE_CODES, dtype=torch.long), chosen], 1)
    return everything.gather(1, chosen[:, None, :, None].expand(-1, 1, -1, size))[:, 0]


class PlainFaces:
    """Random faces of one style each, four for every number: :class:`semwave.work.units.Work`. Every number has draws
    of its own from ``seed``, so that a face does not depend on how many there are, or on who makes them."""

    def __init__(self, generator: CompositionalGenerator, parser: FaceParser, seed: int):
        self.generator, self.parser, self.seed = generator, parser, seed

    def prepare(self, number: int) -> torch.Generator:
        """The draws of a group."""
        return noise_generator(self.seed, f"faces {number}")

    @torch.no_grad()
    def process(self, batch: list[torch.Generator]) -> list[dict[str, Tensor]]:
        """Four faces, as :func:`make_plain` gives them, for each. With more at once they would round differently."""
        return [self._drawn(random) for random in batch]

    def _drawn(self, random: torch.Generator) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            styles = random_styles(self.generator, GROUP, random).float()
            drawn = self.generator(styles[:, None].expand(-1, self.generator.codes, -1), INPUT)
            image = drawn.image.float().clamp(-1, 1)
            labels = self.parser.labels(image, SKETCH)
        return {"images": to_bytes(image), "styles": styles, "labels": labels}

    def finish(self, made: dict[str, Tensor]) -> dict[str, Tensor]:
        """The faces; whoever has them made keeps them."""
        return made


class DrawnFaces:
    """Faces of known codes, drawn by ``generator`` at ``size`` pixels: :class:`semwave.work.units.Work` on
    (number, codes (B, codes, code_size))."""

    def __init__(self, generator: nn.Module, size: int):
        self.generator, self.size = generator, size

    def prepare(self, unit: tuple[int, Tensor]) -> Tensor:
        """The codes of a group."""
        return unit[1]

    @torch.no_grad()
    def process(self, batch: list[Tensor]) -> list[Tensor]:
        """Pictures (B, 3, size, size) uint8 for each."""
        with torch.autocast("cpu", torch.bfloat16):
            return [to_bytes(self.generator(codes, self.size).image.float().clamp(-1, 1)) for codes in batch]

    def finish(self, made: Tensor) -> Tensor:
        """The pictures; whoever has them made keeps them."""
        return made


def make_plain(
    generator: CompositionalGenerator, parser: FaceParser, count: int, seed: int, path: Path, engine: Engine = ALONE
) -> dict[str, Tensor]:
    """``count`` random faces, one style each: ``images`` (N, 3, 256, 256) uint8, ``styles`` (N, code_size) and
    ``labels`` (N, 128, 128) uint8 by the parser. ``engine`` makes them; they are kept in ``path`` and read from there
    the next time. Raises :class:`SemwaveError` where that fails."""
    if path.exists():
        return read_torch(path, AGAIN)
    pieces = Pieces(path, (state_digest(generator, parser), seed), str)

    def whole(groups: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.cat([group[name] for group in groups])[:count] for name in groups[0]}

    make, numbers = partial(PlainFaces, generator, parser, seed), range(math.ceil(count / GROUP))
    return _kept(path, "generating faces", whole, pieces, engine, make, numbers)


@torch.no_grad()
def make_faces(
    generator: CompositionalGenerator, space: CodeSpace, plain: dict[str, Tensor], seed: int, path: Path,
    engine: Engine = ALONE,
) -> dict[str, Tensor]:  # fmt: skip
    """The ``plain`` faces and as many composed of them: ``images`` (2 N, 3, 256, 256) uint8 and ``coordinates``
    (2 N, codes, coordinates) fp16. Made, kept and read as those of :func:`make_plain`."""
    if path.exists():
        return read_torch(path, AGAIN)
    random = torch.Generator().manual_seed(seed)
    codes = plain["styles"][:, None].repeat(1, generator.codes, 1)
    codes[:, MASK_CODE] = generator.layout.encode(part_probabilities(plain["labels"], space.layout))
    others = torch.randint(len(codes), (len(codes), SOURCES - 1), generator=random)
    composed = compose(codes, codes[others], random)

    def whole(images: Tensor) -> dict[str, Tensor]:
        coordinates = space.coordinates(torch.cat([codes, composed])).half()
        return {"images": torch.cat([plain["images"], images]), "coordinates": coordinates}

    return draw_codes(generator, composed, INPUT, path, "composing faces", whole, engine)


def draw_codes(
    generator: nn.Module, codes: Tensor, size: int, path: Path, what: str, whole: Callable[[Tensor], Any],
    engine: Engine = ALONE,
) -> Any:  # fmt: skip
    """What ``whole`` makes of pictures (N, 3, size, size) uint8 of ``codes`` (N, codes, code_size), drawn by
    ``generator`` on ``engine``; ``what`` is shown. Kept in ``path``. Raises as :func:`make_plain`."""
    content = hashlib.sha256(codes.float().numpy().tobytes()).hexdigest()
    pieces = Pieces(path, (state_digest(generator), content, size), lambda unit: str(unit[0]))
    units = list(enumerate(codes.split(GROUP)))
    make = partial(DrawnFaces, generator, size)
    return _kept(path, what, lambda groups: whole(torch.cat(groups)), pieces, engine, make, units)


def _kept(
    path: Path, what: str, whole: Callable[[list[Any]], Any], pieces: Pieces, engine: Engine,
    make: Callable[[], Work], units: Sequence[Any],
) -> Any:  # fmt: skip
    """What ``whole`` makes of the results of all ``units``, in their order, kept in ``path``."""
    found = {}
    for outcome in track(pieces(engine, make, units), what, total=len(units)):
        if outcome.result is None:
            raise SemwaveError(f"{path}: cannot be made ({outcome.failure})")
        found[pieces.key(outcome.unit)] = outcome.result
    made = whole([found[pieces.key(unit)] for unit in units])
    write_torch(path, made)
    pieces.remove()
    return made


def to_bytes(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def batch_of(faces: dict[str, Tensor], index: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in [-1, 1] and coordinates of the faces at ``index``."""
    return to_float(faces["images"][index]), faces["coordinates"][index].float()
