"""What docs/web.md states of the service: times, rate of live pictures, memory, many at once, and a load that may lose
nothing. Writes the figures into docs/web.md with --write.

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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import psutil
from pages import write
from PIL import Image
from skimage.data import astronaut
from websockets.sync.client import connect

from semwave.evaluation.machine import machine

SERVE = [sys.executable, "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]
PATIENCE = 300
MANY = 200


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def client_of(address: str, number: int = 1) -> httpx.Client:
    """One of many clients, each with an address of its own on the loopback network."""
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{number}")
    return httpx.Client(base_url=address, timeout=PATIENCE, transport=transport)


class Processes:
    """The service's processes together: memory, shared pages counted once, and CPU time."""

    def __init__(self, pid: int):
        self.first = psutil.Process(pid)

    def all(self) -> list[psutil.Process]:
        return [self.first, *self.first.children(recursive=True)]

    def memory(self) -> float:
        """MiB."""
        return sum(process.memory_full_info().pss for process in self.all()) / 2**20

    def cpu(self) -> float:
        """Seconds."""
        times = [process.cpu_times() for process in self.all()]
        return sum(used.user + used.system for used in times)

    def model(self) -> psutil.Process:
        return max(self.all(), key=lambda process: process.memory_info().rss)


def measured(processes: Processes, call, arguments) -> tuple[str, list]:
    """Median seconds of ``call``, of the clock and of the service's CPU, and what it gave."""
    clock, cpu, results = [], [], []
    for argument in arguments:
        start, before = time.perf_counter(), processes.cpu()
        results.append(call(argument))
        clock.append(time.perf_counter() - start)
        cpu.append(processes.cpu() - before)
    return f"{median(clock):.2f} s ({median(cpu):.2f} s of CPU)", results


def whole(client: httpx.Client, photo: bytes, asked: dict) -> str:
    """From a file to the received picture, as the page does it; returns the photograph's name."""
    kept = client.post("/photos", content=photo).raise_for_status().json()
    seen = client.post(f"/photos/{kept['id']}/view", json=asked).raise_for_status().json()
    assert Image.open(io.BytesIO(base64.b64decode(seen["received"]))).size == (512, 512)
    return kept["id"]


def live(address: str, processes: Processes, frame: bytes, seconds: float) -> str:
    """The rate with three frames under way, as the page has them, and how long one takes."""
    with connect(address.replace("http", "ws") + "live", max_size=None) as socket:
        socket.send(json.dumps({"k": 2560, "snr_db": 10}))
        times, took, before, sent, answered = [], [], 0.0, 0, 0
        while not times or time.perf_counter() - times[0] < seconds:
            while sent - answered < 3:
                sent += 1
                socket.send(sent.to_bytes(4, "big") + frame)
            data = socket.recv(PATIENCE)
            assert isinstance(data, bytes)
            before = before if times else processes.cpu()
            times.append(time.perf_counter())
            answer = json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])
            took.append(answer["seconds"])
            answered = answer["number"]
    count = len(times) - 1
    rate, each = count / (times[-1] - times[0]), (processes.cpu() - before) / count
    return f"{rate:.1f} frames/s, {median(took):.2f} s from frame to picture, {each:.2f} s of CPU a frame"


class Load:
    """``users`` who each upload, drag SNR and k, look at the final picture, forget it, and begin again."""

    def __init__(self, address: str, users: int, photo: bytes, processes: Processes):
        self.address, self.users, self.photo, self.processes = address, users, photo, processes
        self.answers: Counter[int] = Counter()
        self.lock, self.memory = threading.Lock(), []

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(self.users) as pool:
            users = [pool.submit(self._user, number, end) for number in range(self.users)]
            while any(not user.done() for user in users):
                self.memory.append(self.processes.memory())
                time.sleep(1)
            for user in users:
                user.result()

    def _user(self, number: int, end: float) -> None:
        chance = random.Random(number)
        with client_of(self.address, 2 + number) as client:
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
            self.answers[answer.status_code] += 1
        return answer


