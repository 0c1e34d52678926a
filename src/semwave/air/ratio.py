"""The ratio k / n: real channel uses over numbers of a picture."""

import re
from collections.abc import Iterable
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


def k_of_ratio(ratio: str, size: int, offered: Iterable[int]) -> int:
    """The k among ``offered`` that makes k / n = ``ratio`` ("1/3072") at ``size``.

    Raises:
        SemwaveError: not a ratio, or one that no k makes; the message lists those there are.
    """
    # The pattern also keeps exponents out: Fraction("1e999999999") would take for ever.
    wanted = Fraction(ratio) if re.fullmatch(r"\d{1,9}(/0*[1-9]\d{0,8}|\.\d{1,15})?", ratio) else None
    offered = sorted(offered)
    for k in offered:
        if Fraction(k, source_numbers(size)) == wanted:
            return k
    there_are = ", ".join(f"{ratio_text(k, size)} (k = {k})" for k in offered)
    raise SemwaveError(f"ratio '{ratio}' is not offered at {size}x{size}; there are {there_are}")


def snr_text(snr_db: float) -> str:
    """``snr_db`` as it stands in names of files: short, and another one for every other SNR.

    >>> snr_text(10.0), snr_text(10.0000001)
    ('10', '10.0000001')
    """
    short = f"{snr_db:g}"
    return short if float(short) == snr_db else repr(float(snr_db))
