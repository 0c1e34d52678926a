"""Masks that the user draws."""

import numpy as np
import pytest
import torch
from PIL import Image

from semwave import SemwaveError
from semwave.pictures import align
from semwave.privacy.photo import framed, read_mask


def test_a_mask_removes_its_pixels_before_the_face_is_looked_for(monkeypatch):
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    mask = np.zeros((90, 120), bool)
    mask[20:50, 30:70] = True
    seen = []
    monkeypatch.setattr(
        align,
        "choose_face",
        lambda picture, _: seen.append(picture) or align.Choice(align.Frame(np.array([60.0, 45]), np.array([50.0, 5]))),
    )
    pictures = [
        photo,
        np.where(mask[..., None], 0, photo).astype(np.uint8),
        np.where(mask[..., None], 255, photo).astype(np.uint8),
    ]
    results = [framed(picture, 64, True, mask) for picture in pictures]
    for result, found in zip(results, seen, strict=True):
        np.testing.assert_array_equal(result.read, results[0].read)
        np.testing.assert_array_equal(found, seen[0])
        np.testing.assert_array_equal(found[~mask], photo[~mask])
        assert torch.equal(result.region, results[0].region) and result.region.any() and not result.region.all()
    assert (results[0].sent != results[0].read).any()


def test_without_a_mask_the_photo_is_read_as_it_is(squares):
    result = framed(squares(0), 256, False)
    np.testing.assert_array_equal(result.sent, squares(0))
    np.testing.assert_array_equal(result.read, squares(0))
    assert result.region is None


def test_bad_masks_are_refused(squares, tmp_path):
    with pytest.raises(SemwaveError, match="the mask has 10 x 12 pixels, the photo 256 x 256"):
        framed(squares(0), 256, False, np.ones((12, 10), bool))
    with pytest.raises(SemwaveError, match="covers too much"):
        framed(squares(0), 256, True, np.ones((256, 256), bool))
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    with pytest.raises(SemwaveError, match="marks nothing"):
        read_mask(tmp_path / "black.png")
