"""Rows sorted by what they are of: curves over the SNR, codecs that were fitted alike, and means."""

from collections.abc import Iterable

import numpy as np

from semwave.baselines.facts import FITTED, IDEAL, Facts
from semwave.evaluation.store import Row

Curve = dict[float, list[Row]]
"""Rows by SNR in dB."""
CONFIDENT = 1.96
"""Standard errors in half of a 95 % confidence interval."""
FittedCodec = tuple[str, int, bool, bool]
"""Model, k, whether with its flow, whether trained through channel noise."""


def curves(rows: Iterable[Row], channel: str) -> dict[str, Curve]:
    """The rows over ``channel`` by scheme and SNR, fitted codecs left out."""
    found: dict[str, Curve] = {}
    for row in rows:
        if row.channel == channel and row.facts.family != FITTED:
            found.setdefault(row.scheme, {}).setdefault(row.snr_db, []).append(row)
    return found


def by_facts(rows: Iterable[Row], channel: str) -> dict[Facts, Curve]:
    """The curves over ``channel`` by what their schemes say of themselves."""
    return {first(curve).facts: curve for curve in curves(rows, channel).values()}


def fitted(rows: Iterable[Row]) -> dict[FittedCodec, Curve]:
    """The rows of fitted codecs by what was fitted, and by SNR."""
    found: dict[FittedCodec, Curve] = {}
    for row in rows:
        if row.facts.family == FITTED:
            codec = row.facts.model, row.k, bool(row.facts.flow), bool(row.facts.channel_noise)
            found.setdefault(codec, {}).setdefault(row.snr_db, []).append(row)
    return found


def swept(rows: Iterable[Row], snr_db: float) -> dict[str, dict[int, list[Row]]]:
    """The rows over AWGN at ``snr_db`` by scheme, its k left out of its name, and by k, smallest first; fitted codecs,
    what is held to one SNR and bounds are left out. Nothing where no scheme was measured at more than two k."""
    found: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        facts = row.facts
        wanted = row.channel == "awgn" and row.snr_db == snr_db and facts.family not in (FITTED, IDEAL)
        if wanted and facts.held_snr_db is None and not facts.image_codec:
            found.setdefault(row.scheme.replace(f"-k{row.k}", ""), {}).setdefault(row.k, []).append(row)
    if not any(len(by_k) > 2 for by_k in found.values()):
        return {}
    return {name: dict(sorted(by_k.items())) for name, by_k in found.items()}


def first(curve: Curve) -> Row:
    """A row of ``curve``, for what all of them have in common."""
    return next(iter(curve.values()))[0]


def mean(rows: Iterable[Row], metric: str) -> float:
    """Mean of a metric over ``rows``."""
    return float(np.mean([getattr(row, metric) for row in rows]))


def half_width(rows: Iterable[Row], metric: str) -> float:
    """Half of the 95 % confidence interval of the mean of a metric over ``rows``; 0 of a single one."""
    values = [getattr(row, metric) for row in rows]
    return CONFIDENT * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0


def share(rows: list[Row], outcome: str) -> float:
    """Share of ``rows`` with this outcome."""
    return sum(row.outcome == outcome for row in rows) / len(rows)


def titles(rows: list[Row]) -> dict[str, str]:
    """The channels of ``rows``, AWGN and Rayleigh first, by what they are called."""
    known = {"awgn": "AWGN", "rayleigh": "Rayleigh block fading"}
    there = {row.channel for row in rows}
    return {
        channel: known.get(channel) or channel.upper().replace("-KNOWN-H", ", h known").replace("NS", " ns")
        for channel in (*known, *sorted(there - known.keys()))
        if channel in there
    }


def figure_name(number: int, channel: str) -> str:
    """The name of the file of a figure for ``channel``."""
    return f"figure-{number}" if channel == "awgn" else f"figure-{number}-{channel}"
