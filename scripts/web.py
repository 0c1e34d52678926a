"""What docs/web.md states of the service: times, rate of live pictures, memory, and a load that may lose nothing.

python scripts/web.py --seconds 60 --users 8      a minute of load; 600 for the ten that a release needs
"""

import argparse
import base64
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import psutil
from PIL import Image
from skimage.data import astronaut
from websockets.sync.client import connect

from semwave.evaluation.machine import machine

SERVE = [sys.executable, "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]
PATIENCE = 300


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


class Clock:
    """Seconds of the clock and of the service's CPU, of which the second hardly depends on what else runs."""

    def __init__(self, process: psutil.Process):
        self.process = process

    def __call__(self, call, arguments) -> tuple[str, list]:
        clock, cpu, results = [], [], []
        for argument in arguments:
            start, before = time.perf_counter(), self._cpu()
            results.append(call(argument))
            clock.append(time.perf_counter() - start)
            cpu.append(self._cpu() - before)
        return f"{median(clock):.2f} s, {median(cpu):.2f} s of CPU", results

    def _cpu(self) -> float:
        used = self.process.cpu_times()
        return used.user + used.system


def whole(client: httpx.Client, photo: bytes, asked: dict) -> str:
    """From a file to the received picture, as the page does it; returns the photograph's name."""
    kept = client.post("/photos", content=photo).raise_for_status().json()
    seen = client.post(f"/photos/{kept['id']}/view", json=asked).raise_for_status().json()
    assert Image.open(io.BytesIO(base64.b64decode(seen["received"]))).size == (512, 512)
    return kept["id"]


def live(address: str, frame: bytes, seconds: float) -> tuple[float, float, int]:
    """Frames a second, two under way as the page has them, the median seconds of one, and how many there were."""
    with connect(address.replace("http", "ws") + "live", max_size=None) as socket:
        socket.send(json.dumps({"k": 2560, "snr_db": 10}))
        numbers = iter(range(1, 10**6))
        for _ in range(2):
            socket.send(next(numbers).to_bytes(4, "big") + frame)
        times, took = [], []
        while not times or time.perf_counter() - times[0] < seconds:
            data = socket.recv(PATIENCE)
            assert isinstance(data, bytes)
            figures = json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])
            times.append(time.perf_counter())
            took.append(figures["seconds"])
            socket.send(next(numbers).to_bytes(4, "big") + frame)
    return (len(times) - 1) / (times[-1] - times[0]), median(took), len(times)


class Load:
    """``users`` who each upload, drag the SNR, look at the rest, and begin again."""

    def __init__(self, address: str, users: int, photo: bytes, process: psutil.Process):
        self.address, self.users, self.photo, self.process = address, users, photo, process
        self.answers: dict[int, int] = {}
        self.lock, self.memory = threading.Lock(), []

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(self.users) as pool:
            users = [pool.submit(self._user, number, end) for number in range(self.users)]
            while any(not user.done() for user in users):
                self.memory.append(self.process.memory_info().rss / 2**20)
                time.sleep(1)
            for user in users:
                user.result()

    def _user(self, number: int, end: float) -> None:
        chance = random.Random(number)
        with httpx.Client(base_url=self.address, timeout=PATIENCE) as client:
            while time.monotonic() < end:
                kept = self._count(client.post("/photos", content=self.photo))
                if kept.status_code != 200:
                    continue
                name = kept.json()["id"]
                for draft in (True, True, True, False):
                    asked = {"snr_db": chance.uniform(-5, 20), "draft": draft, "k": chance.choice((256, 2560))}
                    self._count(client.post(f"/photos/{name}/view", json=asked))
                self._count(client.delete(f"/photos/{name}"))

    def _count(self, answer: httpx.Response) -> httpx.Response:
        with self.lock:
            self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        return answer


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60, help="of load")
    options.add_argument("--users", type=int, default=8, help="at once")
    options.add_argument("--live-seconds", type=float, default=10)
    given = options.parse_args()
    photo, frame = encoded(astronaut(), "JPEG"), encoded(astronaut()[:360, :480], "JPEG")
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        address = run.stdout.readline().split()[1]
        client, process = httpx.Client(base_url=address, timeout=PATIENCE), psutil.Process(run.pid)
        try:
            [process] = process.children()  # its parent only starts it again
            print(", ".join(f"{name}: {value}" for name, value in machine().items()), "| load", os.getloadavg()[0])
            client.get("/").raise_for_status()
            print(f"first view after start          {time.perf_counter() - start:.2f} s")
            client.get("/examples/0").raise_for_status()
            print(f"model loaded, examples drawn    {time.perf_counter() - start:.2f} s")
            whole(client, photo, {"k": 2560})
            clock = Clock(process)
            took, names = clock(lambda _: whole(client, photo, {"k": 2560}), range(5))
            print(f"upload to received picture      {took}")
            for field, values in (("snr_db", range(-5, 20, 4)), ("k", (256, 2560) * 3)):
                for draft in (True, False):
                    asked = [{"k": 2560, field: value, "draft": draft} for value in values]
                    took, _ = clock(lambda each: client.post(f"/photos/{names[-1]}/view", json=each), asked)
                    print(f"{field} to new picture, {'draft' if draft else 'final'}    {took}")
            for name in names:
                client.delete(f"/photos/{name}")
            before = process.cpu_times()
            rate, seconds, count = live(address, frame, given.live_seconds)
            after = process.cpu_times()
            cpu = (after.user + after.system - before.user - before.system) / count
            print(f"live                            {rate:.1f} frames/s, {seconds:.3f} s and {cpu:.3f} s of CPU each")
            print(f"memory, one user                {process.memory_info().rss / 2**20:.0f} MiB")
            load = Load(address, given.users, photo, process)
            load.run(given.seconds)
            half = len(load.memory) // 2
            print(f"{given.users} users, {given.seconds:.0f} s: answers by status {load.answers}")
            most = [f"{max(part):.0f}" for part in (load.memory[:half], load.memory[half:])]
            print(f"memory, most in either half     {', '.join(most)} MiB")
            files = [path for path in Path("/tmp").glob("semwave-*")]
            print(f"files left {len(files)}, health {client.get('/health').json()}")
        finally:
            run.terminate()


if __name__ == "__main__":
    main()
