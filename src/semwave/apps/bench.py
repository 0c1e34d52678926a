"""How long every stage takes on this machine, and how much memory a run needs: what ``semwave bench`` measures.

Stages are timed in this process by :mod:`torch.utils.benchmark`; import, load and a whole ``semwave send`` in fresh
processes, as a user meets them.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.benchmark import Timer

from semwave.air.channels import AWGN
from semwave.errors import SemwaveError
from semwave.generators.memory import keep_freed_memory
from semwave.latent.layout import FACES
from semwave.model import load_model
from semwave.pictures import align, images
from semwave.receiver import Receiver
from semwave.transmitter import Transmitter
from semwave.types import Drawing

KS = (256, 2560, 32768)
"""Numbers of symbols that are timed."""
BATCH = 8
AUTHORS_INVERSION = 400 * 11.1
"""Seconds of the inversion that the paper builds on: 400 steps of the Semantic StyleGAN authors' code at 512 px on two
CPU cores, 11.1 s each."""
STARTING = (
    "from time import perf_counter as now; a = now(); import semwave; b = now(); "
    "import semwave.model; c = now(); semwave.Transmitter({name!r}); "
    "print(b - a, c - b, now() - c)"
)


LAUNCHER = """
import os, subprocess, sys
from time import perf_counter
start = perf_counter()
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.STDOUT)
_, status, usage = os.wait4(process.pid, 0)
print(f"\\n{perf_counter() - start} {usage.ru_maxrss / 1024}")
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command from a small process: Linux counts the memory of the process that starts one as that one's own."""


@dataclass(frozen=True)
class Timing:
    """``runs`` repetitions of ``stage`` took ``median`` seconds, the middle half of them within ``spread`` seconds;
    ``images`` were done in each."""

    stage: str
    median: float
    spread: float
    runs: int
    images: int = 1


def stages(name: str, photo: np.ndarray, seconds: float) -> Iterator[Timing]:
    """Time every stage of model ``name`` in this process, each repeated for about ``seconds``.

    ``photo`` is uint8 (H, W, 3) with a face.
    """
    model = load_model(name)
    config = model.config
    picture = images.to_tensor(align.align(photo, config.size))
    ks, most = tuple(k for k in KS if config.offers(k)), config.k
    transmitters = {k: Transmitter(model, k) for k in ks}
    receivers = {size: Receiver(model, size) for size in config.sizes}
    scene = transmitters[most].scene(picture)
    assert scene.codes is not None
    channel = AWGN(10.0, random=0)
    arrived = {k: channel(transmitters[k].encode(scene)) for k in ks}
    refining = Transmitter(model, most, refine_steps=1)
    codes, several = scene.codes, scene.codes.repeat(BATCH, 1, 1)
    many = picture.repeat(BATCH, 1, 1, 1)
    work: list[tuple[str, Callable[[], object], int]] = [
        (f"align, {config.size} px", lambda: align.align(photo, config.size), 1),
        ("invert", lambda: transmitters[most].scene(picture), 1),
        ("invert, one step of refinement more", lambda: refining.scene(picture), 1),
        *((f"encode, k = {k}", lambda k=k: transmitters[k].encode(scene), 1) for k in ks),
        *((f"decode, k = {k}", lambda k=k: receivers[config.size].decode(arrived[k]), 1) for k in ks),
        *((f"generate, {size} px", lambda size=size: drawn(codes, size), 1) for size in config.sizes),
        (f"transmit: aligned photo to {most} symbols", lambda: transmitters[most](picture), 1),
        *(
            (f"receive: {most} symbols to {size} px", lambda size=size: receivers[size](arrived[most]), 1)
            for size in config.sizes
        ),
        (f"invert, {BATCH} at once", lambda: transmitters[most].scene(many), BATCH),
        *((f"generate, {size} px, {BATCH} at once", lambda size=size: drawn(several, size), BATCH)
          for size in config.sizes[:2]),
    ]  # fmt: skip

    @torch.no_grad()
    def drawn(codes: Tensor, size: int) -> Drawing:
        return model.generate(codes, size)

    for stage, call, count in work:
        timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
        found = timer.blocked_autorange(min_run_time=seconds)
        yield Timing(stage, found.median, found.iqr, len(found.times), count)


def processes(name: str, photo: np.ndarray, runs: int) -> Iterator[tuple[Timing, float]]:
    """Time import, load, and ``semwave send`` of ``photo`` in ``runs`` fresh processes; with the peak memory in MiB.

    Raises:
        SemwaveError: a process failed.
    """
    starts = [_run([sys.executable, "-c", STARTING.format(name=name)]) for _ in range(runs)]
    memory = max(start[1] for start in starts)
    seconds = zip(*(map(float, start[2].split()) for start in starts), strict=True)
    for stage, taken in zip(
        ("import semwave", "import of torch and the networks", "load the model"), seconds, strict=True
    ):
        yield _timing(stage, taken), memory
    with TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        images.write_png(path, photo)
        command = [
            sys.executable,
            "-c",
            "from semwave.apps.cli import app; app()",
            "send",
            str(path),
            "--model",
            name,
            "--out",
            folder,
        ]
        sends = [_run(command) for _ in range(runs)]
    yield _timing("semwave send PHOTO, shell to files", [send[0] for send in sends]), max(send[1] for send in sends)


def inversion_step(generator: nn.Module, size: int, runs: int = 5, bf16: bool = False) -> Timing:
    """Time one step of inversion by descent: picture of ``size`` px, its MSE to another, gradient of the 28 codes.

    ``generator`` is any of :mod:`semwave.generators`; its weights get no gradient. With ``bf16`` the forward pass runs
    under autocast. This is the step that takes the authors' code 11.1 s (:data:`AUTHORS_INVERSION`) at 512 px.
    """
    keep_freed_memory()
    device = next(generator.parameters()).device
    codes = (
        torch.randn(1, FACES.codes, FACES.code_size, generator=torch.Generator().manual_seed(0))
        .to(device)
        .requires_grad_()
    )
    photo = torch.zeros(1, 3, size, size, device=device)

    def step() -> float:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            image = generator(codes, size).image
        # Asking for a number waits for a GPU to finish.
        return torch.autograd.grad(functional.mse_loss(image.float(), photo), codes)[0].sum().item()

    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    seconds = [timer.timeit(1).median for _ in range(runs)]
    return _timing(f"one step of inversion, {size} px{', bf16' if bf16 else ''}", seconds)


def as_row(timing: Timing, memory: float | None = None) -> dict[str, str | float | int]:
    """A row of the JSON file: seconds, images a second, and peak memory in MiB where it was measured."""
    row = asdict(timing) | {"images_per_second": timing.images / timing.median}
    return row if memory is None else row | {"peak_memory_mib": memory}


def _timing(stage: str, seconds: list[float] | tuple[float, ...]) -> Timing:
    low, middle, high = np.percentile(seconds, [25, 50, 75])
    return Timing(stage, float(middle), float(high - low), len(seconds))


def _run(command: list[str]) -> tuple[float, float, str]:
    """Wall-clock seconds, peak memory in MiB and output of ``command``."""
    with subprocess.Popen([sys.executable, "-c", LAUNCHER, *command], stdout=subprocess.PIPE, text=True) as launcher:
        output = launcher.stdout.read() if launcher.stdout else ""
    if launcher.returncode:
        raise SemwaveError(f"{' '.join(command[:4])} failed: {output.strip()[-300:]}")
    output, _, measured = output.rstrip("\n").rpartition("\n")
    seconds, memory = map(float, measured.split())
    return seconds, memory, output
