"""The colour of skin, in CIELAB (D65, 2 degrees, as scikit-image has it)."""

import math

import numpy as np
from skimage.color import rgb2lab


def mean_colour(picture: np.ndarray, skin: np.ndarray) -> tuple[float, float, float]:
    """Mean L*, a*, b* of ``picture`` (S, S, 3), sRGB, uint8, where ``skin`` (S, S) bool is set; it is somewhere."""
    lightness, red, yellow = rgb2lab(picture[skin]).mean(0)
    return float(lightness), float(red), float(yellow)


def tone(lightness: float, yellow: float) -> float:
    """Individual typology angle in degrees (Chardon et al. 1991) of skin with these L* and b*: the lighter, the larger.
    Above 55 is called very light, below -30 dark."""
    return math.degrees(math.atan2(lightness - 50, yellow))
