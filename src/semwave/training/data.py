"""Photographs with part labels, in memory or on the disk, and their augmentation."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semwave.pictures.align import in_frame
from semwave.pictures.console import track
from semwave.pictures.images import read_image
from semwave.training.celebamask import find_samples

VALIDATION = 40
UNREAD = 255


@dataclass(frozen=True)
class Photos:
    """``images`` (N, 3, S, S) uint8 and ``labels`` (N, S, S) uint8, indices of parts."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


def read_photos(data: Path, split: str, size: int) -> Photos:
    """Photographs and part labels of ``split`` ("train" or "test") at ``size`` pixels; labels index the parts of
    :data:`semwave.latent.layout.FACES`.

    Raises :class:`SemwaveError` if the folder is laid out in none of the ways of :mod:`semwave.training.celebamask`.
    """
    samples = find_samples(data, split)
    images = torch.empty(len(samples), 3, size, size, dtype=torch.uint8)
    labels = torch.empty(len(samples), size, size, dtype=torch.uint8)
    for i, sample in enumerate(track(samples, f"reading {split}")):
        images[i], labels[i] = sample.read(size)
    return Photos(images, labels)


def read_pictures(paths: list[Path], size: int) -> Tensor:
    """Photographs that are in the frame already, (N, 3, size, size) uint8; no labels."""
    frames = (in_frame(read_image(path), size) for path in track(paths, "reading photographs"))
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in frames])


def map_photos(data: Path, split: str, size: int, cache: Path) -> Photos:
    """What :func:`read_photos` gives, on the disk instead of in memory: 30,000 photographs of 512 px are 31 GB.

    They are kept in ``cache`` and read from there the next time; a conversion that was interrupted goes on.
    """
    samples = find_samples(data, split)
    about = hashlib.sha256(repr((samples, size)).encode()).hexdigest()[:12]
    cache.mkdir(parents=True, exist_ok=True)
    count = len(samples)

    def mapped(name: str, shape: tuple[int, ...], blank: int) -> np.memmap:
        path = cache / f"{about}-{name}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial")
            mapping = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
            if hasattr(os, "posix_fallocate"):  # or a full disk would end the process, without a word
                with partial.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, partial.stat().st_size)
            mapping[:] = blank
            partial.replace(path)
        return np.lib.format.open_memmap(path, "r+")

    images = mapped("images", (count, 3, size, size), 0)
    labels = mapped("labels", (count, size, size), UNREAD)
    left = np.flatnonzero(labels[:, 0, 0] == UNREAD)
    for i in track(left, f"reading {split}") if len(left) else ():
        image, label = samples[i].read(size)
        # The label comes last: it says that the photograph is there.
        images[i] = image.numpy()
        labels[i] = label.numpy()
    return Photos(torch.from_numpy(images), torch.from_numpy(labels))


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
    """Random flip, rotation, scale, shift and colour, alike for ``images`` (B, 3, S, S) and ``labels`` (B, S, S)."""
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
