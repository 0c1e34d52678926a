"""Claims: what the paper says, and what was measured of it; every number and verdict computed from the rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from semwave.baselines.facts import DEEP_JSCC, IDEAL, SEMWAVE, SEPARATION, Facts
from semwave.evaluation.figures import FIGURE_5_SNR_DB, METRICS
from semwave.evaluation.groups import CONFIDENT, Curve, by_facts, fitted, mean, share, swept
from semwave.evaluation.store import Row
from semwave.types import DELIVERED
from semwave.zoo import CODES

SMALL, LARGE, WHOLE = 256, 2560, 32768
MOST_LOSS_DB = 0.7
MOST_LPIPS_LOSS = 0.02
SLIGHTLY_DB = 2.0
MOST_RISE_DB = 5.0
"""From one SNR of the evaluation to the next; more is a cliff."""
AT_DB = 10.0
PAPER, DEEP_JSCC_PAPER, COMPARISONS = (
    "What the paper says",
    "What Bourtsoulatze et al. say of Deep JSCC",
    "Other comparisons",
)
"""Where statements come from, as the headings that they stand under."""


@dataclass(frozen=True)
class Claim:
    """A statement, what was measured of it, whether it holds, and whose it is."""

    text: str
    measured: str
    holds: bool
    source: str = COMPARISONS


@dataclass(frozen=True)
class Difference:
    """Mean of a - b over the photos that both have, and half of its 95 % confidence interval (nan for one photo)."""

    mean: float
    half: float

    def __format__(self, digits: str) -> str:
        return f"{self.mean:+{digits}}" + (f" ± {self.half:{digits}}" if np.isfinite(self.half) else "")


def difference(a: list[Row], b: list[Row], metric: str) -> Difference:
    """By how much a ``metric`` of ``a`` exceeds that of ``b``, photo by photo."""
    by_photo = {row.photo: getattr(row, metric) for row in b}
    values = [getattr(row, metric) - by_photo[row.photo] for row in a if row.photo in by_photo]
    half = CONFIDENT * float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return Difference(float(np.mean(values)), half)


def claims(rows: list[Row]) -> Iterator[Claim]:
    """Statements of the paper, of Deep JSCC's authors and comparisons of ours, each as far as it was measured."""
    found = by_facts(rows, "awgn")
    for model in dict.fromkeys(facts.model for facts in found if facts.family == SEMWAVE):
        ours = {k: curve for k in (SMALL, LARGE, WHOLE) if (curve := of_model(found, model, k))}
        if not {SMALL, LARGE} <= set(ours):
            continue
        alone = {k: curve for k in ours if (curve := of_model(found, model, k, (CODES,)))}
        yield from _against_deep_jscc(model, ours, found)
        yield from _flat(model, {k: curve for k, curve in ours.items() if curve is not alone.get(k)})
        yield from _flat(f"{model} with codes alone", alone)
        yield from _against_separation(model, ours, found)
        yield from _monotonic(model, rows)
    yield from _flow_and_noise(rows)
    yield from _published(found)


def of_model(found: dict[Facts, Curve], model: str, k: int, layers: tuple[str, ...] | None = None) -> Curve:
    """The curve of ``model`` with ``k`` symbols that carry ``layers``, or the most that was measured; empty where
    there is none."""
    by_layers = {
        facts.layers: curve
        for facts, curve in found.items()
        if facts.family == SEMWAVE and facts.model == model and facts.k == k
    }
    return by_layers.get(max(by_layers, key=len, default=()) if layers is None else layers, {})


def other(found: dict[Facts, Curve], family: str, k: int, held_snr_db: float | None = None, codec: str = "") -> Curve:
    """The curve of a scheme with which models are compared; empty where it was not measured."""
    for facts, curve in found.items():
        if (facts.family, facts.k, facts.held_snr_db, facts.image_codec) == (family, k, held_snr_db, codec):
            return curve
    return {}


def _against_deep_jscc(model: str, ours: dict[int, Curve], found: dict[Facts, Curve]) -> Iterator[Claim]:
    ratios = {SMALL: "1/3072", LARGE: "10/3072", WHOLE: "1/24"}
    for theirs, compared in ((LARGE, (SMALL, LARGE)), (WHOLE, (WHOLE, SMALL, LARGE))):
        curve = other(found, DEEP_JSCC, theirs).get(AT_DB)
        for k in compared if curve else ():
            if k in ours and curve:
                # The paper compares far fewer symbols with 1/24.
                yield from _two_metrics(
                    f"{model} at {ratios[k]}", ours[k][AT_DB], f"Deep JSCC at {ratios[theirs]}", curve,
                    paper=theirs == WHOLE and k != WHOLE,
                )  # fmt: skip


def _two_metrics(what: str, ours: list[Row], than: str, theirs: list[Row], paper: bool = False) -> Iterator[Claim]:
    distance, quality = (difference(ours, theirs, metric) for metric in ("lpips_alex", "psnr_db"))
    source = PAPER if paper else COMPARISONS
    yield Claim(
        f"At {AT_DB:g} dB, {what} has a lower, better LPIPS than {than}", f"{distance:.3f}", distance.mean < 0, source
    )
    if paper:
        text = (
            f'At {AT_DB:g} dB, the PSNR of {what} is only "slightly", at most {SLIGHTLY_DB:g} dB, below that of {than}'
        )
        yield Claim(text, f"{quality:.2f} dB", quality.mean >= -SLIGHTLY_DB, source)
    else:
        yield Claim(f"At {AT_DB:g} dB, {what} has a higher PSNR than {than}", f"{quality:.2f} dB", quality.mean > 0)


