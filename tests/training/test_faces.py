"""Generated faces: composed ones take whole parts, and made ones are kept."""

import pytest
import torch

from semwave.latent.layout import FACES, MASK_CODE
from semwave.model import load_face_model
from semwave.training.faces import batch_of, compose, make_faces, make_plain, to_bytes


@pytest.mark.parametrize(("codes", "size"), [(FACES.codes, FACES.code_size), (8, 32)])
def test_composed_faces_take_whole_parts(codes, size):
    own, others = torch.zeros(40, codes, size), torch.ones(40, 2, codes, size)
    composed = compose(own, others, torch.Generator().manual_seed(0))
    assert composed.shape == own.shape and composed[:, :2].eq(0).all()
    assert torch.equal(composed[:, 2::2], composed[:, 3::2])
    assert 0 < composed[:, 2:].mean() < 1


def test_made_faces_have_the_codes_that_they_were_drawn_from(tmp_path):
    model = load_face_model("faces-512")
    plain = make_plain(model.native, model.parser, 2, 0, tmp_path / "plain.pt", batch=2)
    faces = make_faces(model.native, model.space, plain, 0, tmp_path / "faces.pt", batch=2)
    images, coordinates = batch_of(faces, torch.tensor([0, 2]))
    assert images.shape == (2, 3, 256, 256) and coordinates.shape == (2, FACES.codes, FACES.coordinates)
    with torch.no_grad():
        drawn = model.native(model.space.codes(coordinates), 256).image.clamp(-1, 1)
    # The first is of one style in all codes, the other composed; what 256 coordinates do not say shows little.
    assert (drawn - images).abs().mean() < 0.05
    assert plain["labels"].shape == (2, 128, 128) and plain["labels"].max() < len(FACES.parts)
    assert (coordinates[0, 2:] - coordinates[0, 0]).abs().max() < 0.02
    assert (coordinates[0, MASK_CODE, FACES.mask_numbers :] == 0).all()
    kept = make_faces(model.native, model.space, {}, 9, tmp_path / "faces.pt")
    assert all(torch.equal(kept[name], faces[name]) for name in faces)


def test_bytes_are_the_nearest_grey_level():
    assert to_bytes(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]
