"""Stage 1: train the flow alone to make codes Gaussian (maximum likelihood).

With encoder and decoder bypassed the flow gives its codes back exactly, so the paper's image MSE is zero in this stage
and only the likelihood has a gradient. A little noise on the codes keeps the flow from resolving single faces, which
its inverse would pay for on a noisy channel.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.coding.flow import CodeFlow
from semwave.latent.space import used_coordinates
from semwave.training.data import pick
from semwave.training.loop import Schedule, fit

CODE_NOISE = 0.2


class _Likelihood(nn.Module):
    def __init__(self, flow: CodeFlow):
        super().__init__()
        self.flow = flow

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.flow.log_likelihood(coordinates)


def train_flow(flow: CodeFlow, coordinates: Tensor, run: Path, schedule: Schedule) -> CodeFlow:
    """Train on ``coordinates`` (N, codes, coordinates); logs nats a number."""
    used = used_coordinates(flow.shape)
    count = int(used.sum())

    def loss(model: _Likelihood, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        batch = coordinates[pick(len(coordinates), schedule.batch, random)]
        batch = batch + CODE_NOISE * torch.randn(batch.shape, generator=random) * used
        return {"loss": -model(batch.to(device)).sum(1).mean() / count}

    return fit(_Likelihood(flow), loss, schedule, run).flow
