"""A channel in another process: the flowgraph of examples/gnuradio/channel.py, under the system's Python, over ZMQ.

GNU Radio cannot be imported beside our NumPy, so samples go out by a socket and come back by another.
"""

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semwave.air.sockets import PACKET, packet_samples
from semwave.errors import SemwaveError

PYTHON = "/usr/bin/python3"
FIR_TAPS, FIR_CENTRE = 33, 8
TRAILING, SILENT_SECONDS = 6000, 60.0
"""Zeros behind the samples; how long GNU Radio may give nothing while some are missing, as on a busy machine."""


def installed(python: str = PYTHON) -> bool:
    """Whether the system's Python has GNU Radio."""
    try:
        script = "from gnuradio import channels, zeromq"
        return subprocess.run([python, "-c", script], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass(frozen=True)
class GnuRadioChannel:
    """Samples to samples through ``flowgraph``.

    Args:
        flowgraph: examples/gnuradio/channel.py, or one with its options.
        noise: amplitude of the complex noise; its power is the square.
        offset: of the carrier, cycles a sample.
        clock_ppm: by how many parts in a million the transmitter's sampling clock is faster.
        taps: pairs of delay in samples and complex amplitude.
        seed: of the noise.

    Raises:
        SemwaveError: when called and not all samples come back.
    """

    flowgraph: Path
    noise: float = 0.0
    offset: float = 0.0
    clock_ppm: float = 0.0
    taps: tuple[tuple[float, complex], ...] = ((0.0, 1.0),)
    seed: int = 1

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """What comes back of ``samples`` (n,) complex."""
        import zmq

        response = fir(self.taps)
        with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
            source, sink = f"ipc://{folder}/in", f"ipc://{folder}/out"
            push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
            push.bind(source)
            pull.connect(sink)
            push.linger = pull.linger = 0
            options = {
                "source": source,
                "sink": sink,
                "noise": self.noise,
                "offset": self.offset,
                "epsilon": 1 + 1e-6 * self.clock_ppm,
                "taps": json.dumps([[float(tap.real), float(tap.imag)] for tap in response]),
                "seed": self.seed,
            }
            command = [PYTHON, str(self.flowgraph), *(f"--{name}={value}" for name, value in options.items())]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                return _through(samples, push, pull, process)
            finally:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                push.close()
                pull.close()


def _through(samples: np.ndarray, push, pull, process: subprocess.Popen) -> np.ndarray:
    import zmq

    # Noise of the model follows the samples; without more of them the last ones stay in its filters.
    sent = np.concatenate([np.asarray(samples, np.complex64), np.zeros(TRAILING, np.complex64)])
    pieces: list[np.ndarray] = []
    place, count, last = 0, 0, time.monotonic()
    wanted = len(sent) * (1 - 1e-3) - 64
    while time.monotonic() < last + SILENT_SECONDS and count < wanted:
        if place < len(sent):
            try:
                push.send(sent[place : place + PACKET].tobytes(), zmq.NOBLOCK)
                place += PACKET
            except zmq.Again:
                pass
        if pull.poll(0 if place < len(sent) else 20):
            pieces.append(packet_samples(pull.recv()))
            count, last = count + len(pieces[-1]), time.monotonic()
        if process.poll() is not None:
            break
    if count < wanted:
        errors = process.stderr if process.poll() is not None else None
        said = errors.read().decode(errors="replace").strip() if errors else ""
        why = f": {said.splitlines()[-1]}" if said else ""
        raise SemwaveError(f"GNU Radio gave {count} of {len(sent)} samples back{why}")
    return np.concatenate(pieces)


def fir(taps: tuple[tuple[float, complex], ...]) -> np.ndarray:
    """Echoes between samples as a filter (33,): a sinc under a squared cosine, eight samples late."""
    times = np.arange(FIR_TAPS) - FIR_CENTRE
    response = np.zeros(FIR_TAPS, complex)
    for delay, amplitude in taps:
        distance = times - delay
        window = np.where(abs(distance) < FIR_CENTRE + 1, np.cos(np.pi * distance / (2 * FIR_CENTRE + 2)) ** 2, 0)
        response += amplitude * np.sinc(distance) * window
    return response
