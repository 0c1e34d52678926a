"""Rows are sorted by what their schemes say of themselves, not by their names."""

import pytest
from schemes import rows_of, rows_of_model

from semwave.baselines.facts import FITTED, Facts
from semwave.evaluation.groups import curves, first, fitted, mean, share
from semwave.types import DELIVERED, LOST

CODEC = Facts(FITTED, "m", 256, ("codes",), True, False)


def test_fitted_codecs_are_no_curves():
    rows = rows_of_model(256, {0.0: (18.0, 0.3), 10.0: (20.0, 0.3)}) + rows_of("any name", CODEC, {10.0: (19.0, 0.3)})
    rows += rows_of("m-fitted-k256", Facts("mine", k=256), {10.0: (19.0, 0.3)}, "rayleigh")
    assert {scheme: sorted(curve) for scheme, curve in curves(rows, "awgn").items()} == {"m-k256": [0.0, 10.0]}
    assert list(curves(rows, "rayleigh")) == ["m-fitted-k256"]
    assert {codec: len(curve[10.0]) for codec, curve in fitted(rows).items()} == {("m", 256, True, False): 3}
    assert first(curves(rows, "awgn")["m-k256"]).facts.model == "m"


def test_means_and_shares():
    rows = rows_of_model(256, {10.0: (20.0, 0.3)})
    assert mean(rows, "psnr_db") == 21 and mean(rows, "lpips_alex") == pytest.approx(0.31)
    assert share(rows, DELIVERED) == 1 and share(rows, LOST) == 0
