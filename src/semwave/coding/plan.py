"""The plan: what each of k real symbols carries, and with what power. Both ends compute it; nothing of it is sent.

    codes' symbols, coefficients of the residual, all of variance 1 -> the k most important, each times the root of
    its power -> a part of the strong ones' energy spread on weak ones -> X (B, k), most important first
    Y (B, k) -> gathered -> by how much X was scaled -> codes' symbols, the noise of each; coefficients as far as
    they can be trusted

A number's importance is the squared error of a pixel that it takes away. Powers are those with which numbers sent as
they are over noise lose least (reverse water-filling for linear coding, Lee and Petersen 1976). The order is the same
for every k, so the first m of k symbols are what a receiver wants first.

Codes' symbols have the same energy in every image; so what arrives of it says how X was scaled.
"""

import math

import torch
from torch import Tensor

from semwave.air.iq import unit_power
from semwave.coding.diversity import Diversity

TRAINING_SNR_DB = 7.5
"""Es/N0 in dB for which powers are computed, the middle of 0 to 15 dB. Powers for the SNR that there is gain up to 0.5
dB of PSNR at 0 dB, and next to nothing from 5 dB on (docs/decisions.md)."""
MOST_ENERGY = 6.0
"""Energy that the coefficients of one image may have, as a multiple of the mean; more is scaled down."""
MUCH_NOISE = 10.0
"""Symbols with more noise than so many times the least, and than half of their power, are left out where the scale of X
is estimated."""
SCALE_SPREAD = 0.1
"""Variance, over images, of the power by which X is scaled, whose mean is 1."""


def symbol_power(variance: Tensor, total: float, noise: float) -> Tensor:
    """Powers (K,) that add up to ``total`` with which numbers of ``variance`` (K,), largest first, sent as they are
    over ``noise``, lose least in mean square: max(0, noise (sqrt(variance / (level noise)) - 1))."""
    root = variance.double().clamp_min(1e-30).sqrt()
    count = torch.arange(1, len(root) + 1).double()
    # The level of the roots where the first so many have power: so many do whose last one has some.
    levels = noise * root.cumsum(0) / (total + count * noise)
    active = int((root > levels).sum())
    power = (noise * (root / levels[active - 1] - 1)).clamp_min(0)
    power[active:] = 0
    return power * total / power.sum()


