"""Adaptive augmentation: what is changed, how often, and that picture and segmentation move together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semwave.training.ada import EVERY, TARGET, AdaptiveAugmentation, colouring, placement


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_probability_nothing_changes():
    image, segmentation = torch.randn(2, 3, 8, 8), torch.randn(2, 13, 8, 8)
    same = AdaptiveAugmentation()(image, segmentation, seeded())
    assert same[0] is image and same[1] is segmentation


@settings(max_examples=10, deadline=None)
@given(st.floats(0.05, 1), st.integers(0, 2**31))
def test_picture_and_segmentation_move_together(p, seed):
    augmentation = AdaptiveAugmentation()
    augmentation.p.fill_(p)
    part = torch.zeros(6, 13, 32, 32)
    part[:, 3, 8:20, 4:12] = 1
    segmentation = part * 2 - 1
    image, moved = augmentation(segmentation[:, 3:4].repeat(1, 3, 1, 1), segmentation, seeded(seed))
    # Colours change a grey picture alike in all channels, and linearly: it still is a function of the segmentation.
    assert torch.allclose(image[:, 0], image[:, 1], atol=1e-4) and torch.allclose(image[:, 0], image[:, 2], atol=1e-4)
    for grey, mask in zip(image[:, 0], moved[:, 3], strict=True):
        inside, outside = grey[mask > 0.999], grey[mask < -0.999]
        assert all(values.numel() < 2 or values.std() < 1e-2 for values in (inside, outside))
    # Bilinear weights add up to one, so parts still share every place.
    segmentation[:, 0] = -segmentation[:, 3]
    moved = augmentation(image, segmentation, seeded(seed))[1]
    assert torch.allclose(moved.sum(1), torch.tensor(-11.0), atol=1e-3)


def test_augmentation_is_seeded_and_differentiable():
    augmentation = AdaptiveAugmentation()
    augmentation.p.fill_(0.8)
    image, segmentation = (torch.randn(4, count, 8, 8).requires_grad_() for count in (3, 13))
    one, same, other = (augmentation(image, segmentation, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1]) and not torch.equal(one[0], other[0])
    (one[0].sum() + one[1].sum()).backward()
    assert image.grad.abs().sum() > 0 and segmentation.grad.abs().sum() > 0


def test_changes_are_as_frequent_as_p_says():
    p, count = 0.1, 20_000
    still = (placement(count, p, seeded()) - torch.eye(3)).abs().amax((1, 2)) < 1e-6
    # Mirror (half the time), quarter turns (three of four), shift (x, y), scale, turns, stretch, shift (x, y).
    expected = (1 - p / 2) * (1 - 0.75 * p) * (1 - p) ** 2 * (1 - p) * (1 - p) * (1 - p) * (1 - p) ** 2
    assert still.float().mean().item() == pytest.approx(expected, abs=0.015)
    kept = (colouring(count, p, seeded()) - torch.eye(3, 4)).abs().amax((1, 2)) < 1e-5
    # Contrast, luma (half the time), hue, saturation, brightness.
    assert kept.float().mean().item() == pytest.approx((1 - p / 2) * (1 - p) ** 4, abs=0.015)


def test_the_probability_follows_the_scores():
    """From 0 to 1 in the given number of images while too many scores are positive, and back."""
    augmentation = AdaptiveAugmentation(images=160)
    for step in range(1, 11):
        augmentation.update(torch.tensor(TARGET + 0.1), 16)
        assert augmentation.p.item() == pytest.approx(16 * EVERY * (step // EVERY) / 160)
    for _ in range(40):
        augmentation.update(torch.tensor(1.0), 16)
    assert augmentation.p.item() == 1
    for _ in range(40):
        augmentation.update(torch.tensor(TARGET - 0.1), 16)
    assert augmentation.p.item() == 0
