"""What the measuring of privacy keeps and writes, and what it refuses before it begins."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from semwave import SemwaveError
from semwave.evaluation.privacy import measure as measuring
from semwave.evaluation.privacy.measure import BEGIN, END, FACE, NOTHING, Measuring, measure
from semwave.model import FaceModel
from semwave.pictures.images import to_uint8
from semwave.pictures.photos import read_photo
from semwave.privacy.settings import Mode
from semwave.zoo import weights_digest, without_flow

QUIET = Console(quiet=True)


@pytest.fixture
def data(faces, tmp_path):
    """One test photo, and two training photos of which it is one."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for name, face in zip(("one", "two"), faces, strict=True):
        Image.fromarray(to_uint8(face[0])).save(folder / "images" / f"{name}.png")
    (folder / "test.txt").write_text("one\n")
    (folder / "train.txt").write_text("one\ntwo\n")
    return folder


def mse(a, b):
    return (a - b).square().mean((1, 2, 3))


def test_a_model_without_what_is_measured_is_refused_at_once(linear_model, model, data):
    with pytest.raises(SemwaveError, match="faces-512 has no flow"):
        Measuring(linear_model, data, 0, mse)
    with pytest.raises(SemwaveError, match="faces-512 has no flow"):
        Measuring(FaceModel(without_flow(model.config)), data, 0, mse)
    (data / "test.txt").unlink()
    with pytest.raises(SemwaveError, match=r"test\.txt: no such file"):
        Measuring(model, data, 0, mse)


@pytest.mark.slow
def test_photos_are_measured_once_and_the_table_is_put_between_its_marks(model, data, tmp_path, monkeypatch):
    # All the parts there are would take a minute.
    monkeypatch.setattr(measuring, "present", lambda model, photo, parts: ("eyes",))
    table = tmp_path / "privacy.md"
    table.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    measure(Measuring(model, data, 0, mse), tmp_path / "out", table, QUIET)
    (path,) = (tmp_path / "out").glob("measured-*-0/rows/*.json")
    rows = json.loads(path.read_text())
    assert [(row["hidden"], row["mode"]) for row in rows] == [
        (NOTHING, None),
        *(("eyes", str(mode)) for mode in Mode),
        *((FACE, str(mode)) for mode in Mode),
    ]
    for row in rows[1:]:
        # Hiding changes the eyes and little else. In strict mode they are further from the photo's; in the other modes
        # they are somebody's natural eyes, which may by chance be as near to those of a generated face.
        assert row["change_inside"] > 2 * row["change_outside"]
        if row["mode"] == str(Mode.strict):
            assert row["psnr_inside_hidden"] < row["psnr_inside_plain"] - 1
        assert abs(row["psnr_outside_hidden"] - row["psnr_outside_plain"]) < 0.5
        assert row["photo"] == "one" and np.isfinite(row["nats"])
    text = table.read_text()
    of = f"1 test photos, faces-512 (weights {weights_digest('faces-512')})"
    assert text.startswith(f"before\n\n{BEGIN}\n\n{of}, k = 2560, AWGN at 10 dB, 256 px, seed 0.")
    assert text.endswith(f"{END}\n\nafter\n") and "old" not in text
    assert f"| eyes | strict | 1 | {rows[3]['psnr_outside_plain']:.1f} → " in text
    assert "| visible rest |" in text

    def again(*_):
        pytest.fail("measured again")

    monkeypatch.setattr(Measuring, "rows", again)
    monkeypatch.setattr(Measuring, "views", again)
    measure(Measuring(model, data, 0, mse), tmp_path / "out", tmp_path / "new.md", QUIET)
    assert (tmp_path / "new.md").read_text() == text[text.index(BEGIN) : text.index(END) + len(END)] + "\n"


def test_a_probe_sees_the_same_of_a_photo_whatever_its_eyes_show_in_strict_mode(model, data, monkeypatch):
    measured = Measuring(model, data, 0, mse)
    (photo,) = measured.tests
    sent = read_photo(photo.path, 256, align=False)
    region = measured.eyes.region(sent)
    private = region.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, None]
    views = measured.views(photo)
    # The parser finds no eyes where there is black.
    monkeypatch.setattr(measured.eyes, "region", lambda images: region)
    monkeypatch.setattr(measuring, "present", lambda model, photo, parts: parts)
    monkeypatch.setattr(measuring, "read_photo", lambda *_, **options: torch.where(private, -1.0, sent))
    changed = measured.views(photo)
    assert views.keys() == changed.keys() == {
        *(f"received, {mode}" for mode in Mode), "received, nothing hidden", "visible rest", "eyes",
    }  # fmt: skip
    for name in ("received, strict", "visible rest"):
        assert torch.equal(views[name], changed[name])
    for name in ("received, nothing hidden", "eyes"):
        assert (views[name] - changed[name]).abs().max() > 0.1 * views[name].abs().max()
