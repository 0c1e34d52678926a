"""Normalizing flow N: codes to standard normal numbers, one code at a time.

    coordinates (B,28,256) -> RealNVP, 8 coupling layers of 6 fully connected layers -> N (B,28,256)

RealNVP (Dinh et al. 2016) by zuko. All codes but the layout share one flow that is told which code it reads; the 64
numbers of the layout have their own. A joint flow over all 28 codes would have ten times the weights of the generator.
"""

import torch
import zuko
from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.layout import CODES
from semwave.latent.masks import NUMBERS
from semwave.latent.space import COORDINATES, LAYOUT_CODE

COUPLING_LAYERS = 8
FULLY_CONNECTED = 6


def _real_nvp(features: int, context: int, hidden: int) -> zuko.flows.RealNVP:
    flow = zuko.flows.RealNVP(
        features, context, transforms=COUPLING_LAYERS, hidden_features=[hidden] * (FULLY_CONNECTED - 1)
    )
    for coupling in flow.transform.transforms:
        nn.init.zeros_(coupling.hyper[-1].weight)
        nn.init.zeros_(coupling.hyper[-1].bias)
    return flow


class CodeFlow(nn.Module):
    """Invertible map between coordinates and Gaussian numbers; the identity until it is trained."""

    def __init__(self, hidden: int = 192, layout_hidden: int = 64):
        super().__init__()
        self.codes = _real_nvp(COORDINATES, CODES, hidden)
        self.layout = _real_nvp(NUMBERS, 0, layout_hidden)
        others = [i for i in range(CODES) if i != LAYOUT_CODE]
        self.register_buffer("others", torch.tensor(others), persistent=False)

    def _transforms(self, device: torch.device) -> tuple[torch.distributions.Transform, torch.distributions.Transform]:
        which = functional.one_hot(self.others, CODES).float().to(device)
        return self.codes.transform(which), self.layout.transform(None)

    def _assemble(self, codes: Tensor, layout: Tensor) -> Tensor:
        layout = functional.pad(layout, (0, COORDINATES - NUMBERS))[:, None]
        return torch.cat([codes[:, :LAYOUT_CODE], layout, codes[:, LAYOUT_CODE:]], 1)

    def forward(self, coordinates: Tensor) -> Tensor:
        """N (B, 28, 256) of ``coordinates`` (B, 28, 256)."""
        codes, layout = self._transforms(coordinates.device)
        return self._assemble(codes(coordinates[:, self.others]), layout(coordinates[:, LAYOUT_CODE, :NUMBERS]))

    def inverse(self, n: Tensor) -> Tensor:
        """Coordinates (B, 28, 256) of ``n`` (B, 28, 256)."""
        codes, layout = self._transforms(n.device)
        return self._assemble(codes.inv(n[:, self.others]), layout.inv(n[:, LAYOUT_CODE, :NUMBERS]))

    def log_likelihood(self, coordinates: Tensor) -> Tensor:
        """Log density of every code of ``coordinates`` (B, 28, 256) in nats, (B, 28)."""
        which = functional.one_hot(self.others, CODES).float().to(coordinates.device)
        codes = self.codes(which).log_prob(coordinates[:, self.others])
        layout = self.layout().log_prob(coordinates[:, LAYOUT_CODE, :NUMBERS])
        return torch.cat([codes[:, :LAYOUT_CODE], layout[:, None], codes[:, LAYOUT_CODE:]], 1)
