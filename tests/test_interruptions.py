"""Whatever ends a run, what is there is whole, and the next run goes on."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semwave.errors import SemwaveError
from semwave.pictures.files import write_bytes
from semwave.pictures.images import read_image
from semwave.privacy.knowledge import load_knowledge
from semwave.work.rows import row_places
from semwave.zoo import DEFAULT, config_of

TESTS = Path(__file__).parent
PHOTOS, ROUNDS = 40, 5
"""So many that a run is still going on when a busy machine comes to end it."""
COMMAND = """
import sys
from linear_model import LinearModel
from semwave import model as models
model = LinearModel()
models.load_model = lambda name: model
from semwave.apps.cli import app
print("ready", flush=True)
app(sys.argv[1:])
"""
MEASURE = """
import sys
from pathlib import Path
from rich.console import Console
from schemes import MeanDifference, Own
from semwave.evaluation.run import Job, Measuring
from semwave.evaluation.store import write_csv
from semwave.pictures.photos import find_photos
photos, out = map(Path, sys.argv[1:])
measuring = Measuring(out / "measured", 0, MeanDifference(), align_faces=False, size=64)
print("ready", flush=True)
rows, _ = measuring([Job(Own())], find_photos([photos]), Console(quiet=True))
write_csv(out / "rows.csv", rows)
"""
BUILD = """
import sys
from pathlib import Path
from semwave.apps.cli import app
print("ready", flush=True)
app(["knowledge", "build", *sys.argv[1:]])
"""


@pytest.fixture
def photos(tmp_path, squares):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(PHOTOS):
        Image.fromarray(squares(i)).save(folder / f"{i:02d}.png", compress_level=1)
    return folder


def start(script, *arguments, limit=None):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"}

    def limited():
        # What runs in the background of a script has SIGINT ignored, and so have its children.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], env=environment, preexec_fn=limited, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process, how, seconds, after=None):
    """End ``process`` by the signal ``how``, ``seconds`` after it was ready and the folder ``after`` is there; its exit
    code and stderr."""
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    while after is not None and not after.exists() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def sending(photos, out):
    return "send", *[photos] * ROUNDS, "--no-align", "--size", 256, "--out", out


def check_whole(out):
    """Every picture and the report can be read; the rows are those of pictures that are there, each once."""
    for path in out.glob("*.png"):
        read_image(path)
    if (out / "report.json").exists():
        json.loads((out / "report.json").read_text())
    keys = [key for key, _ in row_places(out / "report.jsonl")] if (out / "report.jsonl").exists() else []
    assert len(set(keys)) == len(keys)
    assert all((out / f"{key.rpartition('-')[0]}.comparison.png").exists() for key in keys)
    return keys


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_send_that_is_ended_leaves_whole_files_and_the_next_one_finishes(how, photos, tmp_path):
    out, moments = tmp_path / "out", random.Random(int(how))
    code, errors = ended(start(COMMAND, *sending(photos, out)), how, moments.uniform(0, 0.1), out)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[how], errors
    if how != signal.SIGKILL:
        assert "Traceback" not in errors and "files that are there are whole" in errors
        assert not list(tmp_path.rglob("*.part"))
    assert len(check_whole(out)) < PHOTOS * ROUNDS
    there = {path: path.stat().st_mtime_ns for key in check_whole(out) for path in out.glob(f"{key[:-13]}.*.png")}
    again = start(COMMAND, *sending(photos, out), "--resume")
    again.communicate(timeout=300)
    assert again.returncode == 0
    assert len(check_whole(out)) == len(json.loads((out / "report.json").read_text())) == PHOTOS * ROUNDS
    assert all(path.stat().st_mtime_ns == moment for path, moment in there.items())


def test_an_evaluation_that_was_killed_gives_the_rows_of_a_whole_one(photos, tmp_path):
    whole = start(MEASURE, photos, tmp_path / "whole")
    assert whole.communicate(timeout=300) and whole.returncode == 0
    out, moments = tmp_path / "out", random.Random(0)
    ended(start(MEASURE, photos, out), signal.SIGKILL, moments.uniform(0, 0.1), out / "measured" / "rows.jsonl")
    kept = [key for key, _ in row_places(out / "measured" / "rows.jsonl")]
    last = start(MEASURE, photos, out)
    assert last.communicate(timeout=300) and last.returncode == 0
    assert (out / "rows.csv").read_bytes() == (tmp_path / "whole" / "rows.csv").read_bytes()
    keys = [key for key, _ in row_places(out / "measured" / "rows.jsonl")]
    assert keys[: len(kept)] == kept and len(set(keys)) == len(keys) == PHOTOS


def test_a_knowledge_base_that_is_being_built_is_the_earlier_one_or_the_new_one(tmp_path):
    base, codes = tmp_path / "base.safetensors", tmp_path / "codes.npy"
    shipped = load_knowledge(config_of(DEFAULT))
    shipped.save(base)
    before = base.read_bytes()
    np.save(codes, shipped.prototypes.numpy()[:12])
    ended(start(BUILD, codes, "--out", base), signal.SIGKILL, random.Random(1).uniform(1, 4))
    load_knowledge(config_of(DEFAULT), base)
    assert base.read_bytes() == before or len(load_knowledge(config_of(DEFAULT), base).prototypes) == 12


def test_a_disk_that_is_full_is_one_line_and_leaves_whole_files(photos, tmp_path):
    out = tmp_path / "out"
    process = start(COMMAND, *sending(photos, out), limit=2_000)
    _, errors = process.communicate(timeout=60)
    line = errors.splitlines()[-1]
    assert process.returncode == 2 and line.startswith("semwave: ") and "cannot be written" in line, errors
    assert "Traceback" not in errors and not list(tmp_path.rglob("*.part"))
    check_whole(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder of another user, and to be that user for a moment")
def test_a_folder_that_is_read_only_is_one_error(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_bytes(b"before")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        for path in (kept, tmp_path / "new.txt", tmp_path / "new" / "new.txt"):
            with pytest.raises(SemwaveError, match="cannot be written"):
                write_bytes(path, b"after")
    finally:
        os.seteuid(0)
    assert kept.read_bytes() == b"before" and [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
