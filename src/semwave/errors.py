"""The one exception that semwave raises for what a user can put right, and text as it may be shown."""

import unicodedata

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that move, hide or turn round what stands beside them, or that no UTF-8 has."""
JOINER = "\u200d"


class SemwaveError(Exception):
    """Bad input or a missing piece. The message is one line that says what is wrong and what to do; what it quotes of
    names and files is escaped where it would not be one line, or not be what is seen."""

    def __init__(self, message: object = ""):
        super().__init__(printable(message))


def printable(text: object) -> str:
    """``text`` on one line, as any terminal and any file of UTF-8 takes it: what else is in it is escaped.

    >>> printable("a\\tb[red].png")
    'a\\\\tb[red].png'
    """
    return "".join(
        c.encode("unicode_escape", "surrogatepass").decode() if c != JOINER and unicodedata.category(c) in UNSEEN else c
        for c in str(text)
    )
