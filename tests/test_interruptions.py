"""Whatever ends a run, what is there is whole, and the next run goes on."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from schemes import MeanDifference, Own
from torch import nn

from semwave.errors import SemwaveError
from semwave.evaluation.run import Job, Measuring
from semwave.pictures.arrays import read_torch
from semwave.pictures.files import write_bytes
from semwave.pictures.images import read_image
from semwave.pictures.photos import find_photos
from semwave.privacy.knowledge import load_knowledge
from semwave.training.loop import Schedule, fit
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
import typer
from rich.console import Console
from semwave.apps.cli import OneLineErrors
from schemes import MeanDifference, Own
from semwave.evaluation.run import Job, Measuring
from semwave.evaluation.store import write_csv
from semwave.pictures.photos import find_photos
app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)
app.callback()(lambda: None)

@app.command()
def measure(photos: Path, out: Path):
    measuring = Measuring(out / "measured", 0, MeanDifference(), align_faces=False, size=64)
    print("ready", flush=True)
    rows, _ = measuring([Job(Own())], find_photos([photos]), Console(quiet=True))
    write_csv(out / "rows.csv", rows)

app(["measure", *sys.argv[1:]])
"""
TRAIN = """
import sys
from pathlib import Path
import torch
import typer
from semwave.apps.cli import OneLineErrors
from semwave.generators.weights import write_weights
from semwave.training.loop import Schedule, fit
app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)
app.callback()(lambda: None)

@app.command()
def train(photos: Path, out: Path):
    torch.manual_seed(0)
    def loss(model, step, random, device):
        return {"loss": (model(torch.randn(8, 200, generator=random)) - 1).square().mean()}
    print("ready", flush=True)
    schedule = Schedule(300, 8, 0.01, checkpoint_every=3)
    network = fit(torch.nn.Linear(200, 200), loss, schedule, out / "measured")
    write_weights(out / "weights.safetensors", network)

app(["train", *sys.argv[1:]])
"""
BUILD = """
import sys
from pathlib import Path
from semwave.apps.cli import app
print("ready", flush=True)
app(["knowledge", "build", *sys.argv[1:]])
"""
TRAIN_COMMAND = """
import sys
from semwave.apps.cli import app
print("ready", flush=True)
app(["train", *sys.argv[1:]])
"""
SMALLEST = {"--size": 16, "--coarse-size": 8, "--local-channels": 4, "--coarse-channels": 4, "--max-channels": 4}


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
    _, errors = process.communicate(timeout=600)
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
    assert code == CODES[how], errors
    if how != signal.SIGKILL:
        assert "Traceback" not in errors and "files that are there are whole" in errors
        assert not list(tmp_path.rglob("*.part"))
    assert len(check_whole(out)) < PHOTOS * ROUNDS
    there = {path: path.stat().st_mtime_ns for key in check_whole(out) for path in out.glob(f"{key[:-13]}.*.png")}
    again = start(COMMAND, *sending(photos, out), "--resume")
    again.communicate(timeout=600)
    assert again.returncode == 0
    assert len(check_whole(out)) == len(json.loads((out / "report.json").read_text())) == PHOTOS * ROUNDS
    assert all(path.stat().st_mtime_ns == moment for path, moment in there.items())


def rows_kept(out):
    """The keys of the rows that an evaluation has kept in ``out``, in their order; none of a training."""
    rows = out / "measured" / "rows.jsonl"
    return [key for key, _ in row_places(rows)] if rows.is_file() else []


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.mark.parametrize(("script", "result"), [(MEASURE, "rows.csv"), (TRAIN, "weights.safetensors")])
def test_a_run_that_was_ended_three_times_gives_what_a_whole_one_gives(script, result, photos, tmp_path):
    whole = start(script, photos, tmp_path / "whole")
    assert whole.communicate(timeout=600) and whole.returncode == 0
    out, moments = tmp_path / "out", random.Random(0)
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        code, errors = ended(start(script, photos, out), how, moments.uniform(0, 0.1), out / "measured")
        # A machine that is busy may end a run before the signal comes; what is left of it then catches no signals.
        assert code == CODES[how] or (code in (0, -how) and (out / result).exists()), errors
        assert "Traceback" not in errors
        kept = rows_kept(out)
        for file in (out / "measured").rglob("checkpoint.pt"):
            read_torch(file, "")
        if how != signal.SIGKILL:
            assert not list(tmp_path.rglob("*.part"))
    last = start(script, photos, out)
    assert last.communicate(timeout=600) and last.returncode == 0
    assert (out / result).read_bytes() == (tmp_path / "whole" / result).read_bytes()
    keys = rows_kept(out)
    assert keys[: len(kept)] == kept and len(set(keys)) == len(keys)


def training(data, out):
    options = SMALLEST | {"--steps": 40, "--batch": 2, "--checkpoint-every": 2, "--data": data, "--runs": out / "runs"}
    pairs = (options | {"--weights": out}).items()
    return start(TRAIN_COMMAND, "semantic-stylegan", *(each for pair in pairs for each in pair))


