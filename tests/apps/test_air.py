"""``semwave air``: what it writes, and that bad input ends with exit code 2, one line, and no file."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from semwave.air import Frame, Modem
from semwave.air.recordings import raw_pieces, read_recording
from semwave.apps import air
from semwave.apps.cli import app
from semwave.pictures.images import read_image

pytestmark = pytest.mark.usefixtures("linear_model")


def semwave(*arguments, data=None):
    return CliRunner().invoke(app, ["air", *map(str, arguments)], prog_name="semwave", input=data)


def transmitted(photo, path, *options):
    result = semwave("transmit", photo, "--no-align", "--size", 256, "--out", path, *options)
    assert result.exit_code == 0, result.output
    return path


def rows(folder):
    return [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]


def test_a_photo_crosses_files_and_a_channel(photo, tmp_path):
    sent, heard = tmp_path / "sent.sigmf-meta", tmp_path / "heard.sigmf-meta"
    transmitted(photo, sent, "--k", 256, "--k", 2560, "--sample-rate", 2e6, "--frequency", 433e6, "--number", 7)
    recording = read_recording(sent)
    assert (recording.sample_rate, recording.frequency) == (2e6, 433e6)
    assert len(recording.samples()) == 720 + 2640 + 2 * 256
    options = ("--snr", 25, "--cfo", 0.01, "--clock-ppm", 20, "--delay", 300, "--seed", 3)
    assert semwave("channel", sent, heard, *options).exit_code == 0
    result = semwave("receive", heard, "--out", tmp_path / "out")
    assert result.exit_code == 0 and "2 pictures" in result.stdout
    first, second = rows(tmp_path / "out")
    assert (first["number"], first["k"], second["number"], second["k"]) == (7, 256, 8, 2560)
    assert first["offset_hz"] == pytest.approx(20_000, abs=300) and second["snr_db"] == pytest.approx(25, abs=1)
    picture = read_image(tmp_path / "out" / second["picture"]).astype(float)
    assert picture.shape == (256, 256, 3) and np.mean((picture - read_image(photo)) ** 2) < 100


def test_raw_samples_through_pipes(photo, tmp_path):
    sent = semwave("transmit", photo, "--no-align", "--size", 256, "--k", 256, "--out", "-").stdout_bytes
    assert len(sent) == 8 * (720 + 256)
    heard = semwave("channel", "-", "-", "--snr", 20, data=sent).stdout_bytes
    assert semwave("receive", "-", "--out", tmp_path / "out", data=heard).exit_code == 0
    assert [row["k"] for row in rows(tmp_path / "out")] == [256]


def test_a_live_pipe_shows_a_frame_as_soon_as_it_is_whole(photo, linear_model):
    options = ("--no-align", "--size", 256, "--k", 256, "--gap", 0, "--out", "-")
    sent = semwave("transmit", photo, *options).stdout_bytes
    read, write = os.pipe()
    closing = threading.Timer(20, os.close, [write])
    closing.start()
    os.write(write, bytes(8 * 400) + sent)
    with open(read, "rb") as pipe:
        results = air.results_of(Modem(linear_model).stream(), raw_pieces(pipe))
        shown = next(found for each in results for found in each)
    assert isinstance(shown, Frame) and closing.is_alive()
    closing.cancel()
    os.close(write)


OURS = {
    "the input": (("channel", "{data}", "{data}"), "which is read"),
    "the samples of the input": (("channel", "{data}", "{linked}"), "which is read"),
    "a photograph": (("transmit", "{disguised}", "--no-align", "--size", 256, "--out", "{disguised}"), "which is read"),
    "a file that is no report": (("receive", "{data}", "--out", "{folder}"), "no report of semwave"),
}


@pytest.mark.parametrize("kind", OURS)
def test_what_is_the_users_is_never_written_over(kind, photo, tmp_path):
    arguments, message = OURS[kind]
    places = {"{data}": transmitted(photo, tmp_path / "data.sigmf-meta", "--k", 256)}
    places["{linked}"], places["{disguised}"] = tmp_path / "linked.sigmf-meta", tmp_path / "photo.sigmf-meta"
    places["{linked}"].with_suffix(".sigmf-data").symlink_to(places["{data}"].with_suffix(".sigmf-data"))
    places["{disguised}"].write_bytes(photo.read_bytes())
    places["{folder}"] = tmp_path / "folder"
    places["{folder}"].mkdir()
    (places["{folder}"] / "report.jsonl").write_text("dear to me\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = semwave(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_symbols_of_a_file_are_sent(photo, tmp_path):
    symbols = tmp_path / "x.safetensors"
    arguments = ["transmit", str(photo), "--no-align", "--size", "256", "--k", "256", "--out", str(symbols)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    sent = tmp_path / "sent.sigmf-meta"
    assert semwave("transmit", symbols, "--out", sent).exit_code == 0
    assert semwave("receive", sent, "--out", tmp_path / "out").exit_code == 0
    assert rows(tmp_path / "out")[0]["size"] == 256


def test_inspect_draws_and_tells(photo, tmp_path):
    sent = transmitted(photo, tmp_path / "sent.sigmf-meta", "--k", 256, "--carriers", 128)
    result = semwave("inspect", sent, "--carriers", 128)
    assert result.exit_code == 0 and "256" in result.stdout
    assert read_image(tmp_path / "sent.png").shape == (400, 1300, 3)


def test_what_is_not_ours_is_counted_and_not_drawn(photo, tmp_path, linear_model, monkeypatch):
    sent = transmitted(photo, tmp_path / "sent.sigmf-meta", "--k", 256)
    monkeypatch.setattr(type(linear_model), "digest", "abcdef012345")
    result = semwave("receive", sent, "--out", tmp_path / "out")
    assert result.exit_code == 2 and "0 pictures" in result.stdout and "1 another model" in result.stdout
    assert rows(tmp_path / "out") == [{"start": 0, "refused": "another model"}]
    assert not list((tmp_path / "out").glob("*.png"))


BAD = {
    "no place": (("transmit", "{photo}"), "give one of --out, --zmq and --udp"),
    "another suffix": (("transmit", "{photo}", "--out", "x.wav"), "sigmf-meta"),
    "other carriers": (("transmit", "{photo}", "--out", "{out}", "--carriers", 63), "64, 128, 256"),
    "no source": (("receive",), "give one recording"),
    "no recording": (("receive", "nowhere.sigmf-meta"), "nowhere.sigmf-meta"),
    "unknown echoes": (("channel", "{data}", "{out}", "--taps", "rice"), "unknown echoes"),
    "no number": (("channel", "{data}", "{out}", "--snr", "nan"), "SNR"),
    "lambda alone": (("transmit", "{photo}", "--out", "{out}", "--lambda1", 2), "nothing is private"),
    "a part that is none": (
        ("transmit", "{photo}", "--no-align", "--out", "{out}", "--hide", "eyes"),
        "cannot hide parts",
    ),
    "hidden symbols": (("transmit", "x.safetensors", "--out", "{out}", "--hide", "eyes"), "hidden"),
    "a bad address": (("receive", "--udp", "nowhere"), "HOST:PORT"),
    "a bad ZMQ address": (("receive", "--zmq", "udp://x"), "tcp://"),
    "a bad figure": (("inspect", "{data}", "--out", "x.jpg"), ".png"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line(kind, photo, tmp_path):
    arguments, message = BAD[kind]
    data = transmitted(photo, tmp_path / "data.sigmf-meta", "--k", 256)
    places = {"{photo}": photo, "{out}": tmp_path / "new.sigmf-meta", "{data}": data}
    before = sorted(tmp_path.rglob("*"))
    result = semwave(*(places.get(argument, argument) for argument in arguments))
    lines = result.stderr.splitlines()
    assert result.exit_code == 2 and len(lines) == 1 and message in lines[0], result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_without_its_packages_one_line_says_what_to_install(photo, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigmf", None)
    result = semwave("transmit", photo, "--out", tmp_path / "x.sigmf-meta")
    assert result.exit_code == 2 and "pip install 'semwave[air]'" in result.stderr


def test_help_appears_without_heavy_imports():
    script = (
        "import sys; from semwave.apps.cli import app; app(['air', 'receive', '--help'], standalone_mode=False);"
        "assert not {'torch', 'numpy', 'sionna', 'sigmf', 'zmq'} & set(sys.modules), 'heavy import'"
    )
    assert "--idle" in subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
