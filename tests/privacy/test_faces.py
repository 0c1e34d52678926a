"""Codes of data sets: the same for the same seed, read from files, and errors that name the photo."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from semwave import SemwaveError
from semwave.pictures.images import to_tensor
from semwave.privacy.faces import drawn, generated, of_photos, read_codes
from semwave.types import Scene


def test_codes_of_generated_faces_are_read_off_their_pictures(part_model):
    found = list(generated(part_model, 3, 7))
    random = torch.Generator().manual_seed(7)
    for codes in found:
        assert torch.equal(codes, part_model.invert(Scene(drawn(part_model, random, 256))))
    assert not torch.equal(found[0], found[1])


def test_codes_of_photos_are_those_of_each(part_model, squares, tmp_path):
    for i in range(2):
        Image.fromarray(squares(i)).save(tmp_path / f"{i}.png")
    count, codes = of_photos(part_model, tmp_path, align_faces=False)
    expected = [part_model.invert(Scene(to_tensor(squares(i)))) for i in range(count)]
    assert count == 2 and torch.equal(torch.cat(list(codes)), torch.cat(expected))


def test_a_photo_that_cannot_be_taken_is_named(part_model, squares, tmp_path):
    with pytest.raises(SemwaveError, match="no pictures in this folder"):
        of_photos(part_model, tmp_path, align_faces=True)
    Image.fromarray(squares(0)).save(tmp_path / "squares.png")
    with pytest.raises(SemwaveError, match=r"squares\.png"):
        list(of_photos(part_model, tmp_path, align_faces=True)[1])


def test_codes_are_read_of_both_formats(tmp_path):
    codes = torch.randn(70, 28, 512)
    np.save(tmp_path / "codes.npy", codes.numpy())
    save_file({"codes": codes}, tmp_path / "codes.safetensors")
    for kind in ("npy", "safetensors"):
        assert torch.equal(torch.cat(read_codes(tmp_path / f"codes.{kind}")), codes)
    save_file({"others": codes}, tmp_path / "codes.safetensors")
    with pytest.raises(SemwaveError, match="has no codes"):
        read_codes(tmp_path / "codes.safetensors")
    with pytest.raises(SemwaveError, match="no such file"):
        read_codes(tmp_path / "codes")
