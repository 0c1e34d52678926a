"""Eq. 4: the filter moves private codes far enough, and no farther."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.privacy.filter import filtered

seeds = st.integers(0, 2**32 - 1)


def distance(a, b):
    return (a.double() - b.double()).square().sum((1, 2)).sqrt()


@st.composite
def codes_of_parts(draw):
    """Codes (2, 2, 512) as a part may have them, from nearly none to far beyond any face."""
    scale = 10 ** draw(st.floats(-3, 3))
    return torch.randn(2, 2, 512, generator=torch.Generator().manual_seed(draw(seeds))) * scale


@settings(deadline=None, max_examples=60)
@given(codes_of_parts(), st.floats(0.01, 20), seeds)
def test_the_filter_moves_just_far_enough(codes, lambda1, seed):
    directions = torch.randn(512, 256, generator=torch.Generator().manual_seed(1))
    moved = filtered(codes, lambda1, directions, torch.Generator().manual_seed(seed))
    least = lambda1 * distance(codes, torch.zeros(()))
    assert (distance(moved, codes) > least).all()
    assert (distance(moved, codes) < least * (1 + 1e-2) + 1e-4).all()
    assert torch.equal(moved, filtered(codes, lambda1, directions, torch.Generator().manual_seed(seed)))


def test_the_filter_moves_even_codes_of_zero():
    moved = filtered(torch.zeros(1, 2, 512), 1.0, torch.eye(512)[:, :256], torch.Generator().manual_seed(0))
    assert (distance(moved, torch.zeros(())) > 0).all()