class Plan:
    """How ``k`` real symbols are shared by the numbers whose ``importance`` (N,) is given: ``codes`` symbols of the
    codes, then coefficients of the residual, if any, in falling order."""

    def __init__(self, importance: Tensor, codes: int, k: int):
        order = importance.argsort(descending=True, stable=True)[:k]
        self.k, self.codes = k, codes
        self.power = symbol_power(importance[order], float(k), 10 ** (-TRAINING_SNR_DB / 10)).float()
        self.for_codes = order < codes
        # Where they stand in X; indices, because a graph that is exported takes no masks.
        self.codes_at, self.coefficients_at = (
            places.nonzero().flatten() for places in (self.for_codes, ~self.for_codes)
        )
        self.of_codes, self.of_coefficients = order[self.for_codes], order[~self.for_codes] - codes
        self.code_power, self.coefficient_power = self.power[self.for_codes], self.power[~self.for_codes]
        self.code_energy = float(self.code_power.sum())
        self.diversity = Diversity(self.power)

    @property
    def coefficients(self) -> int:
        """How many coefficients of the residual are sent: the first so many."""
        return len(self.of_coefficients)

    def sent(self, symbols: Tensor) -> Tensor:
        """Codes' ``symbols`` (B, codes) as they arrive without noise: zero where none is sent, the others of the same
        energy in every image."""
        chosen = symbols[:, self.of_codes]
        energy = (self.code_power * chosen.square()).sum(1, keepdim=True).clamp_min(1e-12)
        return _placed(chosen * (self.code_energy / energy).sqrt(), self.of_codes, self.codes, 0.0)

    def join(self, symbols: Tensor, coefficients: Tensor | None = None) -> Tensor:
        """X (B, k) of mean square 1 in every image, of what :meth:`sent` gave, ``symbols`` (B, codes), and
        ``coefficients`` (B, the plan's or more) of variance 1, where the plan sends any."""
        x = symbols.new_zeros(len(symbols), self.k)
        x[:, self.codes_at] = symbols[:, self.of_codes] * self.code_power.sqrt()
        if coefficients is not None:
            x[:, self.coefficients_at] = self.limited(
                coefficients[:, self.of_coefficients] * self.coefficient_power.sqrt()
            )
        return unit_power(self.diversity.spread(x))

    def limited(self, loud: Tensor) -> Tensor:
        """Coefficients ``loud`` (B, the plan's), with their power, their energy held to :data:`MOST_ENERGY`."""
        most = MOST_ENERGY * (self.k - self.code_energy)
        return loud * (most / loud.square().sum(1, keepdim=True).clamp_min(1e-12)).sqrt().clamp_max(1)

    def split(self, received: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of equalised symbols ``received`` (B, k) with ``noise`` power (B, k), infinite where a symbol was not
        received: the codes' symbols and their noise, (B, codes) each, and the coefficients (B, the plan's), each the
        estimate with the least squared error."""
        received, noise = self.diversity.gather(received, noise)
        scale = self._scale(received[:, self.codes_at], noise[:, self.codes_at])[:, None]
        # A symbol without power carries nothing; whatever is heard in its place counts for nothing.
        root = (scale * self.code_power).sqrt().clamp_min(1e-6)
        codes = received[:, self.codes_at] / root
        codes_noise = torch.where(self.code_power > 0, noise[:, self.codes_at] / root.square(), math.inf)
        power = scale * self.coefficient_power
        trust = power.sqrt() / (power + noise[:, self.coefficients_at])
        coefficients = received.new_zeros(len(received), self.coefficients)
        coefficients[:, self.of_coefficients] = received[:, self.coefficients_at] * trust
        return (
            _placed(codes, self.of_codes, self.codes, 0.0),
            _placed(codes_noise, self.of_codes, self.codes, math.inf),
            coefficients,
        )

    def over_noise(self, symbols: Tensor, noise: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """What :meth:`split` would give of codes' ``symbols`` (B, codes), as :meth:`sent` gives them, and their noise,
        at a ``noise`` power (B, 1) or (B, the plan's), infinite where nothing is known, in an image whose other symbols
        have their mean energy; gradients pass."""
        power = noise / self.code_power
        drawn = torch.randn(power.shape, generator=random).to(power) * power.clamp_max(1e12).sqrt()
        heard = torch.where(power.isfinite(), symbols[:, self.of_codes] + drawn, 0.0)
        return (
            _placed(heard, self.of_codes, self.codes, 0.0),
            _placed(power, self.of_codes, self.codes, math.inf),
        )

    def _scale(self, codes: Tensor, noise: Tensor) -> Tensor:
        """The power (B,) by which X was scaled, estimated from the energy of the codes' symbols that were received; the
        fewer they are, the nearer to 1, its mean."""
        if not self.coefficients:
            return codes.new_ones(len(codes))
        # A symbol that others tell of comes with much noise, and says too little.
        received = (noise < MUCH_NOISE * noise.amin(1, keepdim=True)) | (noise < self.code_power / 2)
        power = torch.where(received, self.code_power, 0.0)
        energy = torch.where(received, codes.square() - noise, 0.0).sum(1)
        heard = power.sum(1).clamp_min(1e-9)
        # All symbols together have a known energy; of a part of them it varies from image to image.
        missing = 1 - heard / self.code_energy
        spread = 2 * torch.where(received, (missing[:, None] * power).square() + 2 * power * noise, 0.0).sum(1)
        weight = SCALE_SPREAD / (SCALE_SPREAD + spread / heard.square())
        least = self.k / (self.code_energy + MOST_ENERGY * (self.k - self.code_energy))
        return (1 + weight * (energy / heard - 1)).clamp(least, self.k / self.code_energy)


def _placed(values: Tensor, places: Tensor, count: int, elsewhere: float) -> Tensor:
    placed = values.new_full((len(values), count), elsewhere)
    placed[:, places] = values
    return placed
