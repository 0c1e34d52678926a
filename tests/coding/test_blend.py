"""Blend and emphasis: an untrained blend is plain addition, an untrained emphasis adds nothing."""

import pytest
import torch
from torch.nn import functional

from semwave.coding.blend import Blend, Emphasis
from semwave.coding.residual import cosines
from semwave.pictures.images import COARSE, coarse


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count, seed=0):
    """Pictures (count, 3, 64, 64) of low frequencies."""
    rows = cosines(COARSE)[:24]
    spectrum = torch.randn(count, 3, 24, 24, generator=seeded(seed)) / (1 + torch.arange(24))
    planes = torch.einsum("bcij,ih,jw->bchw", spectrum, rows, rows)
    return 0.2 * planes / planes.square().mean((1, 2, 3), keepdim=True).sqrt()


@pytest.mark.parametrize("size", [128, 256, 512, 1024])
def test_an_untrained_blend_adds_what_is_missing(size):
    picture = functional.interpolate(smooth(2, 1), size=(size, size), mode="bilinear")
    wanted = smooth(2, 2)
    blended = Blend()(picture, wanted, torch.full((2,), 10.0))
    assert blended.shape == picture.shape
    assert (coarse(blended) - wanted).square().mean() < 0.05 * (coarse(picture) - wanted).square().mean()


def test_what_it_adds_at_512_px_is_detail_alone():
    blend, picture, wanted = Blend(), smooth(1, 1).repeat_interleave(8, 2).repeat_interleave(8, 3), smooth(1, 2)
    pictures = {}
    for weight in (0.0, 0.05):
        torch.nn.init.normal_(blend.fine.weight, std=weight, generator=seeded()) if weight else None
        for shown_at in (coarse(picture).repeat_interleave(4, 2).repeat_interleave(4, 3), picture):
            pictures[weight, shown_at.shape[-1]] = blend(shown_at, wanted, torch.full((1,), 10.0))
    assert torch.equal(pictures[0.0, 256], pictures[0.05, 256])
    added = pictures[0.05, 512] - pictures[0.0, 512]
    assert added.std() > 0.01 and functional.avg_pool2d(added, 8).std() < 0.1 * added.std()


@pytest.mark.parametrize("snr_db", [-torch.inf, -20.0, 60.0])
def test_it_stays_finite_however_little_arrived(snr_db):
    blend = Blend()
    torch.nn.init.normal_(blend.last.weight, std=0.05, generator=seeded())
    blended = blend(smooth(1, 1).repeat_interleave(4, 2).repeat_interleave(4, 3), smooth(1, 2), torch.tensor([snr_db]))
    assert blended.isfinite().all()


def test_an_untrained_emphasis_adds_nothing():
    found = Emphasis()(
        torch.randn(2, 3, 256, 256, generator=seeded()), torch.randn(2, 3, 128, 128, generator=seeded(1))
    )
    assert found.shape == (2, 3, COARSE, COARSE) and (found == 0).all()
