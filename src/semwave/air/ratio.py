"""The ratio k / n: real channel uses over numbers of a picture."""

import re
from fractions import Fraction

from semwave.errors import SemwaveError


def source_numbers(size: int) -> int:
    """n = H W 3, the numbers of a picture ``size`` pixels wide and high."""
    return size * size * 3


def ratio_text(k: int, size: int) -> str:
    """The ratio k / n at ``size``, exactly: "10/3072", in lowest terms where it is no multiple of 1/3072."""
    ratio = Fraction(k, source_numbers(size))
    whole = ratio * 3072
    return f"{whole}/3072" if whole.denominator == 1 else str(ratio)


def k_of_ratio(ratio: str, size: int) -> int:
    """The k that makes k / n = ``ratio`` ("1/3072") at ``size``.

    Raises:
        SemwaveError: not a ratio, or one that no whole number of symbols makes.
    """
    # The pattern also keeps exponents out: Fraction("1e999999999") would take for ever.
    if not re.fullmatch(r"\d{1,9}(/0*[1-9]\d{0,8}|\.\d{1,15})?", ratio):
        raise SemwaveError(f"'{ratio}' is not a ratio; give one such as 1/3072")
    k = Fraction(ratio) * source_numbers(size)
    if k.denominator != 1:
        near = round(k / 2) * 2
        raise SemwaveError(
            f"ratio '{ratio}' is {float(k):g} symbols at {size}x{size}; {ratio_text(near, size)} is k = {near}"
        )
    return int(k)


def snr_text(snr_db: float) -> str:
    """``snr_db`` as it stands in names of files: short, and another one for every other SNR.

    >>> snr_text(10.0), snr_text(10.0000001)
    ('10', '10.0000001')
    """
    short = f"{snr_db:g}"
    return short if float(short) == snr_db else repr(float(snr_db))
