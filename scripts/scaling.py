"""Measure how the cost of many photographs grows, and write the tables of docs/scaling.md.

    python scripts/scaling.py simulate
    python scripts/scaling.py photographs PHOTOS --before CHECKOUT

``simulate`` sends no photograph: it has 30,000 and more rows go through the report. ``photographs`` wants an otherwise
idle machine, and a checkout of an earlier version to compare with (git worktree add CHECKOUT v0.1.0).
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

DOCS = Path(__file__).parents[1] / "docs" / "scaling.md"
SOURCE = Path(__file__).parents[1] / "src"
OLD_ROWS = 1000
"""So many rows are enough to see that writing all of them after every photograph is quadratic."""
MIB = 2**20


def write_table(name: str, lines: list[str]) -> None:
    """Put ``lines`` between the marks called ``name`` in the docs, and on the screen."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    DOCS.write_text("\n".join([before + begin, "", *lines, "", end]) + after, encoding="utf-8")
    print("\n".join(lines), flush=True)


def machine_line() -> str:
    from semwave.evaluation.machine import machine

    return ", ".join(f"{name}: {value}" for name, value in machine().items())


# What is simulated.


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
    line = [sys.executable, __file__, "one", kind, str(photos), str(rows)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True, env=environment(SOURCE)).stdout)


def simulate(rows: int) -> None:
    table = [
        "| photographs | rows | whole run [s] | a photograph [ms] | going on with it, all there [s] | JSON list [s] | "
        "report [MiB] | memory on top [MiB] |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for photos, each in ((3_000, 1), (10_000, 1), (30_000, 1), (100_000, 1), (30_000, rows)):
        found = in_a_process("lines", photos, each)
        table.append(
            f"| {photos:,} | {photos * each:,} | {found['whole']:.1f} | {1000 * found['whole'] / photos:.2f} | "
            f"{found['again']:.1f} | {found['list']:.1f} | {found['bytes'] / MIB:.0f} | {found['memory']:.0f} |"
        )
    write_table("simulate", table)
    table = [
        f"| 30,000 photographs of {rows} rows | writing [s] | finding what is there [s] | file [MiB] |",
        "| --- | ---: | ---: | ---: |",
    ]
    names = {"lines": "JSON lines", "sqlite": "SQLite, a transaction a photograph"}
    if _has("pyarrow"):
        names["parquet"] = "Parquet, a shard for every 1,000 photographs"
    for kind, name in names.items():
        found = in_a_process(kind, 30_000, rows)
        table.append(f"| {name} | {found['whole']:.1f} | {found['again']:.1f} | {found['bytes'] / MIB:.0f} |")
    old = in_a_process("list", OLD_ROWS, 1)
    table.append(f"| JSON list written again after each (before), {OLD_ROWS:,} rows alone | {old['whole']:.1f} | | "
                 f"{old['bytes'] / MIB:.0f} |")  # fmt: skip
    write_table("formats", [*table, "", machine_line() + "."])


def _has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


# What is sent.


def environment(source: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}


def sent(source: Path, listing: Path, out: Path, *options: str) -> float:
    """Seconds from shell to files."""
    line = [sys.executable, "-m", "semwave", "send", str(listing), "--out", str(out), *options]
    start = time.perf_counter()
    done = subprocess.run(line, env=environment(source), capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr)
    return time.perf_counter() - start


def rows_of(out: Path) -> dict[str, dict]:
    rows = [row for row in json.loads((out / "report.json").read_text()) if "failure" not in row]
    return {row["photo"]: row for row in rows}


def furthest(a: Path, b: Path) -> tuple[int, float]:
    """How many photographs two runs share, and by how many dB their PSNR differs at most."""
    first, second = rows_of(a), rows_of(b)
    assert first.keys() == second.keys(), "not the same photographs"
    return len(first), max(abs(first[name]["psnr_db"] - second[name]["psnr_db"]) for name in first)


def photographs(photos: Path, before: Path, count: int, counts: list[int]) -> None:
    from semwave.pictures.photos import find_photos

    paths = [str(photo.path.absolute()) for photo in find_photos([photos])]
    if len(paths) < max(count, *counts):
        sys.exit(f"{photos}: has {len(paths)} photographs, {max(count, *counts)} are to be measured")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)

        def listing(number: int) -> Path:
            path = work / f"{number}.txt"
            path.write_text("\n".join(paths[:number]), encoding="utf-8")
            return path

        ways = [("before, one by one", before / "src", ()), ("now", SOURCE, ())]
        if _has("ray"):
            ways.append(("now, on Ray: two processes", SOURCE, ("--ray",)))
        table = ["| way | seconds | photographs/s | share of before | furthest from before [dB] |",
                 "| --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
        times: list[float] = []
        for number, (name, source, options) in enumerate(ways):
            times.append(sent(source, listing(count), work / str(number), *options))
            shared, away = furthest(work / "0", work / str(number))
            share, rate = times[-1] / times[0], shared / times[-1]
            table.append(f"| {name} | {times[-1]:.1f} | {rate:.2f} | {share:.2f} | {away:.3f} |")
        if len(times) > 2:
            table += ["", f"Ray takes {times[2] / times[1] - 1:+.0%} of the time without it."]
        commit = subprocess.run(
            ["git", "-C", str(before), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip()
        table += ["", f"{count} photographs; before: commit {commit}. {machine_line()}."]
        write_table("photographs", table)
        table = ["| photographs | `--workers 1` [s] | `--workers 2` [s] | a photograph, two [s] |",
                 "| ---: | ---: | ---: | ---: |"]  # fmt: skip
        for number in counts:
            one, two = (sent(SOURCE, listing(number), work / f"w{w}-{number}", "--workers", str(w)) for w in (1, 2))
            table.append(f"| {number:,} | {one:.1f} | {two:.1f} | {two / number:.2f} |")
        write_table("growth", table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("simulate")
    command.add_argument("--rows", type=int, default=30, help="rows a photograph in the largest run")
    command = commands.add_parser("photographs")
    command.add_argument("photos", type=Path)
    command.add_argument("--before", type=Path, required=True, help="checkout of the version to compare with")
    command.add_argument("--count", type=int, default=200)
    command.add_argument("--counts", type=int, nargs="*", default=[1, 10, 100])
    command = commands.add_parser("one")
    command.add_argument("kind", choices=KINDS)
    command.add_argument("numbers", type=int, nargs=2)
    given = parser.parse_args()
    if given.command == "simulate":
        simulate(given.rows)
    elif given.command == "photographs":
        photographs(given.photos, given.before, given.count, given.counts)
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(KINDS[given.kind](Path(folder), *given.numbers)))


if __name__ == "__main__":
    main()