def test_a_train_command_that_is_ended_at_any_moment_goes_on_to_the_same_weights(tmp_path):
    data, source, moments = tmp_path / "data", np.random.default_rng(0), random.Random(0)
    for folder, shape, most in (("images", (16, 16, 3), 256), ("masks", (16, 16), 19)):
        (data / folder).mkdir(parents=True)
        for name in "abc":
            Image.fromarray(source.integers(0, most, shape, dtype=np.uint8)).save(data / folder / f"{name}.png")
    whole, out = tmp_path / "whole", tmp_path / "out"
    last = training(data, whole)
    assert last.communicate(timeout=600) and last.returncode == 0
    checkpoint = out / "runs" / f"semantic-stylegan-{SMALLEST['--size']}" / "checkpoint.pt"
    # Once anywhere from its first line on, and then in the midst of its steps.
    for how, after in ((signal.SIGTERM, None), (signal.SIGKILL, checkpoint), (signal.SIGTERM, checkpoint)):
        code, errors = ended(training(data, out), how, moments.uniform(0, 1), after)
        # A signal may come before it is caught, or after all is done.
        assert code in (0, -how) or (code == CODES[how] and "files that are there are whole" in errors), errors
        assert "Traceback" not in errors
        if checkpoint.exists():
            read_torch(checkpoint, "")
        assert how == signal.SIGKILL or not list(out.rglob("*.part"))
    last = training(data, out)
    assert last.communicate(timeout=600) and last.returncode == 0
    assert (out / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()


@pytest.mark.parametrize("how", CODES)
def test_a_knowledge_base_that_is_being_built_is_the_earlier_one_or_the_new_one(how, tmp_path):
    base, codes = tmp_path / "base.safetensors", tmp_path / "codes.npy"
    shipped = load_knowledge(config_of(DEFAULT))
    shipped.save(base)
    before = base.read_bytes()
    np.save(codes, shipped.prototypes.numpy()[:12])
    code, errors = ended(start(BUILD, codes, "--out", base), how, random.Random(int(how)).uniform(1, 4))
    assert code in (0, CODES[how], -how) and "Traceback" not in errors
    assert how == signal.SIGKILL or not list(tmp_path.rglob("*.part"))
    load_knowledge(config_of(DEFAULT), base)
    assert base.read_bytes() == before or len(load_knowledge(config_of(DEFAULT), base).prototypes) == 12


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 100 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("needs to be allowed to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def trained(out):
    def loss(model, step, *_):
        return {"loss": model.weight.square().mean()}

    fit(nn.Linear(200, 200), loss, Schedule(2, 1, 0.01, checkpoint_every=1), out / "run")


def evaluated(out, photos):
    measuring = Measuring(out / "measured", 0, MeanDifference(), align_faces=False, size=64)
    return measuring([Job(Own())], find_photos([photos]), Console(quiet=True))


@pytest.mark.parametrize("what", ["train", "evaluate", "knowledge"])
def test_a_run_on_a_full_disk_is_one_error_and_leaves_whole_files(what, small_disk, photos):
    kept = small_disk / "kept"
    kept.write_bytes(bytes(70_000))
    runs = {
        "train": lambda: trained(small_disk),
        "evaluate": lambda: evaluated(small_disk, photos),
        "knowledge": lambda: load_knowledge(config_of(DEFAULT)).save(small_disk / "base.safetensors"),
    }
    with pytest.raises(SemwaveError, match="cannot be written"):
        runs[what]()
    assert kept.read_bytes() == bytes(70_000) and not list(small_disk.rglob("*.part"))
    for file in small_disk.rglob("*.json"):
        json.loads(file.read_text())
    assert not list(small_disk.rglob("*.pt")) and not list(small_disk.rglob("*.safetensors"))


def test_a_disk_that_is_full_is_one_line_and_leaves_whole_files(photos, tmp_path):
    out = tmp_path / "out"
    process = start(COMMAND, *sending(photos, out), limit=2_000)
    _, errors = process.communicate(timeout=600)
    line = errors.splitlines()[-1]
    assert process.returncode == 2 and line.startswith("semwave: ") and "cannot be written" in line, errors
    assert "Traceback" not in errors and not list(tmp_path.rglob("*.part"))
    check_whole(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder of another user, and to be that user for a moment")
def test_a_folder_that_is_read_only_is_one_error(photos, tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_bytes(b"before")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        for path in (kept, tmp_path / "new.txt", tmp_path / "new" / "new.txt"):
            with pytest.raises(SemwaveError, match="cannot be written"):
                write_bytes(path, b"after")
        for run in (trained, lambda out: evaluated(out, photos)):
            with pytest.raises(SemwaveError, match="cannot be written"):
                run(tmp_path / "new")
    finally:
        os.seteuid(0)
    assert kept.read_bytes() == b"before" and {path.name for path in tmp_path.iterdir()} == {"kept.txt", "photos"}
