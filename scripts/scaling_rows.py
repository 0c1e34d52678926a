"""Measure what a report costs as it grows, without sending anything, and write the tables of docs/scaling.md.

    python scripts/scaling_rows.py

Some ten minutes; a figure that is in --rows is not measured again.
"""

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

from scaling import MIB, ROWS, SOURCE, Points, environment, machine_line, write_table

OLD_ROWS = 1000
"""So many rows are enough to see that writing all of them after every photograph is quadratic."""


def row(photo: int, place: int) -> dict:
    """A row as send writes it."""
    stages = ("align", "invert", "encode", "channel", "decode", "generate")
    return {
        "photo": f"photo-{photo:07d}.jpg", "size": 512, "n": 786432, "k": 2560, "complex_symbols": 1280,
        "ratio": "10/3072", "snr_db": float(place), "channel": "awgn", "layers": ["codes", "residual"], "hidden": [],
        "privacy": None, "psnr_db": 20 + photo % 977 / 100, "lpips_alex": 0.2 + photo % 89 / 1000, "lpips_vgg": None,
        "seconds": {stage: 0.1234 for stage in stages},
    }  # fmt: skip


def key(photo: int) -> str:
    return f"photo-{photo:07d}-{photo:012x}"


class Simulated:
    """A sender that is asked for keys alone."""

    out = progress = None
    transmitters = (SimpleNamespace(inversion=SimpleNamespace(steps=0)),)

    def key(self, photo) -> str:
        return key(int(photo.name.rpartition("-")[2]))


def simulated(folder: Path, photos: int, rows: int) -> dict:
    """What ``photos`` of so many ``rows`` cost from the engine to the report, and then to go on with it."""
    from rich.console import Console

    from semwave.apps.send import Rows
    from semwave.apps.sending import send_photos
    from semwave.pictures.photos import Photo
    from semwave.work.units import Outcome

    named = [Photo(Path(f"photo-{number:07d}.jpg"), f"photo-{number:07d}") for number in range(photos)]
    begun = peak()

    def engine(_, left):
        for number, photo in enumerate(left):
            yield Outcome(photo, Rows(key(number), [row(number, place) for place in range(rows)], ""))

    def run(resume: bool) -> float:
        start = time.perf_counter()
        sending = send_photos(Simulated, named, folder / "report.jsonl", engine, Console(quiet=True), resume)
        assert sending.sent + sending.there == photos
        return time.perf_counter() - start

    whole, again = run(False), run(True)
    start = time.perf_counter()
    with_list = export(folder)
    return {
        "whole": whole, "again": again, "list": time.perf_counter() - start, "memory": peak() - begun,
        "bytes": (folder / "report.jsonl").stat().st_size, "list_bytes": with_list,
    }  # fmt: skip


def export(folder: Path) -> int:
    from semwave.work.rows import RowLog, row_places

    path = folder / "report.jsonl"
    with RowLog(path, dict(row_places(path))) as log:
        log.export(folder / "report.json", log.places)
    return (folder / "report.json").stat().st_size


def in_sqlite(folder: Path, photos: int, rows: int) -> dict:
    """The same rows in SQLite, a transaction a photo, and what it takes to find out which are there."""
    place, start = folder / "rows.sqlite", time.perf_counter()
    with sqlite3.connect(place, isolation_level=None) as base:
        base.execute("pragma journal_mode = wal")
        base.execute("pragma synchronous = normal")
        base.execute("create table rows (key text, place integer, row text, primary key (key, place)) without rowid")
        for photo in range(photos):
            base.execute("begin")
            values = [(key(photo), i, json.dumps(row(photo, i))) for i in range(rows)]
            base.executemany("insert into rows values (?, ?, ?)", values)
            base.execute("commit")
    whole, start = time.perf_counter() - start, time.perf_counter()
    with sqlite3.connect(place) as base:
        assert len(base.execute("select distinct key from rows").fetchall()) == photos
    return {"whole": whole, "again": time.perf_counter() - start, "bytes": place.stat().st_size}


