"""What may be said to be private."""

import pytest

from semwave import Privacy, SemwaveError
from semwave.latent.layout import FACES, Layout
from semwave.privacy.settings import Mode

BAD = [
    ({"hide": ("eyes",), "keep": ("mouth",)}, "exclude each other"),
    ({"hide": ("eyes",), "mode": "magic"}, "unknown privacy mode 'magic'; the modes are filter, knowledge, strict"),
    ({"hide": ("eyes",), "lambda1": 0.0}, "lambda1 must be above 0"),
    ({"hide": ("eyes",), "lambda1": float("inf")}, "lambda1 must be above 0"),
    ({"hide": ("eyes",), "lambda1": float("nan")}, "lambda1 must be above 0"),
    ({"hide": ("eyes",), "lambda2": 0.0}, "lambda2 must lie between 0 and 1"),
    ({"hide": ("eyes",), "lambda2": 1.0}, "lambda2 must lie between 0 and 1"),
    ({"hide": ("eyes",), "lambda2": float("nan")}, "lambda2 must lie between 0 and 1"),
    ({"mode": "filter"}, "there is only strict mode"),
    ({"mode": "knowledge"}, "there is only strict mode"),
]


@pytest.mark.parametrize("options, message", BAD, ids=[str(options) for options, _ in BAD])
def test_bad_settings_are_refused(options, message):
    with pytest.raises(SemwaveError, match=message):
        Privacy(**options)


@pytest.mark.parametrize("mode", Mode)
def test_hidden_parts_are_in_the_order_of_the_layout(mode):
    assert Privacy(("mouth", "eyes", "mouth"), mode=mode).hidden(FACES) == ("eyes", "mouth")
    assert Privacy(keep=("eyes",), mode=mode).hidden(FACES) == tuple(part for part in FACES.parts if part != "eyes")


def test_without_parts_only_a_region_is_private():
    assert Privacy().hidden(FACES) == ()


def test_parts_are_those_of_the_layout_that_is_asked():
    cats = Layout(("fur", "whiskers"))
    assert Privacy(("whiskers",)).hidden(cats) == ("whiskers",)
    assert Privacy(keep=("whiskers",)).hidden(cats) == ("fur",)
    with pytest.raises(SemwaveError, match="unknown part 'eyes'; the parts are fur, whiskers"):
        Privacy(("eyes",)).hidden(cats)
    with pytest.raises(SemwaveError, match="unknown part 'eyes'; the parts are fur, whiskers"):
        Privacy(keep=("whiskers", "eyes")).hidden(cats)


def test_to_keep_everything_is_refused():
    with pytest.raises(SemwaveError, match="every part is kept"):
        Privacy(keep=FACES.parts).hidden(FACES)
