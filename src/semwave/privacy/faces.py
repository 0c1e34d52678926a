"""Codes of data sets, for knowledge bases and for measuring: of generated faces, of photos, and from files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from semwave import model as models
from semwave.errors import SemwaveError
from semwave.inversion.parser import INPUT
from semwave.pictures import align, images
from semwave.pictures.photos import find_photos

BATCH = 64


@torch.no_grad()
def drawn(model: models.Model, random: torch.Generator, size: int) -> Tensor:
    """A random face, (1, 3, size, size) in [-1, 1]."""
    return model.generate(model.sample(1, random), size).image.clamp(-1, 1)


@torch.no_grad()
def generated(model: models.Model, count: int, seed: int) -> Iterator[Tensor]:
    """Codes (1, 28, 512) of ``count`` random faces, read off their pictures as a photo's are."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield model.invert(drawn(model, random, INPUT))


def of_photos(model: models.Model, folder: Path, align_faces: bool) -> tuple[int, Iterator[Tensor]]:
    """How many photos there are in ``folder``, and the codes (1, 28, 512) of each.

    Raises :class:`SemwaveError` for a folder without pictures and, on the way, for a photo without a face.
    """
    photos = find_photos([folder])

    def codes() -> Iterator[Tensor]:
        for photo in photos:
            try:
                picture = (align.align if align_faces else align.in_frame)(images.read_image(photo.path), INPUT)
            except SemwaveError as error:
                raise SemwaveError(str(error) if str(photo.path) in str(error) else f"{photo.path}: {error}") from None
            with torch.no_grad():
                yield model.invert(images.to_tensor(picture))

    return len(photos), codes()


def read_codes(path: Path) -> list[Tensor]:
    """Codes in batches, of a .npy file or of the tensor "codes" of a .safetensors file, (N, 28, 512).

    Raises :class:`SemwaveError` for a file that cannot be read.
    """
    if not path.is_file():
        raise SemwaveError(f"{path}: no such file or folder; check the name")
    try:
        if path.suffix == ".safetensors":
            codes = load_file(path)["codes"]
        else:
            codes = torch.from_numpy(np.load(path, allow_pickle=False))
        return list(codes.split(BATCH))
    except (SafetensorError, KeyError, OSError, ValueError, TypeError, EOFError, RuntimeError):
        raise SemwaveError(
            f"{path}: has no codes; give a .npy array, or a .safetensors file with a tensor 'codes'"
        ) from None
