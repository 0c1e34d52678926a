"""What the controls of the page offer."""

from dataclasses import replace
from itertools import pairwise

import pytest

from semwave.apps.web.asked import STOPS, offered_ks
from semwave.zoo import LOWEST_K, MODELS, CodecConfig, config_of, without_residual


@pytest.mark.parametrize("name", MODELS)
def test_a_slider_over_any_k_has_stops_at_equal_ratios(name):
    config = config_of(name)
    ks = offered_ks(config)
    assert (ks[0], ks[-1]) == (LOWEST_K, config.highest_k) and config.k in ks
    assert 100 < len(ks) <= STOPS + 1 and all(config.offers(k) for k in ks)
    assert all(1 < b / a < 1.08 for a, b in pairwise(ks))


def test_a_slider_over_few_k_has_all():
    small = replace(without_residual(config_of("faces-512")), codec=CodecConfig(70, 1), k=66)
    assert offered_ks(small) == (64, 66, 68, 70)
