"""Whitened coordinates: there and back, white over W, with the layout code apart."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.generators.mobile_stylegan import MobileStyleGAN
from semwave.latent.layout import FACES, MASK_CODE, Layout
from semwave.latent.space import CodeSpace, used_coordinates

CODES, CODE_SIZE, COORDINATES, NUMBERS = FACES.codes, FACES.code_size, FACES.coordinates, FACES.mask_numbers
OTHERS = [i for i in range(CODES) if i != MASK_CODE]


def made_up_styles():
    source = torch.Generator().manual_seed(0)
    return torch.randn(2000, CODE_SIZE, generator=source) @ torch.randn(512, 512, generator=source) / 20 + 0.3


@pytest.fixture(scope="module")
def space():
    space = CodeSpace()
    space.measure(made_up_styles())
    return space


def everywhere(styles):
    return styles[:, None].expand(-1, CODES, -1)


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.float32, (2, COORDINATES), elements=st.floats(-8, 8, width=32)), st.integers(0, CODES - 1))
def test_coordinates_survive_the_round_trip(space, values, index):
    coordinates = torch.zeros(2, CODES, COORDINATES)
    coordinates[:, index] = torch.from_numpy(values)
    coordinates *= used_coordinates(FACES)
    codes = space.codes(coordinates)
    assert codes.shape == (2, CODES, CODE_SIZE)
    torch.testing.assert_close(space.coordinates(codes), coordinates, atol=2e-3, rtol=1e-3)


def test_a_code_outside_the_directions_is_projected(space):
    codes = everywhere(torch.randn(3, CODE_SIZE, generator=torch.Generator().manual_seed(1)))
    once = space.codes(space.coordinates(codes))[:, OTHERS]
    residual = (codes[:, OTHERS] - once)[:, 0]
    # What is lost is at right angles to every direction.
    directions = space.directions / space.directions.norm(dim=0)
    assert residual.norm(dim=1).min() > 1
    torch.testing.assert_close(residual @ directions, torch.zeros(3, COORDINATES), atol=1e-3, rtol=0)


def test_the_measured_styles_are_white(space):
    white = space.coordinates(everywhere(made_up_styles()))[:, 0].double()
    torch.testing.assert_close(white.mean(0), torch.zeros(COORDINATES).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(COORDINATES).double(), atol=5e-3, rtol=0)


def test_the_directions_are_the_principal_ones():
    # Independent numbers of falling spread: the directions are the axes, in this order.
    spread = torch.logspace(1, -1, CODE_SIZE)
    space = CodeSpace()
    space.measure(torch.randn(8000, CODE_SIZE, generator=torch.Generator().manual_seed(2)) * spread + 5)
    length = space.directions.norm(dim=0)
    assert length.diff().max() <= 0
    assert length.tolist()[::60] == pytest.approx(spread[:COORDINATES:60].tolist(), rel=0.1)
    # Nearly all of them lies in the 256 widest axes, give or take what 8000 samples cannot tell apart.
    assert space.directions[: COORDINATES + 60].square().sum() > 0.98 * space.directions.square().sum()


def test_the_mean_style_is_the_origin(space):
    coordinates = space.coordinates(everywhere(space.mean[None]))
    assert coordinates[:, OTHERS].abs().max() < 1e-6
    torch.testing.assert_close(space.codes(torch.zeros(1, CODES, COORDINATES))[0, 0], space.mean)


def test_the_layout_code_is_taken_as_it_is(space):
    numbers = torch.randn(2, NUMBERS, generator=torch.Generator().manual_seed(3))
    coordinates = torch.zeros(2, CODES, COORDINATES)
    coordinates[:, MASK_CODE, :NUMBERS] = numbers
    codes = space.codes(coordinates)
    assert torch.equal(codes[:, MASK_CODE], numbers.repeat(1, FACES.copies))
    # The mean of the eight copies comes back, and nothing beyond the 64 numbers.
    codes[:, MASK_CODE, :NUMBERS] += 8
    back = space.coordinates(codes)[:, MASK_CODE]
    torch.testing.assert_close(back[:, :NUMBERS], numbers + 1)
    assert back[:, NUMBERS:].eq(0).all()


def test_used_coordinates():
    used = used_coordinates(FACES)
    assert used.shape == (CODES, COORDINATES) and used.sum() == 27 * 256 + 64
    assert used[MASK_CODE].sum() == NUMBERS and used[OTHERS].all()


@pytest.mark.parametrize("mask_numbers", [0, 8])
def test_another_domain_has_a_space_of_its_own(mask_numbers):
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=mask_numbers)
    space, source = CodeSpace(layout), torch.Generator().manual_seed(0)
    space.measure(torch.randn(500, 32, generator=source) * torch.logspace(1, -1, 32))
    used = used_coordinates(layout)
    assert used.shape == (8, 16) and used.sum() == 8 * 16 - (16 - mask_numbers if mask_numbers else 0)
    coordinates = torch.randn(3, 8, 16, generator=source) * used
    codes = space.codes(coordinates)
    assert codes.shape == (3, 8, 32)
    torch.testing.assert_close(space.coordinates(codes), coordinates, atol=1e-4, rtol=1e-4)
    own = space.mean + coordinates[:, MASK_CODE] @ space.directions.T
    assert torch.allclose(codes[:, MASK_CODE], own) == (mask_numbers == 0)
    if mask_numbers:
        assert torch.equal(codes[:, MASK_CODE], coordinates[:, MASK_CODE, :8].repeat(1, 4))


def test_half_of_the_directions_hold_95_percent_of_w():
    network = MobileStyleGAN()
    w = network.map(torch.randn(5000, CODE_SIZE, generator=torch.Generator().manual_seed(0)))
    measured, fresh = w[:4000], w[4000:]
    space = CodeSpace()
    space.measure(measured)
    lost = fresh - space.codes(space.coordinates(everywhere(fresh)))[:, 0]
    share = 1 - lost.square().sum() / (fresh - space.mean).square().sum()
    assert 0.93 < share < 0.99
