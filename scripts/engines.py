"""How fast every engine receives, and how near to torch its pictures are. Writes the table of docs/engines.md.

python scripts/engines.py docs/engines.md --seconds 2
"""

import argparse
import importlib.metadata
from pathlib import Path
from time import perf_counter

import torch
from torch.utils.benchmark import Timer

from semwave import Receiver, Transmitter, air
from semwave.evaluation.machine import machine
from semwave.interop.engines import ENGINES, TORCH, drawn_by
from semwave.model import load_model
from semwave.pictures.files import write_text
from semwave.pictures.metrics import psnr

BEGIN, END = "<!-- begin: scripts/engines.py -->", "<!-- end -->"
K, SIZES = 2560, (256, 512)


@torch.no_grad()
def rows(seconds: float) -> list[str]:
    """A row an engine and size, each timed for about ``seconds``."""
    model = load_model()
    picture = model.generate(model.sample(1, torch.Generator().manual_seed(0)), 512).image.clamp(-1, 1)
    soft = air.AWGN(10.0, random=0)(Transmitter(model, K)(picture))
    found = []
    for size in SIZES:
        original = Receiver(model, size)(soft)
        for engine in (TORCH, *ENGINES):
            start = perf_counter()
            receiver = Receiver(drawn_by(model, engine), size)
            drawn = receiver(soft)
            first = perf_counter() - start
            receiver(soft)
            timed = Timer("receiver(soft)", globals={"receiver": receiver, "soft": soft},
                          num_threads=torch.get_num_threads()).blocked_autorange(min_run_time=seconds)  # fmt: skip
            near = "" if engine == TORCH else f"{psnr(drawn, original, 2).item():.1f} dB"
            version = importlib.metadata.version(engine)
            median, spread = 1000 * timed.median, 1000 * timed.iqr
            found.append(f"| {size} px | {engine} {version} | {median:.0f} | {spread:.0f} | {first:.1f} | {near} |")
    return found


def main() -> None:
    """Measure, and put the table between its marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0, help="for about so long each receiver is timed")
    options = parser.parse_args()
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = [
        BEGIN, "",
        f"{K} symbols to a picture, medians ({about}):", "",
        "| picture | engine | median [ms] | spread [ms] | first picture [s] | PSNR to torch's |",
        "| --- | --- | ---: | ---: | ---: | ---: |", *rows(options.seconds), "", END,
    ]  # fmt: skip
    text = options.page.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) + len(END) :]
    write_text(options.page, before + "\n".join(lines) + after)


if __name__ == "__main__":
    main()
