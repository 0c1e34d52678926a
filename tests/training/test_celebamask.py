"""CelebAMask-HQ on the disk: both layouts are read alike, classes are parts of faces, and damage is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from semwave.errors import SemwaveError
from semwave.latent.layout import FACES
from semwave.training.celebamask import CLASSES, PART_OF_CLASS
from semwave.training.data import read_photos


def test_both_layouts_are_read_alike(layouts):
    published, single = (read_photos(folder, "train", 32) for folder in layouts)
    assert torch.equal(published.images, single.images) and torch.equal(published.labels, single.labels)
    classes = np.array(Image.open(layouts[1] / "masks" / "2001.png"))
    assert torch.equal(single.labels[2], PART_OF_CLASS[torch.from_numpy(classes).long()])


def test_the_classes_are_the_parts_of_their_names():
    parts = {name: FACES.parts[PART_OF_CLASS[i]] for i, name in enumerate(CLASSES)}
    assert set(parts.values()) == set(FACES.parts)
    assert parts["eye_g"] == "glasses" and parts["cloth"] == "clothes" and parts["neck_l"] == parts["neck"] == "neck"
    assert parts["u_lip"] == parts["l_lip"] == parts["mouth"] == "mouth" and parts["ear_r"] == "earrings"
    assert all(parts[f"{side}_{what}"] == f"{what}s" for side in "lr" for what in ("eye", "brow", "ear"))


def test_a_split_is_what_its_list_names(layouts):
    (layouts[0] / "test.txt").write_text("2001.jpg\n")
    assert torch.equal(read_photos(layouts[0], "test", 32).images, read_photos(layouts[0], "train", 32).images[2:])
    with pytest.raises(SemwaveError, match=r"test\.txt is missing"):
        read_photos(layouts[1], "test", 32)


def damaged(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def with_class_19(folder):
    Image.fromarray(np.full((8, 8), 19, np.uint8)).save(folder / "masks" / "7.png")


def of_16_bits(folder):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "masks" / "7.png")


def of_another_size(folder):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "CelebAMask-HQ-mask-anno" / "0" / "00007_hair.png")


@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        (0, lambda folder: (folder / "CelebA-HQ-img").rename(folder / "img"), "CelebAMask-HQ is missing in"),
        (1, lambda folder: (folder / "masks").rename(folder / "labels"), "CelebAMask-HQ is missing in"),
        (1, lambda folder: (folder / "masks" / "1999.png").unlink(), "1999, listed in .* has no photograph or no mask"),
        (0, lambda folder: (folder / "train.txt").write_text("8"), "8, listed in .* has no photograph or no mask"),
        (0, lambda folder: (folder / "train.txt").write_text(""), "names no photographs"),
        (0, damaged("CelebA-HQ-img/cat.png", b""), "'cat' is not a number"),
        (1, damaged("images/7.png", b"no picture"), "not a readable picture"),
        (1, damaged("masks/7.png", b"no picture"), "not a readable mask"),
        (1, with_class_19, "has the class 19"),
        (1, of_16_bits, "one byte a pixel"),
        (0, of_another_size, "not of the size"),
    ],
)
def test_malformed_data_are_refused(layouts, layout, damage, message):
    damage(layouts[layout])
    with pytest.raises(SemwaveError, match=message) as refusal:
        read_photos(layouts[layout], "train", 32)
    assert "\n" not in str(refusal.value)
