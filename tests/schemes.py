"""What tests of schemes need: one as a user writes it, a link, a picture, a distance in place of LPIPS, and rows."""

import torch
from torch.nn import functional

from semwave import air
from semwave.air.channels import channel_class
from semwave.air.link import Link
from semwave.baselines.facts import SEMWAVE, Facts
from semwave.evaluation.store import Row
from semwave.types import DELIVERED, Delivered
from semwave.zoo import LAYERS

SIZE = 512


def smooth_picture(size: int = SIZE):
    """A smooth picture (1, 3, size, size) in [-1, 1]."""
    small = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return functional.interpolate(small, size=(size, size), mode="bicubic").clamp(-1, 1)


def link(snr_db=10.0, channel="awgn", seed=0):
    return Link(channel_class(channel), snr_db, seed)


class Own:
    """A scheme as a user writes one: the picture's mean colour, each number sent often."""

    name, key = "own", "1"

    def __init__(self, claimed=300, power=1.0, square=True):
        self.claimed, self.power, self.square = claimed, power, square

    def send(self, image, over):
        symbols = image.mean((2, 3)).repeat(1, 100)
        scale = symbols.square().mean().sqrt()
        soft = over(air.signal(symbols / scale * self.power**0.5))
        colour = (soft.symbols * scale).reshape(100, 3).mean(0)
        size = image.shape[-1]
        return Delivered(colour[None, :, None, None].expand(1, 3, size, size if self.square else 1), self.claimed)


class MeanDifference(torch.nn.Module):
    """Stands for LPIPS, whose weights tests do not have. It counts the pictures that it takes features of."""

    def __init__(self, backbone="alex", folder=None):
        super().__init__()
        self.counted = 0

    def features(self, images):
        self.counted += len(images)
        return [images]

    def distance(self, a, b):
        return (a[0] - b[0]).abs().mean((1, 2, 3))


def rows_of(scheme, facts, values, channel="awgn"):
    """Rows of three photos; ``values`` are (PSNR, LPIPS) by SNR."""
    return [
        Row(f"p{i}", scheme, facts, channel, snr_db, quality + i, lpips + i / 100, 1.0, 0.1, DELIVERED, "")
        for snr_db, (quality, lpips) in values.items()
        for i in range(3)
    ]


def rows_of_model(k, values, layers=LAYERS):
    """Rows of three photos by the model "m" as it is."""
    return rows_of(f"m-k{k}", Facts(SEMWAVE, "m", k, layers, True, True), values)
