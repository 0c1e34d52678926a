"""The normalizing flow: invertible, its density by autograd, the structure of the paper."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
import zuko
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.coding.flow import CodeFlow
from semwave.latent.layout import FACES, MASK_CODE, Layout
from semwave.latent.space import used_coordinates
from semwave.zoo import FlowConfig

CODES, COORDINATES, NUMBERS = FACES.codes, FACES.coordinates, FACES.mask_numbers
USED = used_coordinates(FACES)


def coordinates(count, seed=0):
    values = torch.randn(count, CODES, COORDINATES, generator=torch.Generator().manual_seed(seed))
    return values * USED


@pytest.fixture(scope="module")
def flow():
    return moved(CodeFlow(FlowConfig(hidden=16, mask_hidden=8)))


def moved(flow):
    """As if trained: every weight moved."""
    torch.manual_seed(0)
    for parameter in flow.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return flow.requires_grad_(False)


@pytest.mark.parametrize("part", ["codes", "layout"])
def test_eight_coupling_layers_of_six_fully_connected_layers(part):
    couplings = getattr(CodeFlow(), part).transform.transforms
    assert len(couplings) == 8
    for coupling in couplings:
        assert sum(isinstance(layer, zuko.nn.Linear) for layer in coupling.hyper) == 6
    # Every number is moved by one layer or another.
    moved = torch.stack([coupling.mask for coupling in couplings])
    assert moved.any(0).all() and (~moved).any(0).all()


def test_it_is_the_identity_until_it_is_trained():
    flow, v = CodeFlow(), coordinates(2)
    torch.testing.assert_close(flow(v), v)
    torch.testing.assert_close(flow.inverse(v), v)
    dimensions = USED.sum(1)
    normal = -0.5 * (v.square().sum(2) + dimensions * math.log(2 * math.pi))
    torch.testing.assert_close(flow.log_likelihood(v), normal)


@settings(max_examples=15, deadline=None)
@given(arrays.arrays(np.float32, (CODES, 8), elements=st.floats(-4, 4, width=32)))
def test_the_inverse_undoes_it(flow, values):
    v = torch.from_numpy(values).repeat(1, COORDINATES // 8)[None] * USED
    n = flow(v)
    assert n.shape == v.shape and (n - v).abs().max() > 0.05
    torch.testing.assert_close(flow.inverse(n), v, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(flow(flow.inverse(v)), v, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("code", [0, MASK_CODE, 2, 27])
def test_the_density_is_that_of_the_change_of_variables(flow, code):
    v, size = coordinates(1)[0], NUMBERS if code == MASK_CODE else COORDINATES

    def n_of(x):
        row = torch.nn.functional.pad(x, (0, COORDINATES - size))
        return flow(torch.cat([v[:code], row[None], v[code + 1 :]])[None])[0, code, :size]

    jacobian = torch.autograd.functional.jacobian(n_of, v[code, :size])
    volume = torch.linalg.slogdet(jacobian.double()).logabsdet
    assert abs(volume) > 0.1
    normal = torch.distributions.Normal(0, 1).log_prob(n_of(v[code, :size])).sum()
    assert flow.log_likelihood(v[None])[0, code].item() == pytest.approx((normal + volume).item(), rel=1e-4)


@pytest.mark.parametrize("code", [0, MASK_CODE, 14])
def test_codes_flow_one_at_a_time(flow, code):
    v = coordinates(1)
    moved = v.clone()
    moved[0, code] += USED[code]
    changed = (flow(moved) - flow(v)).abs().amax((0, 2)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [code]


def test_the_shared_flow_is_told_which_code_it_reads(flow):
    row = torch.randn(COORDINATES, generator=torch.Generator().manual_seed(1))
    n = flow((row * USED)[None])[0]
    for one, other in ((0, 2), (2, 3), (26, 27)):
        assert (n[one] - n[other]).abs().max() > 0.01


def test_what_the_layout_code_does_not_use_stays_zero(flow):
    v = torch.randn(2, CODES, COORDINATES, generator=torch.Generator().manual_seed(2))
    for out in (flow(v), flow.inverse(v)):
        assert out[:, MASK_CODE, NUMBERS:].eq(0).all() and out[:, MASK_CODE, :NUMBERS].ne(0).all()


@pytest.mark.parametrize("mask_numbers", [0, 8])
def test_another_domain_flows_too(mask_numbers):
    layout = Layout(("sky", "sea", "land"), code_size=32, coordinates=16, mask_numbers=mask_numbers)
    flow = moved(CodeFlow(FlowConfig(layers=3, depth=3, hidden=8, mask_hidden=8), layout))
    assert len(flow.codes.transform.transforms) == 3 and (flow.layout is None) == (mask_numbers == 0)
    for coupling in flow.codes.transform.transforms:
        assert sum(isinstance(layer, zuko.nn.Linear) for layer in coupling.hyper) == 3
    v = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(3)) * used_coordinates(layout)
    n = flow(v)
    assert n.shape == v.shape and (n - v).abs().amax((0, 2)).min() > 0.01
    torch.testing.assert_close(flow.inverse(n), v, atol=1e-4, rtol=1e-4)
    assert flow.log_likelihood(v).shape == (2, 8)
    changed = v.clone()
    changed[:, MASK_CODE, 0] += 1
    assert ((flow(changed) - n).abs().amax((0, 2)) > 1e-6).nonzero().flatten().tolist() == [MASK_CODE]
