"""Blend and emphasis: untrained ones do little more than add, and know how much arrived."""

import pytest
import torch
from torch.nn import functional

from semwave.coding.blend import FULL, LEAST_K, MOST_K, Blend, Emphasis, knowledge
from semwave.coding.residual import cosines
from semwave.generators.memory import keep_casts
from semwave.pictures.images import COARSE
from semwave.zoo import LOWEST_K, config_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(count, seed=0, size=COARSE, width=24):
    """Pictures (count, 3, size, size) of low frequencies."""
    rows = cosines(size, width)
    spectrum = torch.randn(count, 3, width, width, generator=seeded(seed)) / (1 + torch.arange(width))
    planes = torch.einsum("bcij,ih,jw->bchw", spectrum, rows, rows)
    return 0.2 * planes / planes.square().mean((1, 2, 3), keepdim=True).sqrt()


def coarse(images):
    """``images`` (B, 3, S, S) averaged to (B, 3, 64, 64)."""
    return functional.avg_pool2d(images, images.shape[-1] // COARSE)


def told(k, snr_db=10.0, count=1):
    return torch.full((count,), float(k)), torch.full((count,), snr_db)


@pytest.mark.parametrize("size", [128, 256, 512, 1024])
@pytest.mark.parametrize("k", [64, 2560, 32768])
def test_an_untrained_blend_adds_what_is_missing(size, k):
    picture = functional.interpolate(smooth(2, 1), size=(size, size), mode="bilinear")
    wanted = smooth(2, 2, FULL)
    blended = Blend()(picture, wanted, *told(k, count=2))
    assert blended.shape == picture.shape
    assert (coarse(blended) - coarse(wanted)).square().mean() < 0.05 * (
        coarse(picture) - coarse(wanted)
    ).square().mean()


def test_the_more_arrived_the_more_its_detail_is_believed():
    picture, wanted = smooth(1, 1, FULL, 60), smooth(1, 2, FULL, 200)
    errors = [(Blend()(picture, wanted, *told(k)) - wanted).square().mean() for k in (64, 512, 4096, 32768)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3 * wanted.square().mean()


@pytest.mark.parametrize("snr_db", [-torch.inf, -20.0, 60.0])
@pytest.mark.parametrize("received", [0, 3, 40000])
def test_it_stays_finite_however_little_arrived(snr_db, received):
    blend = Blend()
    torch.nn.init.normal_(blend.last.weight, std=0.05, generator=seeded())
    blended = blend(smooth(1, 1, 256), smooth(1, 2, FULL), *told(received, snr_db))
    assert blended.isfinite().all()


def test_casts_that_are_kept_change_nothing():
    blend = Blend()
    for layer in (blend.last, blend.fine, blend.gates):
        torch.nn.init.normal_(layer.weight, std=0.05, generator=seeded())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cast_at_every_call = blend(smooth(1, 1, 256), smooth(1, 2, FULL), *told(2560))
        keep_casts(blend)
        assert torch.equal(blend(smooth(1, 1, 256), smooth(1, 2, FULL), *told(2560)), cast_at_every_call)
    assert blend.last.weight.dtype == blend.know.weight.dtype == torch.bfloat16


def test_blocks_that_have_not_learnt_change_nothing():
    blend = Blend()
    features = torch.randn(1, 128, 32, 32, generator=seeded())
    assert torch.equal(blend.bottom[-1](features), features)


def test_an_untrained_emphasis_adds_nothing():
    deficit, sketch = torch.randn(2, 3, 256, 256, generator=seeded()), torch.randn(2, 3, 128, 128, generator=seeded(1))
    found = Emphasis()(deficit, sketch, torch.tensor([64.0, 2560.0]))
    assert found.shape == (2, 3, FULL, FULL) and (found == 0).all()


def test_networks_are_told_k_and_snr_on_a_scale_of_one():
    assert (LOWEST_K, config_of("faces-512").highest_k) == (LEAST_K, MOST_K)
    known = knowledge(torch.tensor([0.0, 64.0, 32768.0, 1e6]), torch.tensor([-torch.inf, 7.5, 17.5, 60.0]))
    assert known.tolist() == [[-1.0, -1.5], [-1.0, 0.0], [1.0, 1.0], [1.0, 1.5]]
