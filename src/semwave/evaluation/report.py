"""``results.md``: what the paper claims and what was measured, every number and verdict computed from the rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semwave.evaluation.figures import FIGURE_5_SNR_DB, METRICS, curves, fitted, mean
from semwave.evaluation.limit import Gap
from semwave.evaluation.run import SIZE
from semwave.evaluation.scheme import DELIVERED, LOST, NOTHING_FITS
from semwave.evaluation.store import Row
from semwave.transmitter import ratio_text

CONFIDENT = 1.96
SMALL, LARGE, WHOLE = 256, 2560, 32768
MOST_LOSS_DB = 0.7
MOST_LPIPS_LOSS = 0.02
SLIGHTLY_DB = 2.0
AT_DB = 10.0
Curve = dict[float, list[Row]]


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
    by_scheme = curves(rows, "awgn")
    models = [name.removesuffix(f"-k{SMALL}") for name in by_scheme if name.endswith(f"-k{SMALL}")]
    models = [
        model
        for model in models
        if f"{model}-k{LARGE}" in by_scheme and not model.startswith(("sep", "ideal")) and not model.endswith("-codes")
    ]
    for model in models:
        small, large = (by_scheme[f"{model}-k{k}"] for k in (SMALL, LARGE))
        yield from _against_deep_jscc(model, small, large, by_scheme)
        yield from _flat(model, {SMALL: small, LARGE: large})
        alone = {k: by_scheme[f"{model}-codes-k{k}"] for k in (SMALL, LARGE) if f"{model}-codes-k{k}" in by_scheme}
        yield from _flat(f"{model} with codes alone", alone)
        yield from _against_separation(model, {SMALL: small, LARGE: large}, by_scheme)
    yield from _flow_and_noise(rows)
    yield from _published(by_scheme)


def _against_deep_jscc(model: str, small: Curve, large: Curve, by_scheme: dict[str, Curve]) -> Iterator[Claim]:
    tight, wide = (by_scheme.get(f"deep-jscc-k{k}", {}).get(AT_DB) for k in (LARGE, WHOLE))
    if tight:
        for ratio, ours in (("1/3072", small), ("10/3072", large)):
            yield _better_lpips(f"{model} at {ratio}", ours[AT_DB], "Deep JSCC at 10/3072", tight)
            found = difference(ours[AT_DB], tight, "psnr_db")
            yield Claim(f"so has it a better PSNR, with {ratio}", f"{found:.2f} dB", found.mean > 0)
    for ratio, ours in (("1/3072", small), ("10/3072", large)):
        if wide:
            yield _better_lpips(f"paper: {model} at {ratio}", ours[AT_DB], "Deep JSCC at 1/24", wide)
            found = difference(ours[AT_DB], wide, "psnr_db")
            yield Claim(
                f"paper: its PSNR at {ratio} is only slightly (at most {SLIGHTLY_DB:g} dB) below that",
                f"{found:.2f} dB",
                found.mean >= -SLIGHTLY_DB,
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


def _against_separation(model: str, by_k: dict[int, Curve], by_scheme: dict[str, Curve]) -> Iterator[Claim]:
    for k, curve in by_k.items():
        for name, what in (("separation", "separation (5G code)"), ("ideal", "separation with an ideal code")):
            if other := by_scheme.get(f"{name}-k{k}", {}).get(AT_DB):
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
            if name == model and flow and not noisy:
                trained = by_codec[model, k, True, True]
                gains = {snr_db: difference(trained[snr_db], by_snr[snr_db], "psnr_db") for snr_db in sorted(by_snr)}
                yield Claim(
                    f"paper: channel noise in training helps {model} at k = {k}, at 5 and 10 dB",
                    ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in gains.items()),
                    all(gain.mean > 0 for snr_db, gain in gains.items() if snr_db in (5.0, 10.0)),
                )


def _published(by_scheme: dict[str, Curve]) -> Iterator[Claim]:
    for k in (LARGE, WHOLE):
        if curve := by_scheme.get(f"deep-jscc-k{k}"):
            means = [mean(curve[snr_db], "psnr_db") for snr_db in sorted(curve)]
            yield Claim(
                f"Bourtsoulatze et al.: Deep JSCC (k = {k}) degrades gracefully, without a cliff",
                " / ".join(f"{value:.2f}" for value in means) + " dB",
                means == sorted(means) and max(np.diff(means), default=0) < 5,
            )
    deep, ideal = by_scheme.get(f"deep-jscc-k{WHOLE}"), by_scheme.get(f"ideal-jpeg2000-k{WHOLE}")
    if deep and ideal:
        gains = {snr_db: difference(deep[snr_db], ideal[snr_db], "psnr_db") for snr_db in sorted(deep)}
        yield Claim(
            "Bourtsoulatze et al.: at a low SNR Deep JSCC is better than JPEG 2000 with an ideal code (0 and 5 dB)",
            ", ".join(f"{snr_db:g} dB: {gain:.2f} dB" for snr_db, gain in gains.items()),
            all(gain.mean > 0 for snr_db, gain in gains.items() if snr_db in (0.0, 5.0)),
        )
    for k in (LARGE, WHOLE):
        if curve := by_scheme.get(f"separation-k{k}-for-{AT_DB:g}dB"):
            arrived = {snr_db: _share(curve[snr_db], DELIVERED) for snr_db in sorted(curve)}
            yield Claim(
                f"a code for {AT_DB:g} dB (k = {k}) falls off a cliff: below that nothing arrives",
                ", ".join(f"{snr_db:g} dB: {100 * share:.0f} % arrive" for snr_db, share in arrived.items()),
                arrived[AT_DB] > 0.9 and all(share < 0.1 for snr_db, share in arrived.items() if snr_db < AT_DB),
            )


def _share(rows: list[Row], outcome: str) -> float:
    return sum(row.outcome == outcome for row in rows) / len(rows)


def results(
    rows: list[Row],
    gaps: list[Gap],
    conditions: dict[str, str],
    figures: list[Path],
    pictures: list[Path],
    beside: Path,
) -> Iterator[str]:
    """The lines of results.md, which will stand in the folder ``beside``."""
    yield "# Results"
    yield ""
    yield "Written by the run that measured it; [evaluation](evaluation.md) explains schemes and conditions."
    yield ""
    yield from (f"- **{name}**: {value}" for name, value in conditions.items())
    yield ""
    yield "## Claims"
    yield ""
    yield "Differences are means over the photographs, photo by photo, ± half of their 95 % confidence interval."
    yield ""
    yield "| claim | measured | holds |"
    yield "| --- | --- | --- |"
    yield from (f"| {c.text} | {c.measured} | {'yes' if c.holds else '**no**'} |" for c in claims(rows))
    shown = {path.stem: path.relative_to(beside).as_posix() for path in figures if path.suffix == ".png"}
    for channel, title in (("awgn", "AWGN"), ("rayleigh", "Rayleigh block fading")):
        if by_scheme := curves(rows, channel):
            yield ""
            yield f"## {title}"
            for number, metric in ((3, "PSNR"), (4, "LPIPS")):
                stem = f"figure-{number}{'' if channel == 'awgn' else '-rayleigh'}"
                if stem in shown:
                    yield ""
                    yield f"![Fig. {number}: {metric} over SNR, {title}]({shown[stem]})"
            yield ""
            yield from _over_snr(by_scheme)
            yield from _separation(by_scheme)
    if fitted(rows):
        yield ""
        yield "## Ratio, flow and channel training (Fig. 5)"
        yield ""
        yield "Codecs of one width, fitted alike with the shipped encoder, flow and generator held."
        if "figure-5" in shown:
            yield ""
            yield f"![Fig. 5: PSNR and LPIPS over k/n]({shown['figure-5']})"
        yield ""
        yield from _fitted(rows)
    if gaps:
        yield ""
        yield "## The limit"
        yield ""
        yield from _limit(gaps)
    yield ""
    yield "## Power at the channel"
    yield ""
    yield from _powers(rows)
    for path in pictures:
        if path.suffix == ".png":
            yield ""
            yield f"![{path.stem}: a row a scheme, a column an SNR, AWGN]({path.relative_to(beside).as_posix()})"


def _over_snr(by_scheme: dict[str, Curve]) -> Iterator[str]:
    snrs_db = sorted({snr_db for curve in by_scheme.values() for snr_db in curve})
    yield "PSNR in dB, LPIPS(alex)."
    yield ""
    yield f"| scheme | k | k/n | {' | '.join(f'{snr_db:g} dB' for snr_db in snrs_db)} |"
    yield "| --- | ---: | ---: |" + " ---: |" * len(snrs_db)
    for scheme, curve in by_scheme.items():
        k = next(iter(curve.values()))[0].k
        cells = [_pair(curve[snr_db]) if snr_db in curve else "" for snr_db in snrs_db]
        ratio = "1/24" if k == WHOLE else ratio_text(k, SIZE)
        yield f"| {scheme} | {k} | {ratio} | {' | '.join(cells)} |"


def _pair(rows: list[Row]) -> str:
    shares = {outcome: _share(rows, outcome) for outcome in (LOST, NOTHING_FITS)}
    missing = ", ".join(f"{100 * share:.0f} % {outcome}" for outcome, share in shares.items() if share)
    return f"{mean(rows, 'psnr_db'):.2f}, {mean(rows, 'lpips_alex'):.3f}" + (f" ({missing})" if missing else "")


def _fitted(rows: list[Row]) -> Iterator[str]:
    by_codec = fitted(rows)
    snrs_db = sorted({snr_db for curve in by_codec.values() for snr_db in curve})
    yield f"| model | k | flow | channel noise | {' | '.join(f'{snr_db:g} dB' for snr_db in snrs_db)} |"
    yield "| --- | ---: | --- | --- |" + " ---: |" * len(snrs_db)
    for (model, k, flow, noisy), curve in sorted(by_codec.items(), key=lambda item: (item[0][0], item[0][1])):
        cells = [_pair(curve[snr_db]) if snr_db in curve else "" for snr_db in snrs_db]
        yield f"| {model} | {k} | {_yes(flow)} | {_yes(noisy)} | {' | '.join(cells)} |"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _limit(gaps: list[Gap]) -> Iterator[str]:
    yield (
        "Squared error of the received N on these photographs against the least attainable one, each as a share of "
        "the variance of N. *Weighted* counts an error by how much it moves the picture. Shipped codecs are trained "
        "for the picture, fitted ones for the weighted error."
    )
    yield ""
    yield "| scheme | SNR [dB] | plain | attainable | gap [dB] | weighted | attainable | gap [dB] |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for scheme, snr_db in dict.fromkeys((gap.scheme, gap.snr_db) for gap in gaps):
        both = sorted((g for g in gaps if (g.scheme, g.snr_db) == (scheme, snr_db)), key=lambda gap: gap.weighted)
        cells = [f"{gap.measured:.4f} | {gap.attainable:.4f} | {gap.db:.2f}" for gap in both]
        yield f"| {scheme} | {snr_db:g} | {' | '.join(cells)} |"


def _separation(by_scheme: dict[str, Curve]) -> Iterator[str]:
    noted = {
        scheme: {snr_db: [row.note.split(",")[0] for row in group if row.note] for snr_db, group in curve.items()}
        for scheme, curve in by_scheme.items()
    }
    noted = {scheme: curve for scheme, curve in noted.items() if any(curve.values())}
    snrs_db = sorted({snr_db for curve in noted.values() for snr_db in curve})
    if noted:
        yield ""
        yield "What is sent most often, or how many bytes nothing fits into:"
        yield ""
        yield f"| scheme | {' | '.join(f'{snr_db:g} dB' for snr_db in snrs_db)} |"
        yield "| --- |" + " --- |" * len(snrs_db)
        for scheme, curve in noted.items():
            cells = [Counter(curve[snr_db]).most_common(1)[0][0] if curve.get(snr_db) else "" for snr_db in snrs_db]
            yield f"| {scheme} | {' | '.join(cells)} |"


def _powers(rows: list[Row]) -> Iterator[str]:
    yield "Measured where the symbols cross it; the mean over all pictures and SNRs."
    yield ""
    yield "| scheme | channel | power of a complex symbol | SNR, measured less asked for [dB] |"
    yield "| --- | --- | ---: | ---: |"
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.noise_power:
            groups.setdefault((row.scheme, row.channel), []).append(row)
    for (scheme, channel), group in groups.items():
        signal = mean(group, "signal_power")
        noise = float(np.mean([row.noise_power * 10 ** (row.snr_db / 10) for row in group]))
        yield f"| {scheme} | {channel} | {signal:.3f} | {10 * np.log10(signal / noise):+.3f} |"
