"""Generated faces with known codes: training data without end.

Half of them are one random face each; the others are composed, every part taken from one of three random faces.
"""

from pathlib import Path

import torch
from torch import Tensor

from semwave.generators.compositional import CompositionalGenerator
from semwave.inversion.parser import FaceParser
from semwave.latent.layout import BASE_CODES, MASK_CODE
from semwave.latent.masks import part_probabilities
from semwave.latent.space import CodeSpace
from semwave.pictures.arrays import read_torch, write_torch
from semwave.pictures.console import track
from semwave.pictures.images import INPUT, SKETCH
from semwave.training.data import to_float

SOURCES = 3


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


@torch.no_grad()
def make_plain(
    generator: CompositionalGenerator, parser: FaceParser, count: int, seed: int, path: Path, batch: int = 4
) -> dict[str, Tensor]:
    """``count`` random faces, one style each: ``images`` (N, 3, 256, 256) uint8, ``styles`` (N, code_size) and
    ``labels`` (N, 128, 128) uint8 by the parser; kept in ``path`` and read from there the next time."""
    if path.exists():
        return read_torch(path, "delete it, and it is made again")
    random = torch.Generator().manual_seed(seed)
    rows: dict[str, list[Tensor]] = {"images": [], "styles": [], "labels": []}
    for _ in track(range(0, count, batch), "generating faces"):
        with torch.autocast("cpu", torch.bfloat16):
            styles = random_styles(generator, batch, random).float()
            image = generator(styles[:, None].expand(-1, generator.codes, -1), INPUT).image.float().clamp(-1, 1)
            rows["labels"].append(parser.labels(image, SKETCH))
        rows["images"].append(to_bytes(image))
        rows["styles"].append(styles)
    plain = {name: torch.cat(parts) for name, parts in rows.items()}
    write_torch(path, plain)
    return plain


@torch.no_grad()
def make_faces(
    generator: CompositionalGenerator,
    space: CodeSpace,
    plain: dict[str, Tensor],
    seed: int,
    path: Path,
    batch: int = 4,
) -> dict[str, Tensor]:
    """The ``plain`` faces and as many composed of them: ``images`` (2 N, 3, 256, 256) uint8 and ``coordinates``
    (2 N, codes, coordinates) fp16; kept in ``path`` and read from there the next time."""
    if path.exists():
        return read_torch(path, "delete it, and it is made again")
    random = torch.Generator().manual_seed(seed)
    codes = plain["styles"][:, None].repeat(1, generator.codes, 1)
    codes[:, MASK_CODE] = generator.layout.encode(part_probabilities(plain["labels"], space.layout))
    others = torch.randint(len(codes), (len(codes), SOURCES - 1), generator=random)
    composed = compose(codes, codes[others], random)
    images = []
    for rows in track(composed.split(batch), "composing faces"):
        with torch.autocast("cpu", torch.bfloat16):
            images.append(to_bytes(generator(rows, INPUT).image.float().clamp(-1, 1)))
    faces = {
        "images": torch.cat([plain["images"], *images]),
        "coordinates": space.coordinates(torch.cat([codes, composed])).half(),
    }
    write_torch(path, faces)
    return faces


def to_bytes(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def batch_of(faces: dict[str, Tensor], index: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in [-1, 1] and coordinates of the faces at ``index``."""
    return to_float(faces["images"][index]), faces["coordinates"][index].float()
