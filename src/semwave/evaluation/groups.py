"""Rows sorted by what they are of: curves over the SNR, codecs that were fitted alike, and means."""

from collections.abc import Iterable

import numpy as np

from semwave.baselines.facts import FITTED
from semwave.evaluation.store import Row

Curve = dict[float, list[Row]]
"""Rows by SNR in dB."""
FittedCodec = tuple[str, int, bool, bool]
"""Model, k, whether with its flow, whether trained through channel noise."""


def curves(rows: Iterable[Row], channel: str) -> dict[str, Curve]:
    """The rows over ``channel`` by scheme and SNR, fitted codecs left out."""
    found: dict[str, Curve] = {}
    for row in rows:
        if row.channel == channel and row.facts.family != FITTED:
            found.setdefault(row.scheme, {}).setdefault(row.snr_db, []).append(row)
    return found


def fitted(rows: Iterable[Row]) -> dict[FittedCodec, Curve]:
    """The rows of fitted codecs by what was fitted, and by SNR."""
    found: dict[FittedCodec, Curve] = {}
    for row in rows:
        if row.facts.family == FITTED:
            codec = row.facts.model, row.k, bool(row.facts.flow), bool(row.facts.channel_noise)
            found.setdefault(codec, {}).setdefault(row.snr_db, []).append(row)
    return found


def first(curve: Curve) -> Row:
    """A row of ``curve``, for what all of them have in common."""
    return next(iter(curve.values()))[0]


def mean(rows: Iterable[Row], metric: str) -> float:
    """Mean of a metric over ``rows``."""
    return float(np.mean([getattr(row, metric) for row in rows]))


def share(rows: list[Row], outcome: str) -> float:
    """Share of ``rows`` with this outcome."""
    return sum(row.outcome == outcome for row in rows) / len(rows)
