"""Photographs with labels: read together, kept on the disk, moved together."""

import numpy as np
import pytest
import torch
from PIL import Image

from semwave.errors import SemwaveError
from semwave.latent.layout import FACES
from semwave.training import celebamask
from semwave.training.celebamask import PART_OF_CLASS, Sample
from semwave.training.data import Photos, augment, map_photos, read_photos, without_validation


def test_photos_and_labels_are_read_together(folder):
    photos = read_photos(folder, "train", 64)
    assert len(photos) == 2 and photos.images.shape == (2, 3, 64, 64)
    classes = torch.from_numpy(np.array(Image.open(folder / "masks" / "a.png"))).long()
    assert torch.equal(photos.labels[0], PART_OF_CLASS[classes])
    names = [FACES.parts[PART_OF_CLASS[i]] for i in (3, 4, 11, 13, 16, 18)]
    assert names == ["glasses", "eyes", "mouth", "hair", "neck", "clothes"]


def test_a_folder_of_another_layout_is_refused(folder):
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(SemwaveError, match="b, listed in"):
        read_photos(folder, "train", 64)
    with pytest.raises(SemwaveError, match="missing"):
        read_photos(folder / "images", "train", 64)


def test_validation_photos_are_left_out():
    photos = Photos(torch.arange(100).reshape(100, 1), torch.arange(100).reshape(100, 1))
    assert without_validation(photos).images.max() == 59


def test_augmentation_moves_photo_and_labels_together():
    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    labels[:, 20:40, 10:30] = 7
    images = labels[:, None].repeat(1, 3, 1, 1) / 7.0 * 2 - 1
    moved, moved_labels = augment(images, labels, torch.Generator().manual_seed(0))
    assert not torch.equal(moved_labels, labels)
    agree = ((moved.mean(1) > 0) == (moved_labels == 7)).float().mean()
    assert agree > 0.97


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_augmentation_of_no_strength_mirrors_only(precision):
    images = torch.rand(4, 3, 512, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.zeros(4, 512, 512, dtype=torch.uint8)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        moved, _ = augment(images, labels, torch.Generator().manual_seed(0), strength=0.0)
    for image, mirrored, after in zip(images, images.flip(3), moved, strict=True):
        assert min((after - image).abs().max(), (after - mirrored).abs().max()) < 1e-3


def test_photos_on_the_disk_are_those_in_memory_and_interruption_costs_nothing(layouts, tmp_path, monkeypatch):
    read, seen = Sample.read, []

    def counted(sample, size):
        seen.append(sample.photo.stem)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read(sample, size)

    monkeypatch.setattr(celebamask.Sample, "read", counted)
    with pytest.raises(KeyboardInterrupt):
        map_photos(layouts[0], "train", 32, tmp_path / "cache")
    mapped = map_photos(layouts[0], "train", 32, tmp_path / "cache")
    assert seen == ["7", "1999", "1999", "2001"]
    map_photos(layouts[0], "train", 32, tmp_path / "cache")
    assert len(seen) == 4
    photos = read_photos(layouts[0], "train", 32)
    assert torch.equal(mapped.images, photos.images) and torch.equal(mapped.labels, photos.labels)