def _flat(model: str, by_k: dict[int, Curve]) -> Iterator[Claim]:
    for k, curve in by_k.items():
        if {20.0, 5.0} <= set(curve):
            lost = difference(curve[20.0], curve[5.0], "psnr_db")
            risen = difference(curve[5.0], curve[20.0], "lpips_alex")
            yield Claim(
                f"From 20 to 5 dB, the PSNR of {model} at k = {k} is flat: it falls by at most {MOST_LOSS_DB} dB",
                f"{lost:.2f} dB",
                lost.mean <= MOST_LOSS_DB,
                PAPER,
            )
            yield Claim(
                f"From 20 to 5 dB, the LPIPS of {model} at k = {k} is flat: it rises by at most {MOST_LPIPS_LOSS}",
                f"{risen:.3f}",
                risen.mean <= MOST_LPIPS_LOSS,
                PAPER,
            )


def _monotonic(model: str, rows: list[Row]) -> Iterator[Claim]:
    by_k = swept(rows, AT_DB).get(model, {})
    if len(by_k) > 2:
        quality, distance = ([mean(found, metric) for found in by_k.values()] for metric in METRICS)
        yield Claim(
            f"At {AT_DB:g} dB, more symbols are always better for {model}: with each of the {len(by_k)} numbers from "
            f"{min(by_k)} to {max(by_k)} PSNR rises and LPIPS falls",
            " / ".join(f"{psnr_db:.2f}, {lpips:.3f}" for psnr_db, lpips in zip(quality, distance, strict=True)),
            quality == sorted(quality) and distance == sorted(distance, reverse=True),
        )


def _against_separation(model: str, ours: dict[int, Curve], found: dict[Facts, Curve]) -> Iterator[Claim]:
    for k, curve in ours.items():
        for family, code in ((SEPARATION, "a 5G code"), (IDEAL, "an ideal code")):
            if theirs := other(found, family, k).get(AT_DB):
                than = f"the best image codec with {code} and as many symbols"
                yield from _two_metrics(f"{model} at k = {k}", curve[AT_DB], than, theirs)


def _flow_and_noise(rows: list[Row]) -> Iterator[Claim]:
    by_codec = fitted(rows)
    for model in dict.fromkeys(key[0] for key in by_codec):
        pairs = [
            (by_snr[FIGURE_5_SNR_DB], by_codec[model, k, False, True][FIGURE_5_SNR_DB])
            for (name, k, flow, noisy), by_snr in by_codec.items()
            if name == model and flow and noisy and (model, k, False, True) in by_codec
        ]
        if pairs:
            gains = [difference(*pair, "psnr_db") for pair in pairs]
            yield Claim(
                f"At {FIGURE_5_SNR_DB:g} dB, {model} has a higher PSNR with the flow than without it at every ratio "
                "(Fig. 5)",
                f"{np.mean([gain.mean for gain in gains]):+.3f} dB on average; higher at "
                f"{sum(gain.mean > 0 for gain in gains)} of {len(gains)} ratios",
                all(gain.mean > 0 for gain in gains),
                PAPER,
            )
        for (name, k, flow, noisy), by_snr in by_codec.items():
            if name == model and flow and not noisy and (model, k, True, True) in by_codec:
                trained = by_codec[model, k, True, True]
                by_gain = {snr_db: difference(trained[snr_db], by_snr[snr_db], "psnr_db") for snr_db in sorted(by_snr)}
                yield Claim(
                    f"At 5 and 10 dB, {model} at k = {k} has a higher PSNR when it was trained through channel noise",
                    ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in by_gain.items()),
                    all(gain.mean > 0 for snr_db, gain in by_gain.items() if snr_db in (5.0, 10.0)),
                    PAPER,
                )


def _published(found: dict[Facts, Curve]) -> Iterator[Claim]:
    for k in (LARGE, WHOLE):
        if curve := other(found, DEEP_JSCC, k):
            means = [mean(curve[snr_db], "psnr_db") for snr_db in sorted(curve)]
            yield Claim(
                f"Deep JSCC at k = {k} has no cliff: PSNR rises with the SNR, by less than {MOST_RISE_DB:g} dB a step",
                " / ".join(f"{value:.2f}" for value in means) + " dB",
                means == sorted(means) and all(after - before < MOST_RISE_DB for before, after in pairwise(means)),
                DEEP_JSCC_PAPER,
            )
    deep, ideal = other(found, DEEP_JSCC, WHOLE), other(found, IDEAL, WHOLE, codec="JPEG 2000")
    if deep and ideal:
        gains = {snr_db: difference(deep[snr_db], ideal[snr_db], "psnr_db") for snr_db in sorted(deep)}
        yield Claim(
            "At a low SNR, 0 and 5 dB, Deep JSCC has a higher PSNR than JPEG 2000 with an ideal code",
            ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in gains.items()),
            all(gain.mean > 0 for snr_db, gain in gains.items() if snr_db in (0.0, 5.0)),
            DEEP_JSCC_PAPER,
        )
    for k in (LARGE, WHOLE):
        if curve := other(found, SEPARATION, k, held_snr_db=AT_DB):
            arrived = {snr_db: share(curve[snr_db], DELIVERED) for snr_db in sorted(curve)}
            yield Claim(
                f"A code made for {AT_DB:g} dB (k = {k}) falls off a cliff: below {AT_DB:g} dB nothing arrives",
                ", ".join(f"{snr_db:g} dB: {100 * part:.0f} % arrive" for snr_db, part in arrived.items()),
                arrived[AT_DB] > 0.9 and all(part < 0.1 for snr_db, part in arrived.items() if snr_db < AT_DB),
            )
