"""The paper's Figs. 3, 4 and 5 and a matrix of pictures, by matplotlib, each as PNG and SVG."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semwave.baselines.facts import DEEP_JSCC, IDEAL, SEMWAVE, SEPARATION, Facts
from semwave.evaluation.groups import Curve, curves, figure_name, first, fitted, mean, swept, titles
from semwave.evaluation.store import Row
from semwave.pictures import files
from semwave.zoo import CODES

FIGURE_5_SNR_DB = 10.0
METRICS = {"psnr_db": "PSNR [dB]", "lpips_alex": "LPIPS(alex)"}
Style = tuple[str, str | tuple[int, tuple[int, int]]]
PLAIN: Style = ("o", "-")
"""Marker and line of a scheme of no family that is known here."""
FAMILIES: dict[str, Style] = {DEEP_JSCC: ("s", "--"), SEPARATION: ("^", "-."), IDEAL: ("", ":")}
CODES_ALONE: Style = ("x", (0, (6, 1)))
MODELS = "oDPXh"
"""Markers of models, in their order."""
HELD, ONE_CODEC = "v", "+"
"""Markers of a channel code that is held to one SNR, and of an ideal one after one image codec alone."""
RATIOS = ((64, "1/12288"), (256, "1/3072"), (2560, "10/3072"), (8192, "32/3072"), (32768, "1/24"))
WIDTH = 128
"""Of a picture in the matrix, in pixels."""


def draw_curves(rows: list[Row], folder: Path) -> list[Path]:
    """Fig. 3 (PSNR over SNR), Fig. 4 (LPIPS over SNR), each for every channel, and Fig. 5 (both over k / n)."""
    written = []
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
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        both = figure.subplots(1, 2)
        for axes, metric in zip(both, METRICS, strict=True):
            _over_ratio(axes, rows, metric)
        figure.legend(*both[0].get_legend_handles_labels(), fontsize="x-small", loc="outside right center")
        written += write(figure, folder / "figure-5")
    return written


def _over_snr(axes: Axes, by_scheme: dict[str, Curve], metric: str) -> None:
    ks = sorted({first(curve).k for curve in by_scheme.values()})
    of_models = (first(curve).facts for curve in by_scheme.values() if first(curve).facts.family == SEMWAVE)
    models = list(dict.fromkeys(facts.model for facts in of_models))
    for scheme, by_snr in by_scheme.items():
        snrs_db = sorted(by_snr)
        marker, line = _style(first(by_snr).facts, models)
        axes.plot(
            snrs_db,
            [mean(by_snr[snr_db], metric) for snr_db in snrs_db],
            label=scheme,
            marker=marker,
            linestyle=line,
            color=f"C{ks.index(first(by_snr).k)}",
        )
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
        means = [mean(found, metric) for found in by_k.values()]
        axes.plot(
            list(by_k), means, label=name, marker=marker or ".", linestyle=line if len(by_k) > 2 else "",
            color=f"C{number}",
        )  # fmt: skip
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
    axes.set(xlabel="k/n at 512 px", ylabel=METRICS[metric], title=f"AWGN, {FIGURE_5_SNR_DB:g} dB", xscale="log")
    axes.set_xticks([k for k, _ in RATIOS], [ratio for _, ratio in RATIOS])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


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
