"""Figures show what was measured, and the same rows give the same bytes."""

import numpy as np
import pytest
from schemes import rows_of, rows_of_model

from semwave.baselines.facts import FITTED, IDEAL, SEPARATION, Facts
from semwave.evaluation.figures import draw_curves, draw_matrix
from semwave.evaluation.groups import half_width, mean
from semwave.pictures.images import read_image

VALUES = {0.0: (18.0, 0.4), 10.0: (20.0, 0.3)}


@pytest.fixture(scope="module")
def rows():
    rows = rows_of("mine", Facts(k=768), VALUES)
    for k in (256, 1024, 2560):
        rows += rows_of_model(k, VALUES)
    rows += rows_of("held", Facts(SEPARATION, k=256, held_snr_db=10.0), VALUES)
    rows += rows_of("jpeg", Facts(IDEAL, k=256, image_codec="JPEG 2000"), VALUES)
    for k in (256, 512):
        for flow in (True, False):
            rows += rows_of(f"{k} {flow}", Facts(FITTED, "m", k, ("codes",), flow, True), VALUES)
    return rows


def test_curves_are_drawn_by_what_schemes_say_of_themselves(rows, tmp_path):
    written = draw_curves(rows, tmp_path / "a")
    names = [f"figure-{number}.{kind}" for number in (3, 4, 5) for kind in ("png", "svg")]
    assert [path.name for path in written] == names
    text = (tmp_path / "a" / "figure-3.svg").read_text()
    for scheme in ("m-k256", "mine", "held", "jpeg"):
        assert f"<!-- {scheme} -->" in text
    assert "<!-- 256 True -->" not in text
    text = (tmp_path / "a" / "figure-5.svg").read_text()
    for label in ("m, codes by a fitted codec, without flow", "m", "mine", "1/12288"):
        assert f"<!-- {label} -->" in text
    assert "<!-- held -->" not in text and "<!-- jpeg -->" not in text
    for path in draw_curves(rows, tmp_path / "b"):
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_the_leading_figures_show_models_beside_what_anchors_them(rows, tmp_path):
    ideal = [row for k in (256, 2560) for row in rows_of(f"ideal {k}", Facts(IDEAL, k=k), VALUES)]
    alone = rows_of("alone", rows_of_model(256, VALUES, ("codes",))[0].facts, VALUES)
    draw_curves(rows + ideal + alone + rows_of("follows", Facts(SEPARATION, k=256), VALUES), tmp_path)
    text = (tmp_path / "rate-distortion.svg").read_text()
    for label in ("m", "m, codes alone", "best image codec, 5G code", "best image codec, ideal code (bound)"):
        assert f"<!-- {label} -->" in text
    assert "<!-- mine -->" not in text
    text = (tmp_path / "quality-over-snr.svg").read_text()
    assert "<!-- m, k = 2560 -->" in text and "<!-- best image codec, 5G code, k = 256 -->" in text
    assert "(bound)" not in text and "codes alone" not in text
    # One scheme has nothing beside it.
    assert not any(path.stem == "rate-distortion" for path in draw_curves(rows_of_model(256, VALUES), tmp_path / "one"))


def test_bands_are_the_confidence_intervals_of_means():
    same, apart = rows_of_model(256, {10.0: (20.0, 0.3)}), rows_of_model(256, {10.0: (20.0, 0.3)})
    values = [row.psnr_db for row in apart]
    assert half_width(apart, "psnr_db") == pytest.approx(1.96 * np.std(values, ddof=1) / len(values) ** 0.5)
    assert half_width(same[:1], "psnr_db") == 0 and mean(same, "psnr_db") == pytest.approx(np.mean(values))


def test_rayleigh_has_figures_of_its_own(tmp_path):
    written = draw_curves(rows_of("mine", Facts(k=768), VALUES, "rayleigh"), tmp_path)
    assert {path.stem for path in written} == {"figure-3-rayleigh", "figure-4-rayleigh"}


def test_the_matrix_shows_what_was_sent_once_and_all_that_arrived(tmp_path):
    red, blue = (np.full((128, 128, 3), colour, dtype=np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    arrived = {(scheme, snr_db): blue for scheme in ("a-k256", "b-k2560") for snr_db in (0.0, 10.0)}
    drawn = read_image(draw_matrix(red, arrived, tmp_path / "matrix")[0]).astype(int)
    shown = {
        name: (np.abs(drawn - colour).max(-1) < 9).sum() for name, colour in (("red", red[0, 0]), ("blue", blue[0, 0]))
    }
    assert shown["red"] > 1000 and shown["blue"] == pytest.approx(4 * shown["red"], rel=0.05)
