"""What the controls of the page offer."""

from itertools import pairwise

import pytest

from semwave.apps.web.asked import STOPS, Sending, default_k, offered_ks
from semwave.errors import SemwaveError


class AnyK:
    """A configuration that offers every even k from 64 to 32768."""

    name = "any"

    def layers(self, k):
        if not 64 <= k <= 32768 or k % 2:
            raise SemwaveError("not offered")
        return ("codes",)


def test_a_slider_over_any_k_has_stops_at_equal_ratios():
    ks = offered_ks(AnyK())
    assert (ks[0], ks[-1]) == (64, 32768) and 100 < len(ks) <= STOPS and default_k(AnyK()) == 2560
    assert all(1.01 < b / a < 1.07 for a, b in pairwise(ks))


class TwoKs:
    """A configuration that offers two k."""

    def layers(self, k):
        if k not in (256, 512):
            raise SemwaveError("not offered")
        return ("codes",)


def test_of_two_ks_the_slider_has_both():
    assert offered_ks(TwoKs()) == (256, 512) and default_k(TwoKs()) == 512


def test_the_same_privacy_is_found_again():
    first, second = (Sending(hide=("eyes",), snr_db=snr_db).privacy for snr_db in (0, 10))
    assert first == second and hash(first) == hash(second) and Sending().privacy is None
    with pytest.raises(SemwaveError, match="exclude"):
        _ = Sending(hide=("eyes",), keep=("nose",)).privacy
