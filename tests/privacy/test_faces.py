"""Codes of data sets: the same for the same seed, read from files, and errors that name the photo."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from semwave import SemwaveError
from semwave.air.seeds import noise_generator
from semwave.pictures.images import to_tensor
from semwave.pictures.photos import find_photos
from semwave.privacy.faces import GeneratedCodes, PhotoCodes, drawn, read_codes
from semwave.types import Scene
from semwave.work.local import Local


@pytest.mark.parametrize("engine", [Local(0, 1), Local(2, 4)])
def test_codes_of_generated_faces_are_read_off_their_pictures(engine, part_model):
    found = [outcome.result for outcome in engine(lambda: GeneratedCodes(part_model, 7), range(3))]
    for number, codes in enumerate(found):
        picture = drawn(part_model, noise_generator(7, f"face {number}"), 256)
        assert torch.equal(codes, part_model.invert(Scene(picture)))
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("batch", [1, 2])
def test_codes_of_photos_are_those_of_each(batch, part_model, squares, tmp_path):
    for i in range(3):
        Image.fromarray(squares(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_text("no picture")
    outcomes = list(Local(2, batch)(lambda: PhotoCodes(part_model, align_faces=False), find_photos([tmp_path])))
    assert [outcome.unit.name for outcome in outcomes if outcome.failure] == ["1"] and "1.png" in outcomes[1].failure
    for i in (0, 2):
        assert torch.equal(outcomes[i].result, part_model.invert(Scene(to_tensor(squares(i)))))


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
