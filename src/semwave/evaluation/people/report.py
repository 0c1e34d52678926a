"""The page: how well people are served, by tone of skin and by group, and the kernel distance of all of them."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from semwave.evaluation.claims import CONFIDENT, Difference
from semwave.evaluation.kid import kernel_distance
from semwave.evaluation.people.groups import Groups
from semwave.evaluation.people.measure import Measured, Row
from semwave.evaluation.privacy.identity import SAME_PERSON
from semwave.pictures import files

TITLE = "# People"
FEWEST = 3
"""Photographs of which thirds and a kernel distance can be had."""
MEANS = ("tone", "psnr_db", "lpips_alex", "identity", "red_shift", "yellow_shift")
THIRDS = ("darkest third", "middle third", "lightest third")


def page(measured: list[Measured], groups: dict[str, Groups], conditions: dict[str, str]) -> Iterator[str]:
    """The lines of the page; ``groups`` are those of every photo by its name, or none at all."""
    yield TITLE
    yield ""
    yield "Written by the run that measured it; [evaluation](evaluation.md#people) explains what is measured."
    yield ""
    yield from (f"- **{name}**: {value}" for name, value in conditions.items())
    for k in sorted({one.row.k for one in measured}):
        of_k = [one for one in measured if one.row.k == k]
        rows = [one.row for one in of_k]
        yield ""
        yield f"## k = {k}, AWGN at {rows[0].snr_db:g} dB"
        if len(rows) >= FEWEST:
            yield ""
            yield from _as_a_whole(of_k)
        yield ""
        yield (
            "| photographs of | number | ITA | PSNR [dB] | LPIPS(alex) | identity | somebody else | shift of L* "
            "| size of it | shift of a* | shift of b* |"
        )
        yield "| --- |" + " ---: |" * 10
        yield from (_line(name, part) for name, part in [("all", rows), *thirds(rows), *by_group(rows, groups)])


def thirds(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """``rows`` by the tone of the skin that was sent, in three parts of one size; none where there are too few."""
    if len(rows) < FEWEST:
        return []
    order = sorted(rows, key=lambda row: (row.tone, row.photo))
    edges = [round(part * len(order) / len(THIRDS)) for part in range(len(THIRDS) + 1)]
    return [(name, order[a:b]) for name, a, b in zip(THIRDS, edges, edges[1:], strict=False)]


def by_group(rows: list[Row], groups: dict[str, Groups]) -> Iterator[tuple[str, list[Row]]]:
    """``rows`` by every group of every column, such as "ethnicity: black"."""
    for column in next(iter(groups.values()), {}):
        for group in sorted({groups[row.photo][column] for row in rows}):
            name = f"{column}: {group}".replace("_", " ").replace("|", "/")
            yield name, [row for row in rows if groups[row.photo][column] == group]


def write_csv(path: Path, measured: list[Measured], groups: dict[str, Groups]) -> None:
    """Write a line a photograph and k, its groups behind the measurements, as CSV, whole or not at all."""
    lines = [{**asdict(one.row), **_labelled(groups.get(one.row.photo, {}))} for one in measured]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    files.write_text(path, text.getvalue())


def _labelled(groups: Groups) -> dict[str, str]:
    """``groups`` under names that no measurement has."""
    return {f"group: {column}": group for column, group in groups.items()}


def _as_a_whole(measured: list[Measured]) -> Iterator[str]:
    sent, received = (np.array([getattr(one, side) for one in measured]) for side in ("sent", "received"))
    distance, error = kernel_distance(sent, received)
    yield f"- Kernel distance to the photographs (SqueezeNet): {Difference(distance, CONFIDENT * error):.4f}"
    (_, dark), _, (_, light) = thirds([one.row for one in measured])
    shifts = [_difference(part, "lightness_shift") for part in (dark, light)]
    times = abs(shifts[0].mean / shifts[1].mean) if shifts[1].mean else float("inf")
    apart = Difference(shifts[0].mean - shifts[1].mean, float(np.hypot(shifts[0].half, shifts[1].half)))
    yield (
        f"- L* of the darkest third moves by {shifts[0]:.2f}, of the lightest by {shifts[1]:.2f}: "
        f"{times:.2f} times as much, {apart:.2f} apart"
    )


def _line(name: str, rows: list[Row]) -> str:
    mean = {column: float(np.mean([getattr(row, column) for row in rows])) for column in MEANS}
    others = np.mean([row.identity > SAME_PERSON for row in rows])
    size = np.mean([abs(row.lightness_shift) for row in rows])
    cells = [name, str(len(rows)), f"{mean['tone']:.0f}°", f"{mean['psnr_db']:.2f}", f"{mean['lpips_alex']:.3f}"]
    cells += [f"{mean['identity']:.2f}", f"{100 * others:.0f} %", f"{_difference(rows, 'lightness_shift'):.1f}"]
    cells += [f"{size:.1f}", f"{mean['red_shift']:+.1f}", f"{mean['yellow_shift']:+.1f}"]
    return f"| {' | '.join(cells)} |"


def _difference(rows: list[Row], column: str) -> Difference:
    values = np.array([getattr(row, column) for row in rows])
    half = CONFIDENT * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Difference(float(values.mean()), float(half))
