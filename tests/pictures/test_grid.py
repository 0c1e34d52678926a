"""Pictures beside each other."""

import numpy as np

from semwave.pictures.grid import side_by_side


def test_the_comparison_shows_sent_and_received_with_white_between(squares):
    left, right = squares(0), squares(1)
    both = side_by_side(left, right)
    np.testing.assert_array_equal(both[:, :256], left)
    np.testing.assert_array_equal(both[:, -256:], right)
    assert (both[:, 256:-256] == 255).all() and 2 <= both.shape[1] - 512 <= 8
