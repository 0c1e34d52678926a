"""Sentences say what the rows say."""

import re
from dataclasses import replace
from pathlib import Path

from schemes import rows_of, rows_of_model

from semwave.baselines.facts import DEEP_JSCC, SEPARATION, Facts
from semwave.evaluation.store import read_csv
from semwave.evaluation.summary import summary
from semwave.types import LOST

DOCS = Path(__file__).parents[2] / "docs"
CURVE = {0.0: (16.0, 0.5), 5.0: (18.0, 0.4), 10.0: (20.0, 0.3), 20.0: (21.0, 0.2)}


def test_sentences_follow_the_numbers():
    rows = rows_of_model(256, CURVE) + rows_of_model(2560, CURVE) + rows_of_model(1024, {10.0: (20.5, 0.25)})
    assert len(list(summary(rows))) == 4
    rows += rows_of("a", Facts(DEEP_JSCC, k=2560), {10.0: (22.5, 0.5)})
    rows += rows_of("b", Facts(SEPARATION, k=256), {10.0: (15.0, 0.25)})
    held = rows_of("c", Facts(SEPARATION, k=2560, held_snr_db=10.0), CURVE)
    rows += [replace(row, outcome=LOST) if row.snr_db < 10 else row for row in held]
    quality, deep_jscc, separation, noise, symbols, paper = summary(rows)
    means = [f"{sum(r.psnr_db for r in rows[:12] if r.snr_db == 10) / 3:.2f} dB"]
    assert quality.count(means[0]) == 2 and "256 real symbols (1/3072)" in quality and "3 photographs" in quality
    assert "LPIPS is 0.200 lower and PSNR 2.50 dB lower at 10/3072" in deep_jscc
    assert "LPIPS is 0.050 higher and PSNR 5.00 dB higher at 1/3072" in separation
    assert "From 20 to 0 dB" in noise and "5.0 dB at 1/3072" in noise and "0 % arrives" in noise
    assert "from 256 to 2,560" in symbols
    assert re.search(r"Of the \d+ statements", paper)


def test_without_a_model_there_is_nothing_to_sum_up():
    assert not list(summary(rows_of("a", Facts(DEEP_JSCC, k=2560), CURVE)))


def test_the_sentences_of_the_results_are_those_of_their_rows():
    sentences = list(summary(read_csv(DOCS / "results" / "rows.csv")))
    written = (DOCS / "results.md").read_text(encoding="utf-8").splitlines()
    assert len(sentences) == 6 and written[2:13:2] == sentences
