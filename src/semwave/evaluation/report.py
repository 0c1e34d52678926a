"""``results.md``: sentences and figures for readers, claims, conditions, tables; every number is computed from rows."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semwave.air.ratio import ratio_text
from semwave.evaluation.claims import COMPARISONS, DEEP_JSCC_PAPER, PAPER, WHOLE, claims
from semwave.evaluation.figures import FIGURE_5_SNR_DB
from semwave.evaluation.groups import Curve, curves, figure_name, first, fitted, mean, share, swept, titles
from semwave.evaluation.limit import Gap
from semwave.evaluation.run import SIZE
from semwave.evaluation.store import Row
from semwave.evaluation.summary import summary
from semwave.types import LOST, NOTHING_FITS

SOURCES = (PAPER, COMPARISONS, DEEP_JSCC_PAPER)
LEADING = {
    "rate-distortion": "Quality over the number of symbols, beside what people would use instead",
    "quality-over-snr": "Quality over the SNR, beside what people would use instead",
}
"""The figures before everything else, by the stem of their file, and what they show."""


def results(
    rows: list[Row],
    gaps: list[Gap],
    conditions: dict[str, str],
    figures: list[Path],
    pictures: list[Path],
    beside: Path,
) -> Iterator[str]:
    """The lines of results.md, which will stand in the folder ``beside``."""
    shown = {path.stem: path.relative_to(beside).as_posix() for path in figures if path.suffix == ".png"}
    yield "# Results"
    for sentence in summary(rows):
        yield ""
        yield sentence
    for stem, title in LEADING.items():
        yield from _figure(shown, stem, title)
    found = list(claims(rows))
    if found:
        yield from ("", "## Claims", "")
        yield "Differences are means over the photographs, photo by photo, ± half of their 95 % confidence interval."
    for source in dict.fromkeys(claim.source for claim in sorted(found, key=lambda claim: SOURCES.index(claim.source))):
        yield from ("", f"### {source}", "", "| statement | measured | holds |", "| --- | --- | --- |")
        yield from (
            f"| {c.text} | {c.measured} | {'yes' if c.holds else '**no**'} |" for c in found if c.source == source
        )
    yield from ("", "## How it was measured", "")
    yield "The run that measured it wrote this page; [evaluation](evaluation.md) explains schemes and conditions."
    yield ""
    yield from (f"- **{name}**: {value}" for name, value in conditions.items())
    yield from ("", "## Appendix: all figures and tables", "")
    yield "Bands are 95 % confidence intervals of the means over the photographs."
    for channel, title in titles(rows).items():
        if by_scheme := curves(rows, channel):
            yield from ("", f"### {title}")
            for number, metric in ((3, "PSNR"), (4, "LPIPS")):
                stem = figure_name(number, channel)
                yield from _figure(shown, stem, f"Fig. {number}: {metric} over SNR, {title}")
            yield ""
            yield from _over_snr(by_scheme)
            yield from _separation(by_scheme)
    if by_scheme := swept(rows, FIGURE_5_SNR_DB):
        yield from ("", "### Ratio (Fig. 5)")
        yield from _figure(shown, "figure-5", "Fig. 5: PSNR and LPIPS over k/n")
        yield ""
        yield from _over_k(by_scheme)
    if fitted(rows):
        yield from ("", "### Flow and channel training", "")
        yield "Codecs of one width, fitted alike with the shipped encoder, flow and generator held."
        yield ""
        yield from _fitted(rows)
    if gaps:
        yield from ("", "### The limit", "")
        yield from _limit(gaps)
    yield from ("", "### Power at the channel", "")
    yield from _powers(rows)
    for path in pictures:
        if path.suffix == ".png":
            yield ""
            yield f"![{path.stem}: a row a scheme, a column an SNR, AWGN]({path.relative_to(beside).as_posix()})"


def _figure(shown: dict[str, str], stem: str, title: str) -> Iterator[str]:
    if stem in shown:
        yield ""
        yield f"![{title}]({shown[stem]})"


def _over_snr(by_scheme: dict[str, Curve]) -> Iterator[str]:
    snrs_db = sorted({snr_db for curve in by_scheme.values() for snr_db in curve})
    yield "PSNR in dB, LPIPS(alex)."
    yield ""
    yield f"| scheme | k | k/n | {' | '.join(f'{snr_db:g} dB' for snr_db in snrs_db)} |"
    yield "| --- | ---: | ---: |" + " ---: |" * len(snrs_db)
    for scheme, curve in by_scheme.items():
        k = first(curve).k
        cells = [_pair(curve[snr_db]) if snr_db in curve else "" for snr_db in snrs_db]
        ratio = "1/24" if k == WHOLE else ratio_text(k, SIZE)
        yield f"| {scheme} | {k} | {ratio} | {' | '.join(cells)} |"


def _over_k(by_scheme: dict[str, dict[int, list[Row]]]) -> Iterator[str]:
    ks = sorted({k for by_k in by_scheme.values() for k in by_k})
    yield f"PSNR in dB, LPIPS(alex), over AWGN at {FIGURE_5_SNR_DB:g} dB."
    yield ""
    yield f"| scheme | {' | '.join(f'k = {k}' for k in ks)} |"
    yield "| --- |" + " ---: |" * len(ks)
    for scheme, by_k in by_scheme.items():
        yield f"| {scheme} | {' | '.join(_pair(by_k[k]) if k in by_k else '' for k in ks)} |"


def _pair(rows: list[Row]) -> str:
    shares = {outcome: share(rows, outcome) for outcome in (LOST, NOTHING_FITS)}
    missing = ", ".join(f"{100 * part:.0f} % {outcome}" for outcome, part in shares.items() if part)
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
