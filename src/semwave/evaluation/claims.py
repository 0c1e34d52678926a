"""Claims: what the paper says, and what was measured of it; every number and verdict computed from the rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from semwave.baselines.facts import DEEP_JSCC, IDEAL, SEMWAVE, SEPARATION, Facts
from semwave.evaluation.figures import FIGURE_5_SNR_DB, METRICS
from semwave.evaluation.groups import Curve, curves, first, fitted, mean, share, swept
from semwave.evaluation.store import Row
from semwave.types import DELIVERED
from semwave.zoo import CODES

CONFIDENT = 1.96
SMALL, LARGE, WHOLE = 256, 2560, 32768
MOST_LOSS_DB = 0.7
MOST_LPIPS_LOSS = 0.02
SLIGHTLY_DB = 2.0
MOST_RISE_DB = 5.0
"""From one SNR of the evaluation to the next; more is a cliff."""
AT_DB = 10.0


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured of it, and whether it holds."""

    text: str
    measured: str
    holds: bool


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
    """The paper's claims and ours, each as far as it was measured."""
    found = {first(curve).facts: curve for curve in curves(rows, "awgn").values()}
    for model in dict.fromkeys(facts.model for facts in found if facts.family == SEMWAVE):
        sent = {k: by_layers for k in (SMALL, LARGE, WHOLE) if (by_layers := _by_layers(found, model, k))}
        if not {SMALL, LARGE} <= set(sent):
            continue
        whole = {k: max(by_layers.items(), key=lambda item: len(item[0])) for k, by_layers in sent.items()}
        ours = {k: curve for k, (_, curve) in whole.items()}
        alone = {k: by_layers[(CODES,)] for k, by_layers in sent.items() if (CODES,) in by_layers}
        yield from _against_deep_jscc(model, ours, found)
        yield from _flat(model, {k: curve for k, curve in ours.items() if curve is not alone.get(k)})
        yield from _flat(f"{model} with codes alone", alone)
        yield from _against_separation(model, ours, found)
        yield from _monotonic(model, rows)
    yield from _flow_and_noise(rows)
    yield from _published(found)


def _by_layers(found: dict[Facts, Curve], model: str, k: int) -> dict[tuple[str, ...], Curve]:
    return {
        facts.layers: curve
        for facts, curve in found.items()
        if facts.family == SEMWAVE and facts.model == model and facts.k == k
    }


def _other(found: dict[Facts, Curve], family: str, k: int, held_snr_db: float | None = None, codec: str = "") -> Curve:
    """The curve of a scheme with which models are compared; empty where it was not measured."""
    for facts, curve in found.items():
        if (facts.family, facts.k, facts.held_snr_db, facts.image_codec) == (family, k, held_snr_db, codec):
            return curve
    return {}


def _against_deep_jscc(model: str, ours: dict[int, Curve], found: dict[Facts, Curve]) -> Iterator[Claim]:
    tight, wide = (_other(found, DEEP_JSCC, k).get(AT_DB) for k in (LARGE, WHOLE))
    ratios = ((SMALL, "1/3072"), (LARGE, "10/3072"))
    if tight:
        for k, ratio in ratios:
            rows = ours[k][AT_DB]
            yield _better_lpips(f"{model} at {ratio}", rows, "Deep JSCC at 10/3072", tight)
            gain = difference(rows, tight, "psnr_db")
            yield Claim(f"so has it a better PSNR, with {ratio}", f"{gain:.2f} dB", gain.mean > 0)
    if wide:
        if WHOLE in ours:
            yield _better_lpips(f"{model} at 1/24", ours[WHOLE][AT_DB], "Deep JSCC at 1/24", wide)
            gain = difference(ours[WHOLE][AT_DB], wide, "psnr_db")
            yield Claim("so has it a better PSNR", f"{gain:.2f} dB", gain.mean > 0)
        for k, ratio in ratios:
            rows = ours[k][AT_DB]
            yield _better_lpips(f"paper: {model} at {ratio}", rows, "Deep JSCC at 1/24", wide)
            gain = difference(rows, wide, "psnr_db")
            yield Claim(
                f"paper: its PSNR at {ratio} is only slightly (at most {SLIGHTLY_DB:g} dB) below that",
                f"{gain:.2f} dB",
                gain.mean >= -SLIGHTLY_DB,
            )


def _better_lpips(what: str, ours: list[Row], than: str, other: list[Row]) -> Claim:
    found = difference(ours, other, "lpips_alex")
    text = f"{what} has a better LPIPS than {than}, at {AT_DB:g} dB"
    return Claim(text, f"{found:.3f} (lower is better)", found.mean < 0)


