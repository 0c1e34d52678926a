"""The colour of skin against values from outside."""

import numpy as np
import pytest

from semwave.evaluation.people.skin import mean_colour, tone


def test_the_mean_is_that_of_the_skin_alone():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2], picture[2:, :2] = (255, 0, 0), 119
    skin = np.zeros((4, 4), bool)
    skin[:2] = True
    # Red of sRGB and the grey of L* = 50 (Lindbloom's calculator, D65).
    assert mean_colour(picture, skin) == pytest.approx((53.24, 80.09, 67.20), abs=0.03)
    skin[:] = False
    skin[3, 0] = True
    assert mean_colour(picture, skin) == pytest.approx((50.03, 0, 0), abs=0.03)


@pytest.mark.parametrize("lightness, yellow, degrees", [(70, 20, 45.0), (50, 15, 0.0), (32.68, 10, -60.0)])
def test_tone(lightness, yellow, degrees):
    assert tone(lightness, yellow) == pytest.approx(degrees, abs=0.01)
