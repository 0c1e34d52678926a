"""The paper's Figs. 3, 4 and 5 and a matrix of pictures, by matplotlib, each as PNG and SVG."""

import io
import re
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semwave.evaluation.store import Row

FITTED = re.compile(r"(?P<model>.+)-fitted-k(?P<k>\d+)(?P<flow>-no-flow)?(?P<noise>-no-noise)?$")
FIGURE_5_SNR_DB = 10.0
METRICS = {"psnr_db": "PSNR [dB]", "lpips_alex": "LPIPS(alex)"}
FAMILIES = {
    "-codes-": ("x", (0, (6, 1))),
    "semantic": ("D", "-"),
    "deep-jscc": ("s", "--"),
    "separation": ("^", "-."),
    "ideal-jpeg2000": ("+", ":"),
    "ideal": ("", ":"),
}
"""Marker and line of a scheme by what its name has in it, the first that fits; all others: a dot and a full line."""
HELD = "v"
WIDTH = 128
"""Of a picture in the matrix, in pixels."""


def mean(rows: Iterable[Row], metric: str) -> float:
    """Mean of a metric over ``rows``."""
    return float(np.mean([getattr(row, metric) for row in rows]))


def curves(rows: list[Row], channel: str) -> dict[str, dict[float, list[Row]]]:
    """The rows over ``channel`` by scheme and SNR, fitted codecs left out."""
    found: dict[str, dict[float, list[Row]]] = {}
    for row in rows:
        if row.channel == channel and not FITTED.match(row.scheme):
            found.setdefault(row.scheme, {}).setdefault(row.snr_db, []).append(row)
    return found


def fitted(rows: list[Row]) -> dict[tuple[str, int, bool, bool], dict[float, list[Row]]]:
    """The rows of fitted codecs by model, k, with flow, with channel noise; and by SNR."""
    found: dict[tuple[str, int, bool, bool], dict[float, list[Row]]] = {}
    for row in rows:
        if match := FITTED.match(row.scheme):
            key = match["model"], int(match["k"]), not match["flow"], not match["noise"]
            found.setdefault(key, {}).setdefault(row.snr_db, []).append(row)
    return found


def draw_curves(rows: list[Row], folder: Path) -> list[Path]:
    """Fig. 3 (PSNR over SNR), Fig. 4 (LPIPS over SNR), each for both channels, and Fig. 5 (both over k / n)."""
    written = []
    for number, metric in ((3, "psnr_db"), (4, "lpips_alex")):
        for channel in ("awgn", "rayleigh"):
            by_scheme = curves(rows, channel)
            if by_scheme:
                figure = Figure(figsize=(8, 5), layout="constrained")
                axes = figure.subplots()
                _over_snr(axes, by_scheme, metric)
                axes.set_title("AWGN" if channel == "awgn" else "Rayleigh block fading")
                written += write(figure, folder / f"figure-{number}{'' if channel == 'awgn' else '-rayleigh'}")
    if fitted(rows):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
            _over_ratio(axes, fitted(rows), metric)
        written += write(figure, folder / "figure-5")
    return written


def _over_snr(axes: Axes, by_scheme: dict[str, dict[float, list[Row]]], metric: str) -> None:
    ks = sorted({next(iter(by_snr.values()))[0].k for by_snr in by_scheme.values()})
    for scheme, by_snr in by_scheme.items():
        snrs_db = sorted(by_snr)
        marker, line = next((style for name, style in FAMILIES.items() if name in scheme), ("o", "-"))
        axes.plot(
            snrs_db,
            [mean(by_snr[snr_db], metric) for snr_db in snrs_db],
            label=scheme,
            marker=HELD if "-for-" in scheme else marker,
            linestyle=line,
            color=f"C{ks.index(by_snr[snrs_db[0]][0].k)}",
        )
    snrs_db = sorted({snr_db for by_snr in by_scheme.values() for snr_db in by_snr})
    axes.set(xlabel="SNR, Es/N0 [dB]", ylabel=METRICS[metric], xticks=snrs_db)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def _over_ratio(axes: Axes, by_codec: dict[tuple[str, int, bool, bool], dict[float, list[Row]]], metric: str) -> None:
    for model in dict.fromkeys(key[0] for key in by_codec):
        for flow, marker in ((True, "o-"), (False, "s--")):
            points = sorted(
                (k, mean(by_snr[FIGURE_5_SNR_DB], metric))
                for (name, k, with_flow, noisy), by_snr in by_codec.items()
                if name == model and with_flow == flow and noisy
            )
            ks, values = zip(*points, strict=True) if points else ((), ())
            axes.plot([k / 256 for k in ks], values, marker, label=f"{model}, {'with' if flow else 'without'} flow")
    axes.set(xlabel="k/n [1/3072]", ylabel=METRICS[metric], title=f"AWGN, {FIGURE_5_SNR_DB:g} dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def draw_matrix(sent: np.ndarray, received: dict[tuple[str, float], np.ndarray], path: Path) -> list[Path]:
    """``sent`` (S, S, 3), then what is ``received`` of it: a row a scheme, a column an SNR. Returns the files."""
    schemes, snrs_db = (list(dict.fromkeys(key[i] for key in received)) for i in (0, 1))
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
    for kind, settings in (("png", {"dpi": 120}), ("svg", {"metadata": {"Date": None}})):
        buffer = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "semwave"}):
            figure.savefig(buffer, format=kind, **settings)
        written.append(path.with_name(f"{path.name}.{kind}"))
        files.write_bytes(written[-1], buffer.getvalue())
    return written
