"""Measure how long photographs take, many and few, and write the tables of docs/scaling.md.

    python scripts/scaling.py PHOTOS --before CHECKOUT
    python scripts/scaling.py PHOTOS --before CHECKOUT --points before now ray
    python scripts/scaling.py PHOTOS --points 1x1 1x2 10x1 10x2

PHOTOS is a folder or a list of 200 photographs, CHECKOUT an earlier version to compare with (git worktree add CHECKOUT
v0.1.0). The machine has to be idle otherwise; a point that is in --rows is not measured again, so that points may be
measured one by one. A point such as 10x2 is 10 photographs with --workers 2; where more are asked for than PHOTOS has,
they are sent again under other names.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
DOCS, SOURCE, ROWS = ROOT / "docs" / "scaling.md", ROOT / "src", ROOT / "out" / "scaling.jsonl"
MIB = 2**20
COUNT = 200
WAYS = {
    "before": "before, one by one",
    "alone": "now, `--workers 0 --batch 1`",
    "now": "now",
    "ray": "now, on Ray: a process a core",
}
OPTIONS = {"alone": ("--workers", "0", "--batch", "1"), "ray": ("--ray",)}
GROWTH = (1, 10, 100, 1000)
WORKERS = (1, 2)


class Points:
    """Figures by the name of their point, in a file of JSON lines; of two with one name the later one counts."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows: dict[str, dict] = {row["point"]: row for row in map(json.loads, lines)}

    def get(self, name: str) -> dict | None:
        return self.rows.get(name)

    def measure(self, name: str, take: Callable[[], dict]) -> None:
        """Keep what ``take`` gives as the point ``name``, unless it is there."""
        if name in self.rows:
            return
        self.rows[name] = {"point": name, **take()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[name]) + "\n")


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


def environment(source: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}


def sent(checkout: Path, photos: list[Path], *options: str) -> dict:
    """What sending ``photos`` with the semwave of ``checkout`` takes, from shell to files."""
    with tempfile.TemporaryDirectory() as folder:
        listing, out, log = (Path(folder) / name for name in ("photos.txt", "out", "log"))
        listing.write_text("\n".join(map(str, photos)), encoding="utf-8")
        line = [sys.executable, "-m", "semwave", "send", str(listing), "--out", str(out), *options]
        start = time.perf_counter()
        with log.open("wb") as file:
            running = subprocess.Popen(line, env=environment(checkout / "src"), stdout=file, stderr=file)
            _, status, usage = os.wait4(running.pid, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status):
            sys.exit(log.read_text(errors="replace"))
        rows = json.loads((out / "report.json").read_text(encoding="utf-8"))
        assert [row["photo"] for row in rows] == [path.name for path in photos], "not a row for every photograph"
        return {
            "seconds": seconds,
            "photographs": len(photos),
            "peak_memory_mib": usage.ru_maxrss / 1024,
            "psnr_db": [row["psnr_db"] for row in rows],
            "commit": commit(checkout),
            "machine": machine_line(),
        }


def commit(checkout: Path) -> str:
    line = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def measure(points: Points, asked: list[str], photos: list[Path], count: int, before: Path | None) -> None:
    for name in asked:
        if name == "before" and before is None:
            sys.exit("the point 'before' wants --before CHECKOUT")
        if name == "ray" and not find_spec("ray"):
            sys.exit("the point 'ray' wants pip install 'semwave[ray]'")
        number, _, workers = (str(count), "", "") if name in WAYS else name.partition("x")
        options = ("--workers", workers) if workers else OPTIONS.get(name, ())
        these = list(islice(cycle(photos), int(number)))
        checkout = before if name == "before" and before else ROOT
        points.measure(name, lambda: sent(checkout, these, *options))  # noqa: B023
        print(f"{name}: {points.rows[name]['seconds']:.1f} s", flush=True)


def tables(points: Points) -> None:
    ways = {name: found for name in WAYS if (found := points.get(name))}
    if old := ways.get("before"):
        table = ["| way | seconds | photographs/s | share of before | moved by [dB] | memory [MiB] |",
                 "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
        for name, found in ways.items():
            seconds, memory = found["seconds"], "" if name == "ray" else f"{found['peak_memory_mib']:.0f}"
            away = moved(found, points.get("alone")) if name in ("now", "ray") else ""
            table.append(
                f"| {WAYS[name]} | {seconds:.1f} | {found['photographs'] / seconds:.2f} | "
                f"{seconds / old['seconds']:.2f} | {away} | {memory} |"
            )
        if "ray" in ways and "now" in ways:
            table += ["", f"Ray takes {ways['ray']['seconds'] / ways['now']['seconds'] - 1:+.0%} beside plain workers."]
        table += ["", f"{old['photographs']} photographs; before: commit {old['commit']}. {old['machine']}."]
        write_table("photographs", table)
    heads = " | ".join(f"`--workers {workers}` [s]" for workers in WORKERS)
    table = [f"| photographs | {heads} | a photograph [s] | memory [MiB] |", "| ---: | ---: | ---: | ---: | ---: |"]
    for number in GROWTH:
        found = [points.get(f"{number}x{workers}") for workers in WORKERS]
        if last := found[-1]:
            cells = [f"{row['seconds']:.1f}" if row else "-" for row in found]
            cells += [f"{last['seconds'] / number:.2f}", f"{last['peak_memory_mib']:.0f}"]
            table.append(f"| {number:,} | {' | '.join(cells)} |")
    if len(table) > 2:
        write_table("growth", table)


def moved(one: dict, other: dict | None) -> str:
    """By how many dB the PSNR of a photograph differs: of half of them by less, of one by so much."""
    if other is None:
        return ""
    away = [abs(a - b) for a, b in zip(one["psnr_db"], other["psnr_db"], strict=True)]
    return f"{median(away):.3f}, {max(away):.3f}"


def main() -> None:
    from semwave.pictures.photos import find_photos

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*WAYS, *(f"{number}x{workers}" for number in GROWTH for workers in WORKERS)]
    parser.add_argument("photos", type=Path)
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--points", nargs="+", choices=every, default=every, metavar="POINT", help=", ".join(every))
    parser.add_argument("--count", type=int, default=COUNT, help="photographs of the points that are compared")
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of JSON lines that figures are kept in")
    given = parser.parse_args()
    photos = [photo.path.absolute() for photo in find_photos([given.photos])]
    points = Points(given.rows)
    measure(points, given.points, photos, given.count, given.before)
    tables(points)


if __name__ == "__main__":
    main()
