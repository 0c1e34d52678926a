"""What a reader wants to know first, in sentences; every number computed from the rows."""

from collections.abc import Iterator

from semwave.air.ratio import ratio_text
from semwave.baselines.facts import DEEP_JSCC, SEMWAVE, SEPARATION
from semwave.evaluation.claims import (
    AT_DB,
    LARGE,
    PAPER,
    SMALL,
    WHOLE,
    claims,
    difference,
    of_model,
    other,
)
from semwave.evaluation.groups import Curve, by_facts, mean, share, swept
from semwave.evaluation.run import SIZE
from semwave.evaluation.store import Row
from semwave.types import DELIVERED


def summary(rows: list[Row]) -> Iterator[str]:
    """The sentences, for the first model that was measured with :data:`SMALL` and :data:`LARGE` symbols; each as far as
    its schemes were measured."""
    found = by_facts(rows, "awgn")
    models = dict.fromkeys(facts.model for facts in found if facts.family == SEMWAVE)
    for model in models:
        ours = {k: curve for k in (SMALL, LARGE, WHOLE) if (curve := of_model(found, model, k)) and AT_DB in curve}
        if {SMALL, LARGE} <= set(ours):
            deep_jscc = {k: curve for k in ours if AT_DB in (curve := other(found, DEEP_JSCC, k))}
            separation = {k: curve for k in ours if AT_DB in (curve := other(found, SEPARATION, k))}
            held = {k: curve for k in ours if (curve := other(found, SEPARATION, k, held_snr_db=AT_DB))}
            yield _quality(model, ours)
            if deep_jscc:
                yield _against("Deep JSCC", ours, deep_jscc)
            if separation:
                yield _against("the best of three image codecs over a 5G code", ours, separation)
            yield from _noise(model, ours, held)
            yield from _symbols(model, rows)
            yield from _claims(rows)
            return


def _quality(model: str, ours: dict[int, Curve]) -> str:
    reached = [
        f"{mean(curve[AT_DB], 'psnr_db'):.2f} dB and {mean(curve[AT_DB], 'lpips_alex'):.3f} in {k:,} real symbols "
        f"({_ratio(k)})"
        for k, curve in ours.items()
    ]
    count = len(next(iter(ours.values()))[AT_DB])
    return (
        f"Over AWGN at {AT_DB:g} dB {model} brings {count} photographs across with a mean PSNR and LPIPS(alex) of "
        f"{_listed(reached)}."
    )


def _against(whom: str, ours: dict[int, Curve], theirs: dict[int, Curve]) -> str:
    gains = []
    for k, curve in theirs.items():
        distance, quality = (difference(ours[k][AT_DB], curve[AT_DB], name).mean for name in ("lpips_alex", "psnr_db"))
        gains.append(f"LPIPS is {_than(distance, '.3f')} and PSNR {_than(quality, '.2f', ' dB')} at {_ratio(k)}")
    return f"Beside {whom} with as many symbols, {_listed(gains)}."


def _noise(model: str, ours: dict[int, Curve], held: dict[int, Curve]) -> Iterator[str]:
    ends = {k: (min(curve), max(curve)) for k, curve in ours.items()}
    low, high = next(iter(ends.values()))
    if low == high or len(set(ends.values())) > 1:
        return
    lost = [f"{difference(curve[high], curve[low], 'psnr_db').mean:.1f} dB at {_ratio(k)}" for k, curve in ours.items()]
    text = f"From {high:g} to {low:g} dB of SNR the PSNR of {model} falls by {_listed(lost)}"
    below = [share(group, DELIVERED) for curve in held.values() for snr_db, group in curve.items() if snr_db < AT_DB]
    if below:
        text += (
            f"; of what is sent with a 5G code made for {AT_DB:g} dB, {100 * max(below):.0f} % arrives below that SNR"
        )
    yield f"{text}."


def _symbols(model: str, rows: list[Row]) -> Iterator[str]:
    by_k = swept(rows, AT_DB).get(model, {})
    if len(by_k) > 2:
        first, *_, last = by_k
        quality, distance = ([mean(by_k[k], name) for k in (first, last)] for name in ("psnr_db", "lpips_alex"))
        yield (
            f"One model serves every number of symbols: from {first:,} to {last:,} of them PSNR goes from "
            f"{quality[0]:.2f} to {quality[1]:.2f} dB and LPIPS from {distance[0]:.3f} to {distance[1]:.3f}."
        )


def _claims(rows: list[Row]) -> Iterator[str]:
    of_paper = [claim.holds for claim in claims(rows) if claim.source == PAPER]
    if of_paper:
        yield (
            f"Of the {len(of_paper)} statements of the paper that were checked, {sum(of_paper) or 'none'} "
            f"{'holds' if sum(of_paper) < 2 else 'hold'} here, as the [table](#claims) words them."
        )


def _ratio(k: int) -> str:
    return "1/24" if k == WHOLE else ratio_text(k, SIZE)


def _than(difference: float, digits: str, unit: str = "") -> str:
    """Such as "0.024 lower"."""
    return f"{abs(difference):{digits}}{unit} {'lower' if difference < 0 else 'higher'}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}{',' * (len(parts) > 2)} and {parts[-1]}"
