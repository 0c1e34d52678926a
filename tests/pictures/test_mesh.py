"""What repeats itself every few pixels is taken out of pictures, and nothing else."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle

from semwave.pictures.images import resized, to_tensor
from semwave.pictures.mesh import PERIOD, REPEATED, without_mesh
from semwave.pictures.metrics import psnr


@pytest.fixture(scope="module")
def astronaut():
    return to_tensor(data.astronaut())


def power(images):
    return images.square().mean().item()


@pytest.mark.parametrize("size", [256, 512])
def test_a_photograph_stays_what_it_is(astronaut, size):
    photo = resized(astronaut, size)
    assert psnr(without_mesh(photo), photo, 2).item() > 33


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([2, 4, 8]), st.integers(0, 1000), st.sampled_from([128, 256, 512, 1024]))
def test_a_mesh_goes(period, seed, size):
    tile = torch.randn(1, 3, period, period, generator=torch.Generator().manual_seed(seed))
    tile -= tile.mean((2, 3), keepdim=True)
    mesh = 0.05 * tile.repeat(1, 1, size // period, size // period)
    assert power(without_mesh(mesh)) < 0.02 * power(mesh)


def in_full(images):
    """The module's drawing, every step of it as large as the picture."""
    rough = interpolate(avg_pool2d(images, PERIOD), scale_factor=PERIOD, mode="bilinear")
    places = avg_pool2d(pixel_unshuffle(images - rough, PERIOD), REPEATED)
    return images - pixel_shuffle(interpolate(places, scale_factor=REPEATED, mode="bilinear"), PERIOD)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([32, 64, 256, 512]), st.integers(1, 4), st.integers(0, 1000), st.booleans())
def test_rows_and_columns_in_turn_give_the_same(size, channels, seed, autocast):
    images = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(seed))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        torch.testing.assert_close(without_mesh(images), in_full(images), atol=1e-5, rtol=0)


def test_slopes_and_slow_waves_stay():
    ramp = torch.linspace(-1, 1, 512).expand(1, 3, 512, 512)
    inside = (..., slice(32, -32), slice(32, -32))
    assert (without_mesh(ramp) - ramp)[inside].abs().max() < 2e-3
    wave = interpolate(torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(0)), size=512, mode="bicubic")
    assert power((without_mesh(wave) - wave)[inside]) < 1e-3 * power(wave)
