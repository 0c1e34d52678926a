"""Codes of data sets, for knowledge bases and for measuring: of generated faces, of photos, and from files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semwave.air.seeds import noise_generator
from semwave.errors import SemwaveError
from semwave.pictures.arrays import read_npy, read_safetensors
from semwave.pictures.files import FILE, kind_of
from semwave.pictures.images import INPUT
from semwave.pictures.photos import Photo, read_photo
from semwave.types import Generative, PartModel, Scene

BATCH = 64


@torch.no_grad()
def drawn(model: Generative, random: torch.Generator, size: int) -> Tensor:
    """A random face, (1, 3, size, size) in [-1, 1]."""
    return model.generate(model.sample(1, random), size).image.clamp(-1, 1)


class GeneratedCodes:
    """The codes (1, codes, code_size) of random faces, read off their pictures as a photo's are, by ``model``:
    :class:`semwave.work.units.Work` on numbers. Every number has draws of its own from ``seed``."""

    def __init__(self, model: PartModel, seed: int):
        self.model, self.seed = model, seed

    def prepare(self, number: int) -> torch.Generator:
        """The draws of a face."""
        return noise_generator(self.seed, f"face {number}")

    @torch.no_grad()
    def process(self, batch: list[torch.Generator]) -> list[Tensor]:
        """The codes of each face of ``batch``, one by one: which faces become prototypes must not hang on rounding."""
        return [self.model.invert(Scene(drawn(self.model, random, INPUT))) for random in batch]

    def finish(self, made: Tensor) -> Tensor:
        """What is kept: the codes. Nothing is written."""
        return made


class PhotoCodes:
    """The codes (1, codes, code_size) of photos, by ``model``: :class:`semwave.work.units.Work`. The face is found and
    aligned, or the photos are in the frame already."""

    def __init__(self, model: PartModel, align_faces: bool):
        self.model, self.align_faces = model, align_faces

    def prepare(self, photo: Photo) -> Tensor:
        """The picture (1, 3, 256, 256) of ``photo``. Raises :class:`SemwaveError` for one without a face."""
        return read_photo(photo.path, INPUT, self.align_faces)

    @torch.no_grad()
    def process(self, batch: list[Tensor]) -> list[Tensor]:
        """The codes of each picture of ``batch``."""
        return list(self.model.invert(Scene(torch.cat(batch))).split(1))

    def finish(self, made: Tensor) -> Tensor:
        """What is kept: the codes. Nothing is written."""
        return made


def read_codes(path: Path) -> list[Tensor]:
    """Codes in batches, of a .npy file or of the tensor "codes" of a .safetensors file, (N, codes, code_size).

    Raises :class:`SemwaveError` for a file that cannot be read.
    """
    if kind_of(path) != FILE:
        raise SemwaveError(f"{path}: no such file or folder; check the name")

    none = SemwaveError(f"{path}: has no codes; give a .npy array, or a .safetensors file with a tensor 'codes'")

    def judge(_: np.dtype, shape: tuple[int, ...]) -> None:
        if len(shape) != 3:
            raise none

    try:
        if path.suffix == ".safetensors":
            codes = read_safetensors(path, "give codes", only=("codes",))[0]["codes"]
        else:
            codes = torch.from_numpy(read_npy(path, judge, "codes"))
        return list(codes.split(BATCH))
    except SemwaveError as error:
        raise error if "MiB" in str(error) else none from None
    except (KeyError, ValueError, TypeError, RuntimeError):
        raise none from None
