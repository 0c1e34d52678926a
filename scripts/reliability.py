"""Figures of docs/reliability.md: what the ends believe wrongly, photographs turned, bits by threads and instruction
sets, long runs.

    python scripts/reliability.py wrong-ends [--data FOLDER] | turns | threads | isa | long-run [--sends N]  [--write]

Each prints what it found as it comes, and with --write puts it into the page. Reading of large pictures has a script of
its own: reliability_pictures.py.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pages import write
from PIL import Image
from skimage.data import astronaut

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.evaluation.machine import machine
from semwave.evaluation.paper import photos_of
from semwave.pictures import images
from semwave.pictures.align import Frame, align, find_frame
from semwave.pictures.frame import between
from semwave.pictures.metrics import psnr
from semwave.pictures.photos import read_photo
from semwave.types import Soft
from semwave.zoo import weights_digest

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


ISAS: dict[str, dict[str, str]] = {
    "as it is": {},
    "oneDNN without bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default"},
    "AVX2 everywhere": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
"""Instruction sets that libraries are held to, as if the machine had no others."""


def photographs(data: Path | None) -> list[torch.Tensor]:
    """The astronaut, or the first twenty aligned photographs of the test list in the folder ``data``."""
    if data is None:
        return [images.to_tensor(align(astronaut(), 512))]
    return [read_photo(photo.path, 512, False) for photo in photos_of(data, 20)]


def quality(photos: list[torch.Tensor], receiver: Receiver, softs: list[list[Soft]]) -> float:
    """Mean PSNR in dB of what is drawn of ``softs`` of each of ``photos``, 8-bit as it is written."""
    found = []
    for photo, arrived in zip(photos, softs, strict=True):
        for soft in arrived:
            drawn = images.to_tensor(images.to_uint8(receiver(soft)[0]))
            found.append(psnr(photo, drawn, data_range=2).item())
    return float(np.mean(found))


def wrong_ends(data: Path | None) -> Iterator[str]:
    """PSNR against what the receiver believes wrongly or does not get; nothing in a header tells of it."""
    photos = photographs(data)
    what = "the astronaut" if data is None else f"{len(photos)} test photographs"
    yield f"Mean PSNR in dB of {what}, AWGN at {SNR_DB:g} dB, {len(SEEDS)} draws of noise each:\n"
    yield "| error | k = 256 | k = 2560 |\n| --- | --- | --- |"
    rows: dict[str, list[str]] = {}
    for k in (256, 2560):
        transmitter, receiver = Transmitter(MODEL, k), Receiver(MODEL)
        signals = [transmitter(photo) for photo in photos]
        arrived = [[air.AWGN(SNR_DB, random=seed)(signal) for seed in SEEDS] for signal in signals]

        def row(name: str, errors: list, change, receiver=receiver, arrived=arrived) -> None:
            changed = ([[change(soft, error) for soft in softs] for softs in arrived] for error in errors)
            cells = ", ".join(f"{quality(photos, receiver, each):.2f}" for each in changed)
            rows.setdefault(f"{name} {', '.join(map(str, errors))}", []).append(cells)

        row("assumed SNR less the true one [dB]:", [-20, -10, -5, 0, 5, 10],
            lambda soft, error: replace(soft, noise=soft.noise * 10 ** (-error / 10)))  # fmt: skip
        row("phase [degrees]:", [0, 5, 10, 20, 45, 90], turned)
        row("gain [dB]:", [-3, 3], lambda soft, error: replace(soft, symbols=soft.symbols * 10 ** (error / 20)))
        for known, name in ((True, "known to be lost"), (False, "lost, taken for zero")):
            row(f"symbols {name} [%]:", [1, 10, 50], lambda soft, share, known=known: lost(soft, share, known))
        row("complex symbols late by", [1], lambda soft, by: replace(soft, symbols=soft.symbols.roll(2 * by, 1)))
    for name, cells in rows.items():
        yield f"| {name} | {' | '.join(cells)} |"
    yield "\n| what the receiver believes wrongly | what it says |\n| --- | --- |"
    for name, said in refusals(photos[0]):
        yield f"| {name} | {said} |"


def refusals(photo: torch.Tensor) -> Iterator[tuple[str, str]]:
    """What a receiver says that has another model, or symbols other than the header tells."""
    soft = air.AWGN(SNR_DB, random=0)(Transmitter(MODEL, 256)(photo))
    header = soft.header
    assert header is not None
    receiver = Receiver(MODEL)
    cases = {
        "another model": (Receiver("semantic-stylegan-512"), soft),
        "other weights": (receiver, replace(soft, header=replace(header, digest="f" * 12))),
        "k of the header": (receiver, replace(soft, header=replace(header, k=300))),
        "layers that the model has not": (receiver, replace(soft, header=replace(header, layers=("residual",)))),
        "no header": (receiver, replace(soft, header=None)),
    }
    for name, (other, received) in cases.items():
        try:
            other(received)
            yield name, "nothing: a picture is drawn"
        except SemwaveError as error:
            yield name, f"refused: {error}"


def turned(soft: Soft, degrees: float) -> Soft:
    iq = torch.view_as_complex(soft.symbols.reshape(len(soft.symbols), -1, 2).contiguous())
    angle = torch.polar(torch.ones(()), torch.tensor(degrees * np.pi / 180, dtype=torch.float32))
    return replace(soft, symbols=torch.view_as_real(iq * angle).flatten(1))


def lost(soft: Soft, percent: float, known: bool) -> Soft:
    pairs = torch.rand(soft.symbols.shape[1] // 2, generator=torch.Generator().manual_seed(1)) < percent / 100
    gone = pairs.repeat_interleave(2)[None]
    noise = soft.noise.masked_fill(gone, torch.inf) if known else soft.noise
    return replace(soft, symbols=soft.symbols.masked_fill(gone, 0.0), noise=noise)


def turns() -> Iterator[str]:
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
    yield f"The astronaut turned by 0, 15, ... 345 degrees: the same frame within {100 * worst:.2f} % of its width."


def threads() -> Iterator[str]:
    """Whether the symbols and the picture have the same bits with one and two threads, and twice with each."""
    found = {}
    for name, count in (("1", 1), ("1, again", 1), ("2", 2), ("2, again", 2)):
        path = Path(f"threads-{os.getpid()}.pt")
        subprocess.run([sys.executable, "-c", BITS, str(count), str(path)], check=True)
        found[name] = torch.load(path, weights_only=True)
        path.unlink()
    symbols, picture = found["1"]
    yield f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}:\n"
    yield "| threads | symbols | picture | symbols differ by at most | 8-bit numbers that differ |"
    yield "| --- | --- | --- | ---: | ---: |"
    for name, (iq, drawn) in found.items():
        digests = [hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest()[:8] for t in (iq, drawn)]
        differ = (images.to_uint8(drawn[0]) != images.to_uint8(picture[0])).mean()
        yield f"| {name} | {digests[0]} | {digests[1]} | {(iq - symbols).abs().max():.3f} | {100 * differ:.1f} % |"


def isa() -> Iterator[str]:
    """What other instruction sets change, on this machine: libraries are told to use no more than these."""
    photo = images.to_tensor(align(astronaut(), 512))
    yield f"torch {torch.__version__}, {machine()['cpu']}, one thread; the astronaut, k = 2560, AWGN, {SNR_DB:g} dB:\n"
    yield "| instructions | PSNR [dB] | symbols differ by at most | by (rms) | 8-bit numbers that differ | by at most |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    before: tuple[torch.Tensor, np.ndarray] | None = None
    for name, environment in ISAS.items():
        path = Path(f"isa-{os.getpid()}.pt")
        subprocess.run([sys.executable, "-c", BITS, "1", str(path)], check=True, env=os.environ | environment)
        symbols, picture = torch.load(path, weights_only=True)
        path.unlink()
        drawn = images.to_uint8(picture[0])
        before = before or (symbols, drawn)
        apart, steps = (symbols - before[0]).abs(), abs(drawn.astype(int) - before[1])
        reached = psnr(photo, images.to_tensor(drawn), data_range=2).item()
        yield (
            f"| {name} | {reached:.3f} | {apart.max():.3f} | {apart.square().mean().sqrt():.3f} "
            f"| {100 * (steps > 0).mean():.1f} % | {steps.max()} |"
        )


def long_run(sends: int) -> Iterator[str]:
    """Memory and file handles of one process over many sends."""
    (photo,), transmitter, receiver = photographs(None), Transmitter(MODEL, 2560), Receiver(MODEL)
    yield "| sends | memory [MiB] | file handles |\n| ---: | ---: | ---: |"
    for count in range(sends + 1):
        if count in {1, 10, 100, sends} or (count and count % max(sends // 5, 1) == 0):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            memory, handles = pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd"))
            yield f"| {count} | {memory:.0f} | {handles} |"
        receiver(air.AWGN(SNR_DB, random=count)(transmitter(photo)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figure", choices=("wrong-ends", "turns", "threads", "isa", "long-run"))
    parser.add_argument("--sends", type=int, default=2000)
    parser.add_argument("--data", type=Path, help="folder with aligned photographs and test.txt (default: astronaut)")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    given = parser.parse_args()
    figures = {
        "wrong-ends": lambda: wrong_ends(given.data), "turns": turns, "threads": threads, "isa": isa,
        "long-run": lambda: long_run(given.sends),
    }  # fmt: skip
    lines = [f"({MODEL}, weights {weights_digest(MODEL)})\n"]
    print(lines[0])
    for line in figures[given.figure]():
        print(line, flush=True)
        lines.append(line)
    if given.write:
        write("reliability.md", f"reliability.py {given.figure}", "\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
