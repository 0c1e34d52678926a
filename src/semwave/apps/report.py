"""The report of ``semwave send`` and of the service: a row a photo."""

import math
from collections.abc import Mapping

from semwave.air.ratio import ratio_text, source_numbers
from semwave.errors import printable
from semwave.types import Header


def report_row(
    photo: str,
    size: int,
    header: Header,
    snr_db: float,
    channel: str,
    hidden: tuple[str, ...],
    mode: str | None,
    psnr_db: float,
    distances: Mapping[str, float | None],
    seconds: dict[str, float],
) -> dict:
    """A row of the report: one photo after one channel."""
    return {
        "photo": printable(photo),
        "size": size,
        "n": source_numbers(size),
        "k": header.k,
        "complex_symbols": header.k // 2,
        "ratio": ratio_text(header.k, size),
        "snr_db": snr_db,
        "channel": channel,
        "layers": list(header.layers),
        "hidden": list(hidden),
        "privacy": None if mode is None else str(mode),
        "psnr_db": round(psnr_db, 3) if math.isfinite(psnr_db) else None,
        **{f"lpips_{backbone}": distance for backbone, distance in distances.items()},
        "seconds": {stage: round(time, 4) for stage, time in seconds.items()},
    }
