"""The kernel distance against a computation by hand, and against that of torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from semwave.evaluation.kid import kernel_distance


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 5)), rng.normal(0.3, 1.2, size=(12, 5))


def test_by_hand():
    # One number each, so that the kernel is (x y + 1)^3. Pairs (i, j): k(x, x) + k(y, y) - k(x_i, y_j) - k(x_j, y_i).
    sent, received = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [0.0], [1.0]])
    pairs = [1 + 1 - 1 - 1, 1 + 1 - 1 - 1, 27 + 1 - 8 - 1]
    distance, error = kernel_distance(sent, received)
    assert distance == pytest.approx(sum(pairs) / 3)
    # Each photograph left out in turn leaves one pair: 19, 0 and 0, whose variance is 19^2 * 2 / 9.
    assert error == pytest.approx((2 * 19**2 * 2 / 9) ** 0.5)


def test_over_all_pairings_its_mean_is_that_of_torchmetrics(features):
    sent, received = features
    ours = np.mean([kernel_distance(sent, np.roll(received, shift, 0))[0] for shift in range(len(sent))])
    assert ours == pytest.approx(poly_mmd(torch.tensor(sent), torch.tensor(received)).item())


def test_equal_pictures_have_none_and_others_have(features):
    sent, received = features
    assert kernel_distance(sent, sent) == (0, 0)
    distance, error = kernel_distance(sent, received + 2)
    assert distance > 2 * error > 0


def test_the_error_is_the_spread_of_many_draws():
    rng = np.random.default_rng(1)
    drawn = [kernel_distance(x := rng.normal(size=(40, 3)), x + rng.normal(0.4, 0.3, size=(40, 3))) for _ in range(300)]
    distances, errors = np.array(drawn).T
    assert errors.mean() == pytest.approx(distances.std(), rel=0.2)
