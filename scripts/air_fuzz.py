"""Hostile samples, metadata and packets for everything that listens: no crash, no hang, bounded memory.

    python scripts/air_fuzz.py --inputs 100000 --out out/air.jsonl

Half of the pieces of samples begin with a good preamble, so that they reach the header's decoder, and a quarter has a
header of random bits with right checksums too, or one of ours before a payload of anything.
"""

import argparse
import importlib.util
import json
import random
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semwave import air
from semwave.air.iq import signal, unit_power
from semwave.air.ofdm.frame import modulate
from semwave.air.ofdm.header import WIDTHS, FrameHeader
from semwave.air.recordings import read_recording
from semwave.air.sockets import LARGEST_PACKET, Source, packet_samples
from semwave.errors import SemwaveError
from semwave.evaluation.machine import machine
from semwave.types import Header
from semwave.zoo import DEFAULT, LAYERS, config_of

DIGEST = "0123456789ab"
WHOLE, LONGEST_SECONDS = 1000, 5.0
"""So many pieces make one stream; and how long one of them may take."""


class Maker:
    """Whose frames are ours."""

    config, digest = config_of(DEFAULT), DIGEST


class Pieces:
    """Hostile pieces of samples, by ``draw``."""

    def __init__(self, draw):
        self.draw, self.numerology = draw, replace(air.NUMEROLOGIES[64], candidates=1)
        header = Header(DEFAULT, DIGEST, 256, LAYERS, 512)
        symbols = unit_power(torch.randn(1, 256, generator=torch.Generator().manual_seed(0)))
        self.frame = air.Modem(Maker()).modulate(signal(symbols, header))
        self.kinds = [self.bytes, self.damaged, self.constant, self.noise, *[self.preamble, self.header, self.ours] * 2]

    def __call__(self):
        return self.draw.choice(self.kinds)()

    def bytes(self):
        data = self.draw.bytes(self.draw.integers(0, 4000))
        quiet = (np.frombuffer(data, np.int8) / 1e4).astype(np.complex64).tobytes()
        return packet_samples(data if self.draw.random() < 0.1 else quiet)

    def damaged(self):
        data = bytearray(self.frame[self.draw.integers(len(self.frame)) * self.draw.integers(2) :].tobytes())
        for place in self.draw.integers(0, len(data), 3):
            data[place] = self.draw.integers(256)
        return packet_samples(bytes(data[: self.draw.integers(8, 8000)]))

    def constant(self):
        value = self.draw.choice([0, 0, 0, np.nan, 1e-40, 1, 3e38, np.inf])
        return np.full(self.draw.integers(500), value, np.complex64)

    def noise(self):
        return self._normal(500, 10.0 ** self.draw.integers(-30, 30) if self.draw.random() < 0.1 else 0.01)

    def preamble(self):
        """A good preamble, and anything behind it."""
        return self._heard(np.r_[self.numerology.preamble, self._normal(self.draw.integers(400), 1)])

    def header(self):
        """A frame whose header has any bits, checksums right."""
        version, model, layers, number, phases = (
            int(self.draw.integers(2 ** WIDTHS[name])) for name in ("version", "model", "layers", "number", "phases")
        )
        if self.draw.random() < 0.5:
            model = int(DIGEST[:4], 16)
        named = tuple(layer for place, layer in enumerate(LAYERS) if layers >> place & 1)
        k, size = 2 * int(self.draw.integers(1, 16385)), 1 << int(self.draw.integers(16))
        header = FrameHeader(model, k, named, size, number, phases, version)
        frame = modulate(self.numerology, np.ones(32, complex), replace(header, phases=0))
        return self._heard(frame[: 480 + self.draw.integers(300)])

    def ours(self):
        """A frame of ours whose payload is anything."""
        k = 2 * int(self.draw.integers(32, 600))
        symbols = self._normal(k // 2, 10.0 ** self.draw.integers(-3, 3))
        header = FrameHeader(int(DIGEST[:4], 16), k, LAYERS, 512)
        return self._heard(modulate(self.numerology, symbols, header))

    def _normal(self, count, size):
        parts = self.draw.normal(size=(2, count))
        return (size * (parts[0] + 1j * parts[1])).astype(np.complex64)

    def _heard(self, samples):
        turn = np.exp(2j * np.pi * self.draw.uniform(-1 / 64, 1 / 64) * np.arange(len(samples)))
        noisy = samples * turn + self._normal(len(samples), 10 ** self.draw.uniform(-2, 0.2))
        if self.draw.random() < 0.2:
            noisy[self.draw.integers(len(noisy))] = self.draw.choice([np.nan, np.inf, 1e30, 0])
        with np.errstate(invalid="ignore", over="ignore"):
            return (0.25 * noisy).astype(np.complex64)


def of_samples(inputs, draw):
    """Pieces fed to receivers of a thousand each."""
    pieces, modem = Pieces(draw), air.Modem(Maker())
    stream, found, refused, most, longest = modem.stream(), 0, Counter(), 0, 0.0
    for number in range(inputs):
        piece, start = pieces(), time.process_time()
        results = stream.feed(piece)
        if number % WHOLE == WHOLE - 1:
            results += stream.finish()
            found, refused = found + stream.found, refused + stream.refused
            stream = modem.stream()
        for result in results:
            if isinstance(result, air.Frame):
                assert result.soft.symbols.isfinite().all() and (result.soft.noise > 0).all()
        longest, most = max(longest, time.process_time() - start), max(most, stream.buffered)
        assert stream.buffered <= stream.most_buffered and longest < LONGEST_SECONDS
    return {"found": found, "refused": dict(refused), "most_buffered": most, "longest_seconds": round(longest, 2)}


def of_metadata(inputs, seed):
    """Metadata of SigMF, changed as scripts/fuzz.py changes files."""
    spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    about = {"core:datatype": "cf32_le", "core:sample_rate": 1e6, "core:num_channels": 1}
    text = json.dumps({"global": about, "captures": [{"core:frequency": 1e8}], "annotations": []}).encode()
    draw, refused = random.Random(seed), 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / "x.sigmf-meta"
        path.with_suffix(".sigmf-data").write_bytes(bytes(80))
        for _ in range(inputs):
            path.write_bytes(fuzz.mutated(text, draw))
            try:
                read_recording(path).samples()
            except SemwaveError as error:
                assert len(str(error).splitlines()) == 1
                refused += 1
    return {"metadata_refused": refused}


def of_packets(inputs, draw):
    """Packets of any length over UDP and ZMQ, and a server that speaks no ZMQ: good packets come through after them."""
    import zmq

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    counts, junk = {}, draw.bytes(2**23)
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        address = f"ipc://{folder}/air"
        push = context.socket(zmq.PUSH)
        push.setsockopt(zmq.LINGER, 0)
        push.bind(address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for kind, options in (("udp", {"udp": f"127.0.0.1:{port}"}), ("zmq", {"zmq": address})):
                with Source(**options) as source:
                    got, good, pieces = 0, np.full(64, 0.5, np.complex64), source.pieces(30.0)
                    waiting = False  # whether samples were sent that nobody has asked for
                    for _ in range(inputs):
                        size = int(draw.choice([0, 1, 7, 8, 9, int(draw.integers(65000))]))
                        if kind == "udp":
                            sender.sendto(junk[:size], ("127.0.0.1", port))
                        else:
                            if draw.random() < 1e-3:
                                size = LARGEST_PACKET + int(draw.integers(100))
                            parts = [junk[:size]] * int(draw.integers(1, 4))
                            push.send_multipart(parts)
                        waiting |= 8 <= size <= LARGEST_PACKET
                        if waiting and draw.random() < 0.2:
                            got, waiting = got + len(next(pieces)), False
                    end, last = time.monotonic() + 30, np.zeros(0)
                    while time.monotonic() < end and not (len(last) and last[-1] == 0.5):
                        if kind == "udp":
                            sender.sendto(good.tobytes(), ("127.0.0.1", port))
                        else:
                            push.send(good.tobytes())
                        last = next(pieces)
                    assert len(last) and last[-1] == 0.5, f"{kind}: nothing comes any more"
                    counts |= {f"{kind}_samples": got, f"{kind}_dropped": source.dropped}
        push.close()
    return counts | {"strangers": strangers(draw)}


def strangers(draw, count=20):
    """How many servers at a ZMQ address answered with random bytes, some of which the oldest ZMQ takes for a message;
    the source goes on, and closes."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(10)
        met = []

        def answer():
            for _ in range(count):
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    return
                with peer:
                    peer.sendall(bytes(draw.bytes(int(draw.integers(1, 5000)))))
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                met.append(1)

        thread = threading.Thread(target=answer)
        thread.start()
        with Source(zmq=f"tcp://127.0.0.1:{server.getsockname()[1]}") as source:
            thread.join(60)
            assert all(len(piece) < 5000 * count for piece in source.pieces(0.3))
        return len(met)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000, help="of samples, of metadata, and of each socket")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines: what was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw, start = np.random.default_rng(options.seed), time.perf_counter()
    row = {"what": "fuzz", "inputs": options.inputs} | of_packets(options.inputs, draw)
    row |= of_metadata(options.inputs, options.seed) | of_samples(options.inputs, draw)
    row |= {"seconds": round(time.perf_counter() - start), "cpu": machine()["cpu"]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row))


if __name__ == "__main__":
    main()
