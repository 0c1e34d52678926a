"""Figures of docs/reliability.md: what the ends believe wrongly, photographs turned, bits by threads, long runs.

    python scripts/reliability.py wrong-ends | turns | threads | long-run [--sends N]

Each prints a Markdown table or a line. Reading of large pictures has a script of its own: reliability_pictures.py.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut

from semwave import Receiver, Transmitter, air
from semwave.pictures import images
from semwave.pictures.align import Frame, align, find_frame
from semwave.pictures.frame import between
from semwave.pictures.metrics import psnr
from semwave.types import Soft

MODEL, SNR_DB, SEEDS = "faces-512", 10.0, range(2)
BITS = """
import sys, hashlib, torch
from skimage.data import astronaut
from semwave import Receiver, Transmitter, air
from semwave.pictures import images
from semwave.pictures.align import align
torch.set_num_threads(int(sys.argv[1]))
signal = Transmitter("faces-512", 2560)(images.to_tensor(align(astronaut(), 512)))
picture = Receiver("faces-512")(air.AWGN(10.0, random=0)(signal))
torch.save((signal.iq, picture), sys.argv[2])
"""


def ends(k: int):
    photo = images.to_tensor(align(astronaut(), 512))
    return photo, Transmitter(MODEL, k)(photo), Receiver(MODEL)


def quality(photo: torch.Tensor, receiver: Receiver, softs: list[Soft]) -> float:
    """Mean PSNR in dB of what is drawn of ``softs``, 8-bit as it is written."""
    drawn = [images.to_tensor(images.to_uint8(receiver(soft)[0])) for soft in softs]
    return float(np.mean([psnr(photo, picture, data_range=2).item() for picture in drawn]))


def wrong_ends() -> None:
    """PSNR against what the receiver believes wrongly or does not get; nothing in a header tells of it."""
    for k in (256, 2560):
        photo, signal, receiver = ends(k)
        arrived = [air.AWGN(SNR_DB, random=seed)(signal) for seed in SEEDS]

        def row(name: str, errors: list, change, photo=photo, receiver=receiver, arrived=arrived) -> None:
            cells = [f"{quality(photo, receiver, [change(soft, error) for soft in arrived]):.2f}" for error in errors]
            print(f"| {name} | {' | '.join(map(str, errors))} |")
            print(f"| --- | {' | '.join('---:' for _ in errors)} |")
            print(f"| PSNR [dB] | {' | '.join(cells)} |\n")

        print(f"k = {k}, AWGN at {SNR_DB:g} dB, the astronaut, mean of {len(SEEDS)} draws of noise\n")
        row("assumed SNR less the true one [dB]", [-20, -10, -5, 0, 5, 10],
            lambda soft, error: replace(soft, noise=soft.noise * 10 ** (-error / 10)))  # fmt: skip
        row("phase error [degrees]", [0, 5, 10, 20, 45, 90], turned)
        row("gain error [dB]", [-3, 3],
            lambda soft, error: replace(soft, symbols=soft.symbols * 10 ** (error / 20)))  # fmt: skip
        for known, name in ((True, "known to be lost"), (False, "taken for zero")):
            row(f"lost symbols, {name} [%]", [1, 10, 50],
                lambda soft, share, known=known: lost(soft, share, known))  # fmt: skip
        row("complex symbols late by", [1], lambda soft, by: replace(soft, symbols=soft.symbols.roll(2 * by, 1)))


def turned(soft: Soft, degrees: float) -> Soft:
    iq = torch.view_as_complex(soft.symbols.reshape(len(soft.symbols), -1, 2).contiguous())
    angle = torch.polar(torch.ones(()), torch.tensor(degrees * np.pi / 180, dtype=torch.float32))
    return replace(soft, symbols=torch.view_as_real(iq * angle).flatten(1))


def lost(soft: Soft, percent: float, known: bool) -> Soft:
    pairs = torch.rand(soft.symbols.shape[1] // 2, generator=torch.Generator().manual_seed(1)) < percent / 100
    gone = pairs.repeat_interleave(2)[None]
    noise = soft.noise.masked_fill(gone, torch.inf) if known else soft.noise
    return replace(soft, symbols=soft.symbols.masked_fill(gone, 0.0), noise=noise)


def turns() -> None:
    """How far the frame of the astronaut lies from where it should, turned by every multiple of 15 degrees."""
    photo = astronaut()
    whole, worst = find_frame(photo), 0.0
    for degrees in range(0, 360, 15):
        turned_photo = np.array(
            Image.fromarray(photo).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128,) * 3)
        )
        sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
        turn = np.array([[cosine, sine], [-sine, cosine]])
        middle, before = np.array(turned_photo.shape[1::-1]) / 2, np.array(photo.shape[1::-1]) / 2
        expected = Frame(turn @ (whole.centre - before) + middle, turn @ whole.half)
        apart = between(find_frame(turned_photo), expected)
        worst = max(worst, apart)
        print(f"{degrees:3d} degrees: {100 * apart:.2f} % of the width", flush=True)
    print(f"at most {100 * worst:.2f} %")


def threads() -> None:
    """Whether the symbols and the picture have the same bits with one and two threads, and twice with each."""
    found = {}
    for name, count in (("1", 1), ("1, again", 1), ("2", 2), ("2, again", 2)):
        path = Path(f"threads-{os.getpid()}.pt")
        subprocess.run([sys.executable, "-c", BITS, str(count), str(path)], check=True)
        found[name] = torch.load(path, weights_only=True)
        path.unlink()
    symbols, picture = found["1"]
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    print("| threads | symbols | picture | symbols differ by at most | pixels of 8 bits that differ |")
    print("| --- | --- | --- | ---: | ---: |")
    for name, (iq, drawn) in found.items():
        digests = [hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest()[:8] for t in (iq, drawn)]
        differ = (images.to_uint8(drawn[0]) != images.to_uint8(picture[0])).mean()
        print(f"| {name} | {digests[0]} | {digests[1]} | {(iq - symbols).abs().max():.1e} | {100 * differ:.3f} % |")


def long_run(sends: int) -> None:
    """Memory and file handles of one process over many sends."""
    photo, _, receiver = ends(2560)
    transmitter = Transmitter(MODEL, 2560)
    print("| sends | memory [MiB] | file handles |\n| ---: | ---: | ---: |")
    for count in range(sends + 1):
        if count in {1, 10, sends} or (count and count % max(sends // 5, 1) == 0):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            memory, handles = pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd"))
            print(f"| {count} | {memory:.0f} | {handles} |", flush=True)
        receiver(air.AWGN(SNR_DB, random=count)(transmitter(photo)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figure", choices=("wrong-ends", "turns", "threads", "long-run"))
    parser.add_argument("--sends", type=int, default=2000)
    given = parser.parse_args()
    if given.figure == "long-run":
        long_run(given.sends)
    else:
        {"wrong-ends": wrong_ends, "turns": turns, "threads": threads}[given.figure]()


if __name__ == "__main__":
    main()