def at_once(address: str, photo: bytes, clients: int) -> Counter[int]:
    """Answers by status of :data:`MANY` uploads at once by so many ``clients``."""

    def ask(number: int) -> int:
        with client_of(address, 2 + number % clients) as client:
            return client.post("/send", content=photo).status_code

    with ThreadPoolExecutor(MANY) as pool:
        return Counter(pool.map(ask, range(MANY)))


def said(answers: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))


def figures(given: argparse.Namespace) -> dict[str, str]:
    """Rows of the table. They are printed as they come."""
    photo, frame = encoded(astronaut(), "JPEG"), encoded(astronaut()[:360, :480], "JPEG")
    rows: dict[str, str] = {}

    def row(name: str, value: str) -> None:
        rows[name] = value
        print(f"{name:60} {value}", flush=True)

    start = time.perf_counter()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        address = run.stdout.readline().split()[1]
        client, processes = client_of(address), Processes(run.pid)
        try:
            client.get("/").raise_for_status()
            first = time.perf_counter() - start
            client.get("/examples/0").raise_for_status()
            ready = time.perf_counter() - start
            row("first view after start; model loaded, examples drawn", f"{first:.1f} s; {ready:.1f} s")
            whole(client, photo, {"k": 2560})
            took, names = measured(processes, lambda _: whole(client, photo, {"k": 2560}), range(5))
            row("upload to received picture, 512 px, k = 2560, with LPIPS", took)
            for field, values in (("snr_db", range(-5, 20, 4)), ("k", (256, 2560) * 3)):
                for draft in (True, False):
                    asked = [{"k": 2560, field: value, "draft": draft} for value in values]
                    took, _ = measured(
                        processes, lambda each: client.post(f"/photos/{names[-1]}/view", json=each), asked
                    )
                    kind = "draft, 256 px" if draft else "final, with LPIPS"
                    row(f"{'SNR' if field == 'snr_db' else 'k'} dragged to new picture: {kind}", took)
            for name in names:
                client.delete(f"/photos/{name}")
            row("live, 256 px, k = 2560", live(address, processes, frame, given.live_seconds))
            row("memory of all processes, one user", f"{processes.memory():.0f} MiB")
            load = Load(address, given.users, photo, processes)
            load.run(given.seconds)
            row(f"{given.users} users for {given.seconds:.0f} s: answers by status", said(load.answers))
            half = len(load.memory) // 2
            most = [f"{max(part):.0f}" for part in (load.memory[:half], load.memory[half:]) if part]
            row("memory, most in the first and the second half of that", f"{', '.join(most)} MiB")
            parts = [said(at_once(address, photo, clients)) for clients in (MANY, 1)]
            row(f"{MANY} uploads at once by {MANY} clients; by one", "; ".join(parts))
            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(client.post, "/send", content=photo) for _ in range(4)]
                while client.get("/health").json()["waiting"] < 4:
                    time.sleep(0.01)
                processes.model().kill()
                answers = Counter(each.result().status_code for each in asked)
            row("4 uploads, the model's process killed meanwhile", said(answers))
            left = len(list(Path("/tmp").glob("semwave-*"))), client.get("/health").json()["waiting"]
            row("files, requests left over", f"{left[0]}, {left[1]}")
        finally:
            run.terminate()
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60, help="of load")
    options.add_argument("--users", type=int, default=8, help="at once")
    options.add_argument("--live-seconds", type=float, default=10)
    options.add_argument("--write", action="store_true", help="into docs/web.md")
    given = options.parse_args()
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    rows = figures(given)
    if given.write:
        table = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
        command = f"`python scripts/web.py --seconds {given.seconds:.0f} --users {given.users}`"
        write("web.md", "web.py", f"{about}; {command}:\n\n| what | measured |\n| --- | --- |\n{table}")


if __name__ == "__main__":
    main()