def _flat(model: str, by_k: dict[int, Curve]) -> Iterator[Claim]:
    for k, curve in by_k.items():
        if {20.0, 5.0} <= set(curve):
            lost = difference(curve[20.0], curve[5.0], "psnr_db")
            risen = difference(curve[5.0], curve[20.0], "lpips_alex")
            yield Claim(
                f"paper: the PSNR of {model} at k = {k} is flat: from 20 to 5 dB it loses at most {MOST_LOSS_DB} dB",
                f"{lost:.2f} dB",
                lost.mean <= MOST_LOSS_DB,
            )
            yield Claim(
                f"paper: so is its LPIPS: it rises by at most {MOST_LPIPS_LOSS}",
                f"{risen:.3f}",
                risen.mean <= MOST_LPIPS_LOSS,
            )


def _monotonic(model: str, rows: list[Row]) -> Iterator[Claim]:
    by_k = swept(rows, AT_DB).get(model, {})
    if len(by_k) > 2:
        quality, distance = ([mean(found, metric) for found in by_k.values()] for metric in METRICS)
        yield Claim(
            f"the more symbols, the better {model}: PSNR rises and LPIPS falls with each k, at {AT_DB:g} dB",
            f"{len(by_k)} k from {min(by_k)} to {max(by_k)}: {quality[0]:.2f} to {quality[-1]:.2f} dB, "
            f"{distance[0]:.3f} to {distance[-1]:.3f}",
            quality == sorted(quality) and distance == sorted(distance, reverse=True),
        )


def _against_separation(model: str, ours: dict[int, Curve], found: dict[Facts, Curve]) -> Iterator[Claim]:
    for k, curve in ours.items():
        for family, what in ((SEPARATION, "separation (5G code)"), (IDEAL, "separation with an ideal code")):
            if other := _other(found, family, k).get(AT_DB):
                quality, distance = (difference(curve[AT_DB], other, metric) for metric in METRICS)
                against = f"{model} at k = {k} has a better {{}} than {what} with as many symbols, at {AT_DB:g} dB"
                yield Claim(against.format("LPIPS"), f"{distance:.3f}", distance.mean < 0)
                yield Claim(against.format("PSNR"), f"{quality:.2f} dB", quality.mean > 0)


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
                f"paper: the flow helps {model} (Fig. 5), at {FIGURE_5_SNR_DB:g} dB",
                f"PSNR {np.mean([gain.mean for gain in gains]):+.3f} dB on average; better at "
                f"{sum(gain.mean > 0 for gain in gains)} of {len(gains)} ratios",
                all(gain.mean > 0 for gain in gains),
            )
        for (name, k, flow, noisy), by_snr in by_codec.items():
            if name == model and flow and not noisy and (model, k, True, True) in by_codec:
                trained = by_codec[model, k, True, True]
                by_gain = {snr_db: difference(trained[snr_db], by_snr[snr_db], "psnr_db") for snr_db in sorted(by_snr)}
                yield Claim(
                    f"paper: channel noise in training helps {model} at k = {k}, at 5 and 10 dB",
                    ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in by_gain.items()),
                    all(gain.mean > 0 for snr_db, gain in by_gain.items() if snr_db in (5.0, 10.0)),
                )


def _published(found: dict[Facts, Curve]) -> Iterator[Claim]:
    for k in (LARGE, WHOLE):
        if curve := _other(found, DEEP_JSCC, k):
            means = [mean(curve[snr_db], "psnr_db") for snr_db in sorted(curve)]
            yield Claim(
                f"Bourtsoulatze et al.: Deep JSCC (k = {k}) degrades gracefully, without a cliff",
                " / ".join(f"{value:.2f}" for value in means) + " dB",
                means == sorted(means) and all(after - before < MOST_RISE_DB for before, after in pairwise(means)),
            )
    deep, ideal = _other(found, DEEP_JSCC, WHOLE), _other(found, IDEAL, WHOLE, codec="JPEG 2000")
    if deep and ideal:
        gains = {snr_db: difference(deep[snr_db], ideal[snr_db], "psnr_db") for snr_db in sorted(deep)}
        yield Claim(
            "Bourtsoulatze et al.: at a low SNR Deep JSCC is better than JPEG 2000 with an ideal code (0 and 5 dB)",
            ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in gains.items()),
            all(gain.mean > 0 for snr_db, gain in gains.items() if snr_db in (0.0, 5.0)),
        )
    for k in (LARGE, WHOLE):
        if curve := _other(found, SEPARATION, k, held_snr_db=AT_DB):
            arrived = {snr_db: share(curve[snr_db], DELIVERED) for snr_db in sorted(curve)}
            yield Claim(
                f"a code for {AT_DB:g} dB (k = {k}) falls off a cliff: below that nothing arrives",
                ", ".join(f"{snr_db:g} dB: {100 * part:.0f} % arrive" for snr_db, part in arrived.items()),
                arrived[AT_DB] > 0.9 and all(part < 0.1 for snr_db, part in arrived.items() if snr_db < AT_DB),
            )
