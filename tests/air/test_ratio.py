"""k over n, as text and back."""

from fractions import Fraction

import pytest

from semwave.air.ratio import k_of_ratio, ratio_text
from semwave.errors import SemwaveError


@pytest.mark.parametrize(
    "k, size, text",
    [
        (256, 512, "1/3072"),
        (2560, 512, "10/3072"),
        (256, 256, "4/3072"),
        (2560, 256, "40/3072"),
        (256, 1024, "1/12288"),
        (2560, 1024, "5/6144"),
    ],
)
def test_ratio_is_real_symbols_over_numbers_of_the_picture(k, size, text):
    numerator, denominator = map(int, text.split("/"))
    assert numerator * size * size * 3 == k * denominator
    assert ratio_text(k, size) == text
    assert k_of_ratio(text, size) == k


@pytest.mark.parametrize("ratio", ["1/0", "-1/3072", "nan", "", "1e999999999", "a/b"])
def test_what_is_no_ratio_is_refused(ratio):
    with pytest.raises(SemwaveError, match=r"is not a ratio; give one such as 1/3072"):
        k_of_ratio(ratio, 512)


@pytest.mark.parametrize("ratio", ["1/1000", "0.1"])
def test_a_ratio_of_no_whole_number_of_symbols_names_the_nearest(ratio):
    with pytest.raises(SemwaveError, match=rf"ratio '{ratio}' is .* symbols at 512x512; .* is k = \d+") as caught:
        k_of_ratio(ratio, 512)
    near = int(str(caught.value).split()[-1])
    assert near % 2 == 0 and abs(near - float(Fraction(ratio)) * 3 * 512**2) <= 1
