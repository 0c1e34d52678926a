"""``semwave serve``: what it refuses, and that it lives on after a crash."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from skimage.data import astronaut
from typer.testing import CliRunner
from web_answers import encoded

from semwave.apps.cli import app

SERVE = [sys.executable, "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]


@pytest.fixture
def served():
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        yield run, run.stdout.readline().split()[1]
        run.kill()


def working(run):
    """The processes with a model: they have the memory."""
    below = psutil.Process(run.pid).children(recursive=True)
    return [process for process in below if process.memory_info().rss > 500 * 2**20]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--model", "nobody"], "faces-512"),
        (["--model", "missing.pt"], "no such file"),
        (["--allow-remote", "--token", "short"], "16 characters"),
        (["--host", "192.0.2.1", "--allow-remote"], "cannot be had"),
        (["--lpips-weights", "nowhere"], "LPIPS"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(options, word, monkeypatch):
    monkeypatch.delenv("SEMWAVE_LPIPS_WEIGHTS", raising=False)
    result = CliRunner().invoke(app, ["serve", "--port", "0", *options])
    assert result.exit_code == 2 and word in result.output and result.output.count("\n") == 1


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2 and "--port" in result.output


@pytest.mark.slow
def test_a_process_that_dies_costs_nobody_an_answer_and_it_ends_when_told(served):
    run, address = served
    photo = encoded(astronaut())
    assert httpx.get(f"{address}examples/0", timeout=300).status_code == 200
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(httpx.post, f"{address}send?k=256", content=photo, timeout=300) for _ in range(4)]
        while httpx.get(f"{address}health", timeout=120).json()["waiting"] < 4:
            time.sleep(0.05)
        [first] = working(run)
        first.kill()
        pictures = {each.result().raise_for_status().json()["received"] for each in asked}
    assert len(pictures) == 1
    [second] = working(run)
    assert second.pid != first.pid
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == 0 and not second.is_running() and run.stderr.read() == ""


@pytest.mark.slow
def test_nothing_is_left_of_it_when_it_is_killed(served):
    run, address = served
    assert httpx.get(f"{address}examples/0", timeout=300).status_code == 200
    below = psutil.Process(run.pid).children(recursive=True)
    assert len(below) >= 2
    run.kill()
    psutil.wait_procs(below, 30)
    assert not any(process.is_running() for process in below)
