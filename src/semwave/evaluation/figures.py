"""The paper's Figs. 3, 4 and 5 and a matrix of pictures, by matplotlib, each as PNG and SVG."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semwave.baselines.facts import DEEP_JSCC, IDEAL, SEMWAVE, SEPARATION, Facts
from semwave.evaluation.groups import (
    Curve,
    by_facts,
    curves,
    figure_name,
    first,
    fitted,
    half_width,
    mean,
    swept,
    titles,
)
from semwave.evaluation.store import Row
from semwave.pictures import files
from semwave.zoo import CODES

FIGURE_5_SNR_DB = 10.0
METRICS = {"psnr_db": "PSNR [dB]", "lpips_alex": "LPIPS(alex)"}
Style = tuple[str, str | tuple[int, tuple[int, int]]]
PLAIN: Style = ("o", "-")
"""Marker and line of a scheme of no family that is known here."""
FAMILIES: dict[str, Style] = {DEEP_JSCC: ("s", "--"), SEPARATION: ("^", "-."), IDEAL: ("", ":")}
ANCHORS = {
    DEEP_JSCC: "Deep JSCC",
    SEPARATION: "best image codec, 5G code",
    IDEAL: "best image codec, ideal code (bound)",
}
"""What people would use instead, and what bounds it, as the leading figures call it."""
CODES_ALONE: Style = ("x", (0, (6, 1)))
MODELS = "oDPXh"
"""Markers of models, in their order."""
HELD, ONE_CODEC = "v", "+"
"""Markers of a channel code that is held to one SNR, and of an ideal one after one image codec alone."""
RATIOS = ((64, "1/12288"), (256, "1/3072"), (2560, "10/3072"), (8192, "32/3072"), (32768, "1/24"))
WIDTH = 128
"""Of a picture in the matrix, in pixels."""


def draw_curves(rows: list[Row], folder: Path) -> list[Path]:
    """Figures with bands, the 95 % confidence intervals of means: what matters most over k / n and over the SNR; Fig. 3
    (PSNR over SNR), Fig. 4 (LPIPS over SNR), each for every channel, and Fig. 5 (both over k / n)."""
    written = _draw_leading(rows, folder)
    for number, metric in ((3, "psnr_db"), (4, "lpips_alex")):
        for channel, title in titles(rows).items():
            by_scheme = curves(rows, channel)
            if by_scheme:
                figure = Figure(figsize=(8, 5), layout="constrained")
                axes = figure.subplots()
                _over_snr(axes, by_scheme, metric)
                axes.set_title(title)
                written += write(figure, folder / figure_name(number, channel))
    if swept(rows, FIGURE_5_SNR_DB) or fitted(rows):
        written += _draw_both(lambda axes, metric: _over_ratio(axes, rows, metric), folder / "figure-5")
    return written


def _over_snr(axes: Axes, by_scheme: dict[str, Curve], metric: str) -> None:
    ks = sorted({first(curve).k for curve in by_scheme.values()})
    of_models = (first(curve).facts for curve in by_scheme.values() if first(curve).facts.family == SEMWAVE)
    models = list(dict.fromkeys(facts.model for facts in of_models))
    for scheme, by_snr in by_scheme.items():
        marker, line = _style(first(by_snr).facts, models)
        _curve(axes, by_snr, metric, label=scheme, marker=marker, linestyle=line, color=f"C{ks.index(first(by_snr).k)}")
    snrs_db = sorted({snr_db for by_snr in by_scheme.values() for snr_db in by_snr})
    axes.set(xlabel="SNR, Es/N0 [dB]", ylabel=METRICS[metric], xticks=snrs_db)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def _style(facts: Facts, models: list[str]) -> Style:
    """Marker and line of a scheme, one of ``models`` or another."""
    if facts.family == SEMWAVE:
        codes_alone = facts.layers == (CODES,)
        return CODES_ALONE if codes_alone else (MODELS[models.index(facts.model) % len(MODELS)], "-")
    marker, line = FAMILIES.get(facts.family, PLAIN)
    if facts.held_snr_db is not None:
        marker = HELD
    return (ONE_CODEC if facts.image_codec else marker), line


def _over_ratio(axes: Axes, rows: list[Row], metric: str) -> None:
    """Every scheme that was measured at several k as a line, the others as points; codecs fitted alike beside them."""
    for number, (name, by_k) in enumerate(swept(rows, FIGURE_5_SNR_DB).items()):
        marker, line = _style(first({FIGURE_5_SNR_DB: next(iter(by_k.values()))}).facts, [name])
        shown_line = line if len(by_k) > 2 else ""
        _curve(axes, by_k, metric, label=name, marker=marker or ".", linestyle=shown_line, color=f"C{number}")
    by_codec = fitted(rows)
    for model in dict.fromkeys(key[0] for key in by_codec):
        for flow, line in ((True, "-"), (False, "--")):
            points = sorted(
                (k, mean(by_snr[FIGURE_5_SNR_DB], metric))
                for (name, k, with_flow, noisy), by_snr in by_codec.items()
                if name == model and with_flow == flow and noisy
            )
            label = f"{model}, codes by a fitted codec, {'with' if flow else 'without'} flow"
            axes.plot(*zip(*points, strict=True), linestyle=line, color="grey", linewidth=1, label=label)
    _ratio_axis(axes, metric)


def _curve(axes: Axes, groups: Mapping[Any, list[Row]], metric: str, **options: Any) -> None:
    """Means of ``groups`` of rows by what they stand over, in a band of their 95 % confidence intervals."""
    places = sorted(groups)
    means, halves = (np.array([of(groups[place], metric) for place in places]) for of in (mean, half_width))
    axes.plot(places, means, **options)
    axes.fill_between(places, means - halves, means + halves, color=options["color"], alpha=0.15, linewidth=0)


def _ratio_axis(axes: Axes, metric: str) -> None:
    axes.set(xlabel="k/n at 512 px", ylabel=METRICS[metric], title=f"AWGN, {FIGURE_5_SNR_DB:g} dB", xscale="log")
    axes.set_xticks([k for k, _ in RATIOS], [ratio for _, ratio in RATIOS])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _draw_leading(rows: list[Row], folder: Path) -> list[Path]:
    """The two figures for who looks at no other: models as they are shipped, beside what people would use instead."""
    over_k: dict[str, dict[float, list[Row]]] = {}
    over_snr: dict[tuple[str, int], Curve] = {}
    styles: dict[str, Style] = {}
    found = by_facts(rows, "awgn")
    models = list(dict.fromkeys(facts.model for facts in found if facts.family == SEMWAVE))
    for facts, curve in found.items():
        alone = facts.layers == (CODES,)
        label = f"{facts.model}{', codes alone' * alone}" if facts.family == SEMWAVE else ANCHORS.get(facts.family)
        if label is None or facts.held_snr_db is not None or facts.image_codec:
            continue
        styles[label] = _style(facts, models)
        if FIGURE_5_SNR_DB in curve:
            over_k.setdefault(label, {})[facts.k] = curve[FIGURE_5_SNR_DB]
        if len(curve) > 1 and not alone and facts.family != IDEAL:
            over_snr[label, facts.k] = curve
    if not models or len(over_k) < 2:
        return []
    ks = sorted({k for _, k in over_snr})

    def over_ratio(axes: Axes, metric: str) -> None:
        for number, (label, by_k) in enumerate(over_k.items()):
            marker, line = styles[label]
            _curve(axes, by_k, metric, label=label, marker=marker or ".", linestyle=line, color=f"C{number}")
        _ratio_axis(axes, metric)

    def over_noise(axes: Axes, metric: str) -> None:
        for (label, k), curve in over_snr.items():
            marker, line = styles[label]
            name = f"{label}, k = {k}"
            _curve(axes, curve, metric, label=name, marker=marker, linestyle=line, color=f"C{ks.index(k)}")
        axes.set(xlabel="SNR, Es/N0 [dB]", ylabel=METRICS[metric], title="AWGN")
        axes.grid(alpha=0.3)

    return [
        *_draw_both(over_ratio, folder / "rate-distortion"),
        *(_draw_both(over_noise, folder / "quality-over-snr") if over_snr else []),
    ]


def _draw_both(draw: Callable[[Axes, str], None], path: Path) -> list[Path]:
    """A figure of both metrics beside each other, with one legend."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    both = figure.subplots(1, 2)
    for axes, metric in zip(both, METRICS, strict=True):
        draw(axes, metric)
    figure.legend(*both[0].get_legend_handles_labels(), fontsize="x-small", loc="outside right center")
    return write(figure, path)