def in_parquet(folder: Path, photos: int, rows: int) -> dict:
    """The same in Parquet, a shard for every 1,000 photos: what is not yet in one is lost with the process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    start, shard = time.perf_counter(), 1000
    for first in range(0, photos, shard):
        some = [row(p, i) | {"key": key(p)} for p in range(first, min(first + shard, photos)) for i in range(rows)]
        pq.write_table(pa.Table.from_pylist(some), folder / f"{first:07d}.parquet")
    whole, start = time.perf_counter() - start, time.perf_counter()
    found = {k for path in folder.glob("*.parquet") for k in pq.read_table(path, columns=["key"])["key"].to_pylist()}
    assert len(found) == photos
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    return {"whole": whole, "again": time.perf_counter() - start, "bytes": size}


def as_before(folder: Path, photos: int, rows: int) -> dict:
    """The same as a JSON list that is written again after every photo."""
    from semwave.pictures import files

    start, all_rows = time.perf_counter(), []
    for photo in range(photos):
        all_rows += [row(photo, place) for place in range(rows)]
        files.write_json(folder / "report.json", all_rows)
    return {"whole": time.perf_counter() - start, "bytes": (folder / "report.json").stat().st_size}


KINDS = {"lines": simulated, "sqlite": in_sqlite, "parquet": in_parquet, "list": as_before}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(kind: str, photos: int, rows: int) -> dict:
    """What ``kind`` costs, by a process that does nothing else."""
    line = [sys.executable, __file__, "--one", kind, str(photos), str(rows)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True, env=environment(SOURCE)).stdout)


SIMULATED = ((3_000, 1), (10_000, 1), (30_000, 1), (100_000, 1), (30_000, 30))
FORMATS = {
    "lines": "JSON lines",
    "sqlite": "SQLite, a transaction a photograph",
    "parquet": "Parquet, a shard for every 1,000 photographs",
}


def measure(points: Points) -> None:
    kinds = [kind for kind in FORMATS if kind != "parquet" or find_spec("pyarrow")]
    cases = [("lines", *case) for case in SIMULATED] + [(kind, 30_000, 30) for kind in kinds[1:]]
    for kind, photos, rows in [*cases, ("list", OLD_ROWS, 1)]:
        points.measure(name(kind, photos, rows), lambda: in_a_process(kind, photos, rows))  # noqa: B023


def name(kind: str, photos: int, rows: int) -> str:
    return f"{kind} {photos} x {rows}"


def tables(points: Points) -> None:
    table = [
        "| photographs | rows | whole run [s] | a photograph [ms] | going on with it, all there [s] | JSON list [s] | "
        "report [MiB] | memory on top [MiB] |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for photos, rows in SIMULATED:
        if found := points.get(name("lines", photos, rows)):
            table.append(
                f"| {photos:,} | {photos * rows:,} | {found['whole']:.1f} | {1000 * found['whole'] / photos:.2f} | "
                f"{found['again']:.1f} | {found['list']:.1f} | {found['bytes'] / MIB:.0f} | {found['memory']:.0f} |"
            )
    write_table("simulate", table)
    table = [
        "| 30,000 photographs of 30 rows | writing [s] | finding what is there [s] | file [MiB] |",
        "| --- | ---: | ---: | ---: |",
    ]
    for kind, title in FORMATS.items():
        if found := points.get(name(kind, 30_000, 30)):
            table.append(f"| {title} | {found['whole']:.1f} | {found['again']:.1f} | {found['bytes'] / MIB:.0f} |")
    if old := points.get(name("list", OLD_ROWS, 1)):
        table.append(f"| JSON list written again after each (before), {OLD_ROWS:,} rows alone | {old['whole']:.1f} | | "
                     f"{old['bytes'] / MIB:.0f} |")  # fmt: skip
    write_table("formats", [*table, "", machine_line() + "."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of JSON lines that figures are kept in")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        kind, *numbers = given.one
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(KINDS[kind](Path(folder), *map(int, numbers))))
        return
    points = Points(given.rows)
    measure(points)
    tables(points)


if __name__ == "__main__":
    main()
