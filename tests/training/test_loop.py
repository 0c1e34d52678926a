"""The training loop: the loss falls, a run resumes exactly, and what is not finite stops it."""

import json

import pytest
import torch
from torch import nn

from semwave.errors import SemwaveError
from semwave.training.loop import Schedule, fit


def regression(model, step, generator, device):
    x = torch.randn(8, 3, generator=generator).to(device)
    return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}


def line():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_the_loss_falls_and_is_logged(tmp_path):
    fit(line(), regression, Schedule(60, 8, 0.1, warmup=5), tmp_path)
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 59 and rows[-1]["loss"] < 0.1 * rows[0]["loss"]


def test_resuming_gives_the_same_state(tmp_path):
    schedule = Schedule(20, 8, 0.1, warmup=5, checkpoint_every=10)
    whole = fit(line(), regression, schedule, tmp_path / "whole")

    def interrupted(model, step, generator, device):
        if step == 13:
            raise KeyboardInterrupt
        return regression(model, step, generator, device)

    with pytest.raises(KeyboardInterrupt):
        fit(line(), interrupted, schedule, tmp_path / "halves")
    resumed = fit(line(), regression, schedule, tmp_path / "halves")
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(SemwaveError, match="not finite"):
        fit(line(), lambda model, *_: {"loss": model.weight.sum() * float("nan")}, Schedule(3, 1, 0.1), tmp_path)
