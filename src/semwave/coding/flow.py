"""Normalizing flow N: codes to standard normal numbers, one code at a time.

    coordinates (B, codes, coordinates) -> RealNVP, coupling layers of fully connected layers -> N, of the same shape

RealNVP (Dinh et al. 2016) by zuko. All codes but the mask code share one flow that is told which code it reads; the
numbers of the mask code have their own. A joint flow over all codes would have ten times the weights of the generator.
"""

import torch
import zuko
from torch import Tensor, nn
from torch.nn import functional

from semwave.latent.layout import FACES, MASK_CODE, Layout
from semwave.zoo import FlowConfig


def _real_nvp(features: int, context: int, hidden: int, config: FlowConfig) -> zuko.flows.RealNVP:
    flow = zuko.flows.RealNVP(
        features, context, transforms=config.layers, hidden_features=[hidden] * (config.depth - 1)
    )
    # The last layers at zero: the identity until it is trained.
    for name, parameter in flow.named_parameters():
        if f".hyper.{2 * (config.depth - 1)}." in name:
            nn.init.zeros_(parameter)
    return flow


class IdentityFlow(nn.Module):
    """In place of a flow, in a model without one: N are the coordinates themselves."""

    def forward(self, coordinates: Tensor) -> Tensor:
        """``coordinates``, as they are."""
        return coordinates

    def inverse(self, n: Tensor) -> Tensor:
        """``n``, as they are."""
        return n


class CodeFlow(nn.Module):
    """Invertible map between coordinates and Gaussian numbers; the identity until it is trained."""

    def __init__(self, config: FlowConfig = FlowConfig(), layout: Layout = FACES):
        super().__init__()
        self.shape, masks = layout, layout.mask_numbers
        self.codes = _real_nvp(layout.coordinates, layout.codes, config.hidden, config)
        self.layout = _real_nvp(masks, 0, config.mask_hidden, config) if masks else None
        others = [i for i in range(layout.codes) if not masks or i != MASK_CODE]
        self.register_buffer("others", torch.tensor(others), persistent=False)

    def forward(self, coordinates: Tensor) -> Tensor:
        """N (B, codes, coordinates) of ``coordinates`` (B, codes, coordinates)."""
        masks = self.layout.transform(None)(self._mask_numbers(coordinates)) if self.layout else None
        return self._assembled(self.codes.transform(self._which())(coordinates[:, self.others]), masks)

    def inverse(self, n: Tensor) -> Tensor:
        """Coordinates (B, codes, coordinates) of ``n`` (B, codes, coordinates)."""
        masks = self.layout.transform(None).inv(self._mask_numbers(n)) if self.layout else None
        return self._assembled(self.codes.transform(self._which()).inv(n[:, self.others]), masks)

    def log_likelihood(self, coordinates: Tensor) -> Tensor:
        """Log density of every code of ``coordinates`` (B, codes, coordinates) in nats, (B, codes)."""
        codes = self.codes(self._which()).log_prob(coordinates[:, self.others])
        if self.layout is None:
            return codes
        masks = self.layout().log_prob(self._mask_numbers(coordinates))
        return torch.cat([codes[:, :MASK_CODE], masks[:, None], codes[:, MASK_CODE:]], 1)

    def _which(self) -> Tensor:
        """What tells the shared flow which code it reads, (codes it reads, codes)."""
        return functional.one_hot(self.others, self.shape.codes).float()

    def _mask_numbers(self, coordinates: Tensor) -> Tensor:
        return coordinates[:, MASK_CODE, : self.shape.mask_numbers]

    def _assembled(self, codes: Tensor, masks: Tensor | None) -> Tensor:
        if masks is None:
            return codes
        masks = functional.pad(masks, (0, self.shape.coordinates - self.shape.mask_numbers))[:, None]
        return torch.cat([codes[:, :MASK_CODE], masks, codes[:, MASK_CODE:]], 1)
