"""CelebAMask-HQ (Lee et al., CVPR 2020) on the disk, as published and with one mask file a photograph.

    as published    CelebA-HQ-img/123.jpg, CelebAMask-HQ-mask-anno/0/00123_hair.png ...: a file a class, white inside
    single files    images/NAME.*, masks/NAME.png: class indices 0..18, one byte a pixel

``train.txt`` and ``test.txt`` beside them name the photographs of a split; without them all belong to ``train``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semwave.errors import SemwaveError
from semwave.latent.layout import FACES
from semwave.pictures import images

PARTS = {
    "background": "background", "skin": "skin", "nose": "nose", "eye_g": "glasses", "l_eye": "eyes", "r_eye": "eyes",
    "l_brow": "brows", "r_brow": "brows", "l_ear": "ears", "r_ear": "ears", "mouth": "mouth", "u_lip": "mouth",
    "l_lip": "mouth", "hair": "hair", "hat": "hat", "ear_r": "earrings", "neck_l": "neck", "neck": "neck",
    "cloth": "clothes",
}  # fmt: skip
"""The part of :data:`semwave.latent.layout.FACES` that every class is, by the name of the class in its files."""
CLASSES = tuple(PARTS)
"""The classes in the order of their indices; where two are painted, the later one is meant."""
PART_OF_CLASS = torch.tensor([FACES.part_index(part) for part in PARTS.values()], dtype=torch.uint8)
"""The classes as indices into the parts of faces."""
PHOTOS, ANNOTATIONS, A_FOLDER = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno", 2000


@dataclass(frozen=True)
class Sample:
    """A photograph and its mask: files by class, or a file of class indices under -1."""

    photo: Path
    masks: tuple[tuple[int, Path], ...]

    def read(self, size: int) -> tuple[Tensor, Tensor]:
        """Photograph (3, size, size) uint8 and part labels (size, size) uint8.

        Raises:
            SemwaveError: a file cannot be read, or its values are no classes.
        """
        photo = Image.fromarray(images.read_image(self.photo)).resize((size, size), Image.Resampling.LANCZOS)
        read = [(index, path, _values(path)) for index, path in self.masks]
        classes = np.zeros_like(read[0][2])
        for index, path, values in read:
            if values.shape != classes.shape:
                raise SemwaveError(f"{path}: is not of the size of the photograph's other masks")
            if index < 0:
                classes = values
            else:
                classes[values > 127] = index
        if classes.max() >= len(CLASSES):
            raise SemwaveError(f"{self.masks[0][1]}: has the class {classes.max()}; the last is {len(CLASSES) - 1}")
        small = np.array(Image.fromarray(classes).resize((size, size), Image.Resampling.NEAREST))
        return torch.from_numpy(np.array(photo)).permute(2, 0, 1), PART_OF_CLASS[torch.from_numpy(small).long()]


def _values(path: Path) -> np.ndarray:
    """The bytes (H, W) of a mask; of a coloured one, which the published ones may be, the first channel."""
    try:
        with Image.open(path) as picture:
            values = np.array(picture)
    except Exception:  # decoders fail on damaged bytes with nearly any exception
        raise SemwaveError(f"{path}: not a readable mask; get an intact copy of the file") from None
    values = values if values.ndim == 2 else values[..., 0]
    if values.dtype == bool:
        return values * np.uint8(255)
    if values.dtype != np.uint8:
        raise SemwaveError(f"{path}: a mask has one byte a pixel, not {values.dtype}")
    return values.copy()


def find_samples(data: Path, split: str) -> list[Sample]:
    """The photographs of ``split`` ("train" or "test") below ``data``, with their masks.

    Raises:
        SemwaveError: the folder is laid out in neither way, or a photograph has no mask.
    """
    published = (data / PHOTOS).is_dir()
    if not published and not ((data / "images").is_dir() and (data / "masks").is_dir()):
        raise SemwaveError(
            f"CelebAMask-HQ is missing in {data}; there must be {PHOTOS}/ and {ANNOTATIONS}/, or images/ and masks/"
        )
    folder = data / (PHOTOS if published else "images")
    photos = {path.stem: path for path in folder.iterdir() if path.is_file()}
    listing = data / f"{split}.txt"
    if listing.is_file():
        names = [Path(name).stem for name in listing.read_text(encoding="utf-8").split()]
    elif split == "train":
        names = sorted(photos, key=lambda name: (len(name), name))
    else:
        raise SemwaveError(f"{listing} is missing: it names the photographs of {split}, one a line")
    source = listing if listing.is_file() else folder
    if not names:
        raise SemwaveError(f"{source} names no photographs")
    samples = []
    for name in names:
        masks = _published(data, name) if published else [(-1, data / "masks" / f"{name}.png")]
        masks = tuple((index, path) for index, path in masks if path.is_file())
        if name not in photos or not masks:
            raise SemwaveError(f"{name}, listed in {source}, has no photograph or no mask under {data}")
        samples.append(Sample(photos[name], masks))
    return samples


def _published(data: Path, name: str) -> list[tuple[int, Path]]:
    if not name.isascii() or not name.isdigit():
        raise SemwaveError(f"{data / PHOTOS}: '{name}' is not a number, as the names of CelebAMask-HQ are")
    folder = data / ANNOTATIONS / str(int(name) // A_FOLDER)
    return [(index, folder / f"{int(name):05d}_{CLASSES[index]}.png") for index in range(1, len(CLASSES))]
