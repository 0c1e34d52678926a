"""What is sent beside the codes: exact where all of it arrives, in falling order, and blind to what is private."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from semwave.coding.residual import CHROMA_FREQUENCIES, FULL, LUMA_FREQUENCIES, Residual, cosines, enlarged
from semwave.pictures.images import SKETCH
from semwave.zoo import config_of

CONFIG = config_of("faces-512").residual


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def variances():
    """Of the DCT of differences, (3, 512, 512): falling with the frequency, colours quieter."""
    row, column = torch.arange(FULL)[:, None], torch.arange(FULL)
    fall = 1 / (1 + row + column).float() ** 2
    return torch.stack([fall, 0.2 * fall, 0.1 * fall])


@pytest.fixture(scope="module")
def residual():
    torch.manual_seed(0)
    chosen = Residual(CONFIG).choose(variances())
    torch.nn.init.normal_(chosen.emphasis.last.weight, std=0.05)
    torch.nn.init.normal_(chosen.emphasis.fine.weight, std=0.05)
    return chosen.requires_grad_(False)


def test_coefficients_are_chosen_by_variance_luma_and_few_colours(residual):
    axis, row, column = residual._places(CONFIG.coefficients)
    assert len({*residual.chosen.tolist()}) == CONFIG.coefficients
    assert (residual.deviation.diff() <= 0).all() and residual.deviation.min() > 0
    torch.testing.assert_close(residual.deviation.square(), variances()[axis, row, column])
    assert row.max() < LUMA_FREQUENCIES and (axis == 0).sum() > (axis > 0).sum() > 0
    assert row[axis > 0].max() < CHROMA_FREQUENCIES and column[axis > 0].max() < CHROMA_FREQUENCIES


def test_the_axes_of_colours_are_orthonormal_and_start_with_brightness(residual):
    torch.testing.assert_close(residual.colours.T @ residual.colours, torch.eye(3), atol=1e-6, rtol=0)
    assert (residual.colours[:, 0] > 0).all()
    torch.testing.assert_close(cosines(32, 32) @ cosines(32, 32).T, torch.eye(32), atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=10)
@given(st.integers(2, CONFIG.coefficients), st.integers(0, 100))
def test_coefficients_are_restored_as_the_difference_that_they_are_of(residual, count, seed):
    sent = torch.randn(1, count, generator=seeded(seed))
    difference = residual.restored(sent)
    assert difference.shape == (1, 3, FULL, FULL)
    torch.testing.assert_close(residual.coefficients(difference, count), sent, atol=2e-3, rtol=2e-3)
    # The squared error of a pixel that coefficients take away is what their importance says.
    told = (sent.square() * residual.importance[:count]).sum()
    torch.testing.assert_close(difference.square().mean(), told, atol=0, rtol=1e-3)


def test_what_is_sent_is_what_the_picture_of_the_codes_lacks():
    plain = Residual(CONFIG)
    photo, sketch = (
        torch.rand(1, 3, FULL, FULL, generator=seeded()),
        torch.rand(1, 3, SKETCH, SKETCH, generator=seeded(1)),
    )
    difference = plain.difference(photo, sketch, 2560)
    torch.testing.assert_close(enlarged(sketch) + difference, photo)
    torch.testing.assert_close(enlarged(sketch), interpolate(sketch, size=(FULL, FULL), mode="bicubic"))


def test_the_emphasis_depends_on_the_number_of_symbols(residual):
    photo, sketch = (
        torch.rand(1, 3, FULL, FULL, generator=seeded()),
        torch.rand(1, 3, SKETCH, SKETCH, generator=seeded(1)),
    )
    torch.nn.init.normal_(residual.emphasis.know.weight, std=0.5)
    few, many = (residual.difference(photo, sketch, k) for k in (64, 32768))
    assert (few - many).abs().max() > 0.01


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 400), st.integers(0, 400), st.integers(1, 112), st.sampled_from([0.0, 1.0, float("nan")]),
    st.sampled_from([64, 2560, 32768]),
)  # fmt: skip
def test_what_is_sent_says_nothing_of_what_is_not_visible(residual, top, left, width, inside, k):
    photo, sketch = (
        torch.rand(1, 3, FULL, FULL, generator=seeded()),
        torch.rand(1, 3, SKETCH, SKETCH, generator=seeded(1)),
    )
    visible = torch.ones(1, 1, FULL, FULL, dtype=torch.bool)
    visible[..., top : top + width, left : left + width] = False
    changed = torch.where(visible, photo, inside)
    told, other = (residual.difference(of, sketch, k, visible) for of in (photo, changed))
    assert torch.equal(told, other) and told.isfinite().all()
    hidden = ~visible[0, 0]
    assert (told[0, :, hidden] == 0).all() and (told[0, :, ~hidden] != 0).any()
    count = min(k, CONFIG.coefficients)
    assert torch.equal(residual.coefficients(told, count), residual.coefficients(other, count))
    assert not torch.equal(told, residual.difference(photo, sketch, k))
