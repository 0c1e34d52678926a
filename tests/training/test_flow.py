"""Stage 1: the flow makes the codes of any domain likelier."""

import json
import math

import pytest
import torch

from semwave.coding.flow import CodeFlow
from semwave.latent.layout import Layout
from semwave.latent.space import used_coordinates
from semwave.training.flow import train_flow
from semwave.training.loop import Schedule
from semwave.zoo import FlowConfig


@pytest.mark.parametrize("mask_numbers", [0, 8])
def test_codes_become_likelier(tmp_path, mask_numbers):
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=mask_numbers)
    torch.manual_seed(0)
    flow = CodeFlow(FlowConfig(layers=4, depth=3, hidden=16, mask_hidden=16), layout)
    # Numbers of a standard deviation of 0.3, to which training adds noise of 0.2.
    coordinates = 0.3 * torch.randn(400, layout.codes, 16, generator=torch.Generator().manual_seed(0))
    coordinates *= used_coordinates(layout)
    trained = train_flow(flow, coordinates, tmp_path, Schedule(60, 64, 1e-2, warmup=5))
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert trained is flow and len(rows) == 7
    # Nats a number: under the standard normal distribution, and at best, the entropy of what it reads.
    variance = 0.3**2 + 0.2**2
    assert rows[0]["loss"] == pytest.approx(0.5 * math.log(2 * math.pi) + 0.5 * variance, abs=0.01)
    assert rows[-1]["loss"] == pytest.approx(0.5 * math.log(2 * math.pi * math.e * variance), abs=0.1)