def draw_matrix(sent: np.ndarray, received: dict[tuple[str, float], np.ndarray], path: Path) -> list[Path]:
    """``sent`` (S, S, 3), then what is ``received`` of it: a row a scheme, a column an SNR. Returns the files."""
    schemes, snrs_db = list(dict.fromkeys(key[0] for key in received)), list(dict.fromkeys(key[1] for key in received))
    figure = Figure(figsize=(1.05 * len(snrs_db) + 1.5, 1.1 * len(schemes)), layout="constrained")
    grid = figure.subplots(len(schemes), len(snrs_db) + 1, squeeze=False)
    for number, (scheme, line) in enumerate(zip(schemes, grid, strict=True)):
        for axes, picture in zip(line, [sent, *(received[scheme, snr_db] for snr_db in snrs_db)], strict=True):
            step = max(1, len(picture) // WIDTH)
            axes.imshow(picture.reshape(len(picture) // step, step, -1, step, 3).mean((1, 3)).round().astype(np.uint8))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].images[0].set_visible(number == 0)
        line[0].set_ylabel(scheme.replace("-k", "\nk = ").replace("-for-", "\nfor "), fontsize="xx-small")
    for axes, title in zip(grid[0], ["sent", *(f"{snr_db:g} dB" for snr_db in snrs_db)], strict=True):
        axes.set_title(title, fontsize="x-small")
    return write(figure, path)


def write(figure: Figure, path: Path) -> list[Path]:
    """Write ``figure`` as ``path``.png and ``path``.svg; the same figure gives the same bytes. Returns the files."""
    written = []
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "semwave"}):
            if kind == "png":
                figure.savefig(buffer, format=kind, dpi=120)
            else:
                figure.savefig(buffer, format=kind, metadata={"Date": None})
        written.append(path.with_name(f"{path.name}.{kind}"))
        files.write_bytes(written[-1], buffer.getvalue())
    return written
