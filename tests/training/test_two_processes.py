"""Two processes train as one does with both batches: the line in docs/training.md, and what it gives."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from semwave.training.loop import Schedule, fit

DOCS = Path(__file__).parents[2] / "docs" / "training.md"
LAUNCH = [sys.executable, "-m", "torch.distributed.run"]
SCHEDULE = Schedule(6, 4, 0.1, warmup=1)
SCRIPT = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[2])
from test_two_processes import SCHEDULE, line, loss_of
from semwave.training.loop import fit
trained = fit(line(), loss_of, SCHEDULE, Path(sys.argv[1]))
torch.save(trained.state_dict(), Path(sys.argv[1], f"{torch.distributed.get_rank()}.pt"))
"""


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def loss_of(model, step, generator, device):
    x = torch.randn(4, 3, generator=generator)
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}


def both(model, step, generator, device):
    """What two processes take in a step: their draws are those of seeds one apart."""
    losses = [
        loss_of(model, step, torch.Generator().manual_seed(generator.initial_seed() + process), device)["loss"]
        for process in range(2)
    ]
    return {"loss": torch.stack(losses).mean()}


def launched(*arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*LAUNCH, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_two_processes_take_the_step_of_one_with_both_batches(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launched("--standalone", "--nproc-per-node", 2, script, tmp_path, Path(__file__).parent)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = fit(line(), both, SCHEDULE, tmp_path / "alone").state_dict()
    for name, value in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5)


def test_the_line_of_the_page_trains_in_two_processes(folder, tmp_path):
    (command,) = re.findall(r"^torchrun (--standalone .*)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    places = {"DATA": str(folder), "runs/faces-512": str(tmp_path / "weights"), "8": "2"}
    arguments = [places.get(word, word) for word in shlex.split(command)]
    shown = launched(*arguments, "--steps", 2, "--runs", tmp_path / "runs")
    assert shown.count("pixel_accuracy") == 1
    log = [json.loads(row) for row in (tmp_path / "runs" / "parser" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [0, 1]
    assert (tmp_path / "weights" / "parser.safetensors").stat().st_size > 100_000
