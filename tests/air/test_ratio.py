"""k over n, as text and back."""

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
    assert k_of_ratio(text, size, (256, 2560)) == k


@pytest.mark.parametrize("ratio", ["2/3072", "1/0", "-1/3072", "nan", "", "1e999999999", "a/b", "0.1"])
def test_a_ratio_that_is_not_offered_is_an_error_that_lists_those_that_are(ratio):
    with pytest.raises(SemwaveError, match=r"1/3072 \(k = 256\), 10/3072 \(k = 2560\)"):
        k_of_ratio(ratio, 512, (2560, 256))
