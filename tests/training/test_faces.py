"""Generated faces: composed ones take whole parts, and made ones are kept."""

import pytest
import torch
from interrupted import counted_and_stopped

from semwave.errors import SemwaveError
from semwave.latent.layout import FACES, MASK_CODE
from semwave.model import load_face_model
from semwave.training.faces import GROUP, PlainFaces, batch_of, compose, make_faces, make_plain, to_bytes
from semwave.work.cluster import Cluster
from semwave.work.local import Local


@pytest.mark.parametrize(("codes", "size"), [(FACES.codes, FACES.code_size), (8, 32)])
def test_composed_faces_take_whole_parts(codes, size):
    own, others = torch.zeros(40, codes, size), torch.ones(40, 2, codes, size)
    composed = compose(own, others, torch.Generator().manual_seed(0))
    assert composed.shape == own.shape and composed[:, :2].eq(0).all()
    assert torch.equal(composed[:, 2::2], composed[:, 3::2])
    assert 0 < composed[:, 2:].mean() < 1


def test_made_faces_have_the_codes_that_they_were_drawn_from(tmp_path):
    model = load_face_model("faces-512")
    plain = make_plain(model.native, model.parser, 2, 0, tmp_path / "plain.pt")
    faces = make_faces(model.native, model.space, plain, 0, tmp_path / "faces.pt")
    images, coordinates = batch_of(faces, torch.tensor([0, 2]))
    assert images.shape == (2, 3, 256, 256) and coordinates.shape == (2, FACES.codes, FACES.coordinates)
    with torch.no_grad():
        drawn = model.native(model.space.codes(coordinates), 256).image.clamp(-1, 1)
    # The first is of one style in all codes, the other composed; what 256 coordinates do not say shows little.
    assert (drawn - images).abs().mean() < 0.05
    assert {path.name for path in tmp_path.iterdir()} == {"plain.pt", "faces.pt"}
    assert plain["labels"].shape == (2, 128, 128) and plain["labels"].max() < len(FACES.parts)
    assert (coordinates[0, 2:] - coordinates[0, 0]).abs().max() < 0.02
    assert (coordinates[0, MASK_CODE, FACES.mask_numbers :] == 0).all()
    kept = make_faces(model.native, model.space, {}, 9, tmp_path / "faces.pt")
    assert all(torch.equal(kept[name], faces[name]) for name in faces)


COUNT = GROUP + 2


def both_sets(model, folder, engine, count=COUNT):
    """The faces of ``model``, in one thread: with as many the bits are the same."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plain = make_plain(model.native, model.parser, count, 3, folder / "plain.pt", engine)
        return plain | {"all": make_faces(model.native, model.space, plain, 3, folder / "faces.pt", engine)["images"]}
    finally:
        torch.set_num_threads(threads)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_faces_do_not_depend_on_who_makes_them(ray, tmp_path):
    model = load_face_model("faces-512")
    alone = both_sets(model, tmp_path / "alone", Local(0, 1))
    assert len(alone["images"]) == COUNT and len(alone["all"]) == 2 * COUNT
    assert equal(both_sets(model, tmp_path / "beside", Local(2, 3)), alone)
    assert equal(both_sets(model, tmp_path / "cluster", Cluster("", 1)), alone)


def test_faces_go_on_where_they_were_stopped_and_stay_what_they_are(tmp_path, monkeypatch):
    model = load_face_model("faces-512")
    made, counted, stopped = counted_and_stopped(PlainFaces._drawn)
    monkeypatch.setattr(PlainFaces, "_drawn", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_plain(model.native, model.parser, COUNT, 3, tmp_path / "plain.pt")
    monkeypatch.setattr(PlainFaces, "_drawn", counted)
    more = make_plain(model.native, model.parser, COUNT, 3, tmp_path / "plain.pt")
    assert len(made) == 2
    fewer = make_plain(model.native, model.parser, GROUP, 3, tmp_path / "fewer.pt")
    assert equal(fewer, {name: values[:GROUP] for name, values in more.items()})
    assert not torch.equal(more["styles"][0], more["styles"][GROUP])


def test_a_face_that_cannot_be_made_is_one_error(tmp_path, monkeypatch):
    def refused(self, random):
        raise SemwaveError("no memory is left")

    monkeypatch.setattr(PlainFaces, "_drawn", refused)
    model = load_face_model("faces-512")
    with pytest.raises(SemwaveError, match=r"plain\.pt: cannot be made \(no memory"):
        make_plain(model.native, model.parser, 1, 0, tmp_path / "plain.pt")


def test_bytes_are_the_nearest_grey_level():
    assert to_bytes(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 128, 255]
