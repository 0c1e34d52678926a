"""The latent layout: every code belongs to the base or to one part, once."""

import pytest

from semwave.errors import SemwaveError
from semwave.latent.layout import CODES, PARTS, part_index, shape_index, texture_index


def test_layout_of_the_codes():
    indices = [0, 1] + [index for part in PARTS for index in (shape_index(part), texture_index(part))]
    assert indices == list(range(CODES))
    with pytest.raises(SemwaveError, match="background, skin, eyes"):
        part_index("beard")
