"""``semwave serve``: what it refuses, and that it lives on after a crash."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from semwave.apps.cli import app
from semwave.apps.web.keeper import MOST_CRASHES, keep

SERVE = [sys.executable, "-c", "from semwave.apps.cli import app; app()", "serve", "--port", "0"]


@pytest.fixture
def served():
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout
        yield run, run.stdout.readline().split()[1]
        run.kill()


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
def test_after_a_crash_it_answers_again_and_it_ends_when_told(served):
    run, address = served
    assert httpx.get(f"{address}examples/0", timeout=120).status_code == 200
    [first] = psutil.Process(run.pid).children()
    first.send_signal(signal.SIGSEGV)
    first.wait(20)
    assert httpx.get(f"{address}examples/0", timeout=120).status_code == 200
    [second] = psutil.Process(run.pid).children()
    assert second.pid != first.pid
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == 0 and not second.is_running()
    assert "signal 11; it is started again" in run.stderr.read()


@pytest.mark.slow
def test_nothing_is_left_of_it_when_it_is_killed(served):
    run, address = served
    assert httpx.get(f"{address}health", timeout=120).status_code == 200
    [service] = psutil.Process(run.pid).children()
    run.kill()
    service.wait(30)


@pytest.mark.parametrize("code", [0, 3])
def test_what_ends_by_itself_is_not_started_again(code):
    assert keep(lambda: sys.exit(code)) == code


def test_what_crashes_again_and_again_is_given_up(tmp_path):
    file = tmp_path / "starts"

    def crash():
        with file.open("a") as starts:
            starts.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    assert keep(crash) != 0 and len(file.read_text()) == MOST_CRASHES
