"""The folder of photographs and masks that training reads: ``images/``, ``masks/``, ``train.txt``, ``test.txt``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from semwave.errors import SemwaveError

# CelebAMask-HQ's 19 classes (background, skin, nose, eyeglasses, left eye, right eye, left brow, right brow, left ear,
# right ear, mouth, upper lip, lower lip, hair, hat, earring, necklace, neck, clothes) as indices into layout.PARTS.
PART_OF_CLASS = torch.tensor([0, 1, 5, 10, 2, 2, 3, 3, 6, 6, 4, 4, 4, 7, 11, 12, 8, 8, 9], dtype=torch.uint8)


VALIDATION = 40


@dataclass(frozen=True)
class Photos:
    """``images`` (N, 3, S, S) uint8 and ``labels`` (N, S, S) uint8, indices into :data:`semwave.layout.PARTS`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def read_photos(data: Path, split: str, size: int) -> Photos:
    """Photographs and part labels of ``split`` ("train" or "test") at ``size`` pixels.

    Raises :class:`SemwaveError` if the folder is not laid out as this module says.
    """
    listing = data / f"{split}.txt"
    if not listing.is_file():
        raise SemwaveError(f"{listing} is missing: the data folder needs images/, masks/, train.txt and test.txt")
    names = listing.read_text().split()
    images = torch.empty(len(names), 3, size, size, dtype=torch.uint8)
    labels = torch.empty(len(names), size, size, dtype=torch.uint8)
    for i, name in enumerate(track(names, f"reading {split}")):
        stem = Path(name).stem
        photo = next((data / "images").glob(stem + ".*"), None)
        mask = data / "masks" / f"{stem}.png"
        if photo is None or not mask.is_file():
            raise SemwaveError(f"{stem}, listed in {listing}, has no photograph or no mask under {data}")
        pixels = Image.open(photo).convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
        classes = Image.open(mask).resize((size, size), Image.Resampling.NEAREST)
        images[i] = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        labels[i] = PART_OF_CLASS[torch.from_numpy(np.array(classes)).long()]
    return Photos(images, labels)


def without_validation(photos: Photos) -> Photos:
    """All but the last 40: those are for choosing settings, and no code, flow or codec is trained on them."""
    return Photos(photos.images[:-VALIDATION], photos.labels[:-VALIDATION])


def pick(count: int, batch: int, generator: torch.Generator) -> Tensor:
    """``batch`` random indices below ``count``."""
    return torch.randint(count, (batch,), generator=generator)


def to_float(images: Tensor) -> Tensor:
    """uint8 pixels as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def augment(images: Tensor, labels: Tensor, generator: torch.Generator, strength: float = 1.0) -> tuple[Tensor, Tensor]:
    """Random flip, rotation, scale, shift and colour, alike for ``images`` (B,3,S,S) and ``labels`` (B,S,S)."""
    batch = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator).mul(high - low).add(low)

    angle, scale = uniform(-0.2, 0.2) * strength, 1 + uniform(-0.15, 0.15) * strength
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    shift = torch.stack([uniform(-0.1, 0.1), uniform(-0.1, 0.1)], 1) * strength
    rows = torch.stack(
        [
            torch.stack([scale * angle.cos() * flip, -scale * angle.sin(), shift[:, 0]], 1),
            torch.stack([scale * angle.sin() * flip, scale * angle.cos(), shift[:, 1]], 1),
        ],
        1,
    )
    # In bf16 a grid is good to a pixel only.
    with torch.autocast(images.device.type, enabled=False):
        grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    labels = functional.grid_sample(
        labels[:, None].float(), grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    gain = 1 + uniform(-0.25, 0.25)[:, None, None, None] * strength
    tint = (torch.rand(batch, 3, 1, 1, generator=generator) - 0.5) * 0.2 * strength
    return (images * gain + tint).clamp(-1, 1), labels[:, 0].to(torch.uint8)
