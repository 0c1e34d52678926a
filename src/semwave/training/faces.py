"""Generated faces with known codes: training data without end.

Half of them are one random face each; the others are composed, every part taken from one of three random faces.
"""

from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

from semwave.generators.compositional import CompositionalGenerator
from semwave.inversion.parser import INPUT, FaceParser
from semwave.latent.layout import BASE_CODES, CODE_SIZE, CODES, PARTS
from semwave.latent.masks import part_probabilities
from semwave.latent.space import CodeSpace
from semwave.training.data import to_float

SOURCES = 3


def random_styles(generator: CompositionalGenerator, count: int, random: torch.Generator) -> Tensor:
    """Random styles w, (count, 512)."""
    return generator.body.map(torch.randn(count, CODE_SIZE, generator=random))


def compose(codes: Tensor, others: Tensor, random: torch.Generator) -> Tensor:
    """Every part of ``codes`` (B, 28, 512), shape and texture code together, from one of its own face and the other
    faces ``others`` (B, n, 28, 512), at random; the base codes stay."""
    everything = torch.cat([codes[:, None], others], 1)
    chosen = torch.randint(everything.shape[1], (len(codes), len(PARTS)), generator=random).repeat_interleave(2, 1)
    chosen = torch.cat([torch.zeros(len(codes), BASE_CODES, dtype=torch.long), chosen], 1)
    return everything.gather(1, chosen[:, None, :, None].expand(-1, 1, -1, CODE_SIZE))[:, 0]


@torch.no_grad()
def make_plain(
    generator: CompositionalGenerator, parser: FaceParser, count: int, seed: int, path: Path, batch: int = 4
) -> dict[str, Tensor]:
    """``count`` random faces, one style each: ``images`` (N, 3, 256, 256) uint8, ``styles`` (N, 512) and ``labels``
    (N, 128, 128) uint8 by the parser; kept in ``path`` and read from there the next time."""
    if path.exists():
        return torch.load(path, weights_only=True)
    random = torch.Generator().manual_seed(seed)
    rows: dict[str, list[Tensor]] = {"images": [], "styles": [], "labels": []}
    for _ in track(range(0, count, batch), "generating faces"):
        with torch.autocast("cpu", torch.bfloat16):
            styles = random_styles(generator, batch, random).float()
            image = generator(styles[:, None].expand(-1, CODES, -1), INPUT).image.float().clamp(-1, 1)
            rows["labels"].append(parser.labels(image, 128))
        rows["images"].append(to_bytes(image))
        rows["styles"].append(styles)
    plain = {name: torch.cat(parts) for name, parts in rows.items()}
    save_tensors(plain, path)
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
    (2 N, 28, 256) fp16; kept in ``path`` and read from there the next time."""
    if path.exists():
        return torch.load(path, weights_only=True)
    random = torch.Generator().manual_seed(seed)
    codes = plain["styles"][:, None].repeat(1, CODES, 1)
    codes[:, 1] = generator.layout.encode(part_probabilities(plain["labels"]))
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
    save_tensors(faces, path)
    return faces


def to_bytes(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8."""
    return ((images + 1) * 127.5).round().to(torch.uint8)


def save_tensors(what: Tensor | dict[str, Tensor], path: Path) -> None:
    """Write ``what`` to ``path`` whole or not at all, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(what, partial)
    partial.replace(path)


def batch_of(faces: dict[str, Tensor], index: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in [-1, 1] and coordinates of the faces at ``index``."""
    return to_float(faces["images"][index]), faces["coordinates"][index].float()
