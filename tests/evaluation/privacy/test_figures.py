"""The paper's Figs. 2 and 6: what they show, and for which models they cannot be drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from semwave import SemwaveError
from semwave.evaluation.privacy import figures
from semwave.latent.layout import FACES, Layout
from semwave.model import FaceModel
from semwave.pictures import align, images
from semwave.zoo import without_flow


def test_present_parts_are_those_that_the_parser_sees(model, faces):
    assert set(figures.present(model, faces[0], FACES.essential)) == set(FACES.essential)
    assert figures.present(model, torch.zeros(1, 3, 256, 256), ("eyes",)) == ()


@pytest.fixture
def nothing_is_drawn(monkeypatch):
    monkeypatch.setattr(align, "align", lambda *_: pytest.fail("long work began"))


@pytest.mark.usefixtures("nothing_is_drawn")
def test_a_model_that_cannot_be_drawn_is_refused_at_once(linear_model, model, tmp_path):
    with pytest.raises(SemwaveError, match="cannot hide parts"):
        figures.draw(linear_model, tmp_path, 256, 0)
    with pytest.raises(SemwaveError, match="size 100 is not offered"):
        figures.draw(model, tmp_path, 100, 0)
    config = without_flow(model.config)
    with pytest.raises(SemwaveError, match="k = 2560 is not offered by faces-512; k is even, from 64 to 512"):
        figures.draw(FaceModel(config), tmp_path, 256, 0)
    cats = Layout(("background", "fur", "whiskers"), mask_numbers=64)
    # A model of another domain, as far as its configuration says.
    other = FaceModel(config)
    other.config = replace(model.config, layout=cats)
    with pytest.raises(SemwaveError, match="unknown part 'eyes'; the parts are background, fur, whiskers"):
        figures.draw(other, tmp_path, 256, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_both_figures_show_every_face_in_every_way(model, tmp_path):
    written = figures.draw(model, tmp_path, 256, 0)
    assert written == [tmp_path / "figure-2.png", tmp_path / "figure-6.png"]
    for path, columns in zip(written, (3, 4), strict=True):
        picture = images.read_image(path)
        width = 256 + 4
        assert picture.shape == ((1 + figures.GENERATED) * width, columns * width, 3)
        sent = [picture[i * width :][:256, :256].astype(float) for i in range(1 + figures.GENERATED)]
        for column in range(1, columns):
            arrived = [picture[i * width :, column * width :][:256, :256] for i in range(len(sent))]
            errors = [np.square(a - b).mean() for a, b in zip(sent, arrived, strict=True)]
            assert min(errors) > 0 and max(errors) < 128**2
