"""Verdicts follow the numbers."""

import math
from pathlib import Path

import pytest
from schemes import rows_of, rows_of_model

from semwave.baselines.facts import DEEP_JSCC, FITTED, IDEAL, SEPARATION, Facts
from semwave.evaluation.claims import COMPARISONS, PAPER, claims, difference
from semwave.evaluation.store import Row, read_csv
from semwave.types import DELIVERED, LOST

DOCS = Path(__file__).parents[2] / "docs"


def verdicts(rows):
    return {claim.text: claim for claim in claims(rows)}


@pytest.mark.parametrize("better", [True, False])
def test_verdicts_follow_the_numbers(better):
    lpips = 0.3 if better else 0.6
    loss = 0.5 if better else 0.9
    curve = {5.0: (19.0 - loss, lpips), 10.0: (18.9, lpips), 20.0: (19.0, lpips)}
    rows = rows_of_model(256, curve) + rows_of_model(2560, curve)
    rows += rows_of("a", Facts(DEEP_JSCC, k=2560), {10.0: (20.0, 0.5)})
    rows += rows_of("b", Facts(DEEP_JSCC, k=32768), {10.0: (20.0, 0.5), 20.0: (21.0, 0.5)})
    rows += rows_of("c", Facts(SEPARATION, k=2560), {10.0: (18.0, 0.5)})
    found = verdicts(rows)
    for ratio in ("1/3072", "10/3072"):
        told = found[f"At 10 dB, m at {ratio} has a lower, better LPIPS than Deep JSCC at 10/3072"]
        assert told.holds == better and f"{lpips - 0.5:+.3f}" in told.measured
        told = found[f"At 10 dB, m at {ratio} has a higher PSNR than Deep JSCC at 10/3072"]
        assert not told.holds and "-1.10" in told.measured
    told = next(claim for text, claim in found.items() if "PSNR of m at k = 256 is flat" in text)
    assert told.holds == better and f"{loss:+.2f}" in told.measured
    told = found[
        "At 10 dB, m at k = 2560 has a higher PSNR than the best image codec with a 5G code and as many symbols"
    ]
    assert told.holds and "+0.90" in told.measured and told.source == COMPARISONS
    assert not any("k = 256 has a" in text or "ideal" in text for text in found)
    slightly = {text: claim.holds for text, claim in found.items() if "slightly" in text}
    assert len(slightly) == 2 and all(slightly.values()) and all(found[text].source == PAPER for text in slightly)


def test_codes_alone_are_claimed_for_beside_all_that_is_sent():
    curve = {5.0: (18.0, 0.3), 20.0: (19.0, 0.3)}
    rows = rows_of_model(256, curve) + rows_of_model(2560, curve)
    alone = [
        row for k in (256, 2560) for row in rows_of(f"codes {k}", rows_of_model(k, curve, ("codes",))[0].facts, curve)
    ]
    told = [text for text in verdicts(rows + alone) if "PSNR" in text]
    assert [("codes alone" in text, "k = 256 " in text) for text in told] == [
        (False, True), (False, False), (True, True), (True, False),
    ]  # fmt: skip
    # A model that can send no more is claimed for once.
    assert ["codes alone" in text for text in verdicts(alone) if "PSNR" in text] == [True, True]


def test_names_decide_nothing():
    curve = {5.0: (18.0, 0.3), 10.0: (19.0, 0.3), 20.0: (19.0, 0.3)}
    for name in ("m-k256", "deep-jscc-k2560", "separation-k256", "ideal-k2560"):
        assert not verdicts(rows_of(name, Facts(k=int(name.split("-k")[1])), curve))


def test_the_flow_is_judged_at_every_ratio():
    rows = []
    for k, gain in ((256, 0.2), (512, -0.1)):
        for flow in (True, False):
            facts = Facts(FITTED, "m", k, ("codes",), flow, True)
            rows += rows_of(f"{k} {flow}", facts, {10.0: (19.0 + gain * flow, 0.3)})
    (claim,) = (claim for text, claim in verdicts(rows).items() if "flow" in text)
    assert not claim.holds and "+0.050 dB" in claim.measured and "1 of 2" in claim.measured


@pytest.mark.parametrize("below, holds", [(LOST, True), (DELIVERED, False)])
def test_a_cliff(below, holds):
    rows = rows_of("held", Facts(SEPARATION, k=2560, held_snr_db=10.0), {10.0: (25.0, 0.3), 20.0: (25.0, 0.3)})
    rows += [Row(f"p{i}", "held", rows[0].facts, "awgn", 5.0, 10.0, 0.9, 1.0, 0.3, below, "") for i in range(3)]
    rows += rows_of("follows", Facts(SEPARATION, k=2560), {10.0: (25.0, 0.3)})
    (claim,) = claims(rows)
    assert "falls off a cliff" in claim.text and claim.holds == holds and "10 dB: 100 % arrive" in claim.measured


def test_an_ideal_code_after_one_image_codec_is_not_that_after_the_best():
    deep = rows_of("deep", Facts(DEEP_JSCC, k=32768), {0.0: (25.0, 0.3), 5.0: (28.0, 0.3)})
    values = {0.0: (24.0, 0.3), 5.0: (27.0, 0.3)}
    assert not any("JPEG 2000" in text for text in verdicts(deep + rows_of("ideal", Facts(IDEAL, k=32768), values)))
    alone = rows_of("jpeg", Facts(IDEAL, k=32768, image_codec="JPEG 2000"), values)
    (claim,) = (claim for text, claim in verdicts(deep + alone).items() if "JPEG 2000" in text)
    assert claim.holds and "0 dB: +1.00" in claim.measured


def test_a_difference_is_taken_photo_by_photo():
    a, b = (
        [Row(f"p{i}", "", Facts(k=2), "awgn", 10.0, v, 0.0, 1, 1, DELIVERED, "") for i, v in enumerate(values)]
        for values in ((1.0, 5.0, 9.0), (0.0, 3.0, 6.0))
    )
    found = difference(a, b, "psnr_db")
    assert found.mean == 2 and found.half == pytest.approx(1.96 / math.sqrt(3))
    assert f"{found:.2f}" == "+2.00 ± 1.13"


def test_the_claims_of_the_results_are_those_of_their_rows():
    lines = {
        f"| {c.text} | {c.measured} | {'yes' if c.holds else '**no**'} |"
        for c in claims(read_csv(DOCS / "results" / "rows.csv"))
    }
    assert len(lines) > 30 and lines <= set((DOCS / "results.md").read_text(encoding="utf-8").splitlines())
