"""Photographs and masks on the disk, in both layouts of CelebAMask-HQ."""

import numpy as np
import pytest
from PIL import Image

from semwave.training.celebamask import CLASSES

NUMBERS = ("7", "1999", "2001")


@pytest.fixture
def layouts(tmp_path):
    """The same three photographs and masks in both layouts."""
    source = np.random.default_rng(0)
    published, single = tmp_path / "published", tmp_path / "single"
    (published / "CelebA-HQ-img").mkdir(parents=True)
    for folder in ("images", "masks"):
        (single / folder).mkdir(parents=True)
    for i, number in enumerate(NUMBERS):
        pixels = source.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        classes = source.integers(0, len(CLASSES), (16, 16), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
        for path in (published / "CelebA-HQ-img" / f"{number}.png", single / "images" / f"{number}.png"):
            Image.fromarray(pixels).save(path)
        Image.fromarray(classes).save(single / "masks" / f"{number}.png")
        folder = published / "CelebAMask-HQ-mask-anno" / str(int(number) // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for index, name in enumerate(CLASSES[1:], 1):
            mask = np.where(classes == index, 255, 0).astype(np.uint8)
            if name == "skin":  # drawn below the others, as it is in the published files
                mask[np.isin(classes, (2, 4, 10))] = 255
            mask = mask if i else np.repeat(mask[:, :, None], 3, 2)
            Image.fromarray(mask).save(folder / f"{int(number):05d}_{name}.png")
    return published, single


@pytest.fixture
def folder(tmp_path):
    """Two photographs for training and one for tests, with one mask file each."""
    source = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b", "c"):
        pixels = source.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(source.integers(0, 19, (64, 64), dtype=np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "train.txt").write_text("a.png\nb.png\n")
    (tmp_path / "test.txt").write_text("c\n")
    return tmp_path
