"""Schemes by name, ours and yours."""

import sys

import pytest

from semwave.baselines.facts import IDEAL, SEMWAVE
from semwave.errors import SemwaveError
from semwave.evaluation.registry import SCHEMES, SWEPT, channels, find_scheme
from semwave.evaluation.scheme import facts_of


def test_the_paper_needs_every_scheme():
    named = {"deep-jscc-k2560", "deep-jscc-k32768", "separation-k2560-for-10dB", "ideal-k256", "faces-512-codes-k256"}
    assert named <= set(SCHEMES)
    with pytest.raises(SemwaveError, match="unknown scheme"):
        find_scheme("paper")


def test_a_scheme_has_the_name_that_it_is_found_by(linear_model):
    for name in SCHEMES:
        scheme = find_scheme(name)
        facts = facts_of(scheme)
        # A small model stands for all that are shipped.
        assert scheme.name == name or facts.family == SEMWAVE
        assert f"k{facts.k}" in name.split("-")


def test_what_says_nothing_under_fading_is_measured_without(linear_model):
    for name in SCHEMES:
        facts = facts_of(find_scheme(name))
        alone = facts.family == IDEAL or facts.held_snr_db is not None or "-codes-" in name or name in SWEPT
        assert channels(name) == (("awgn",) if alone else ("awgn", "rayleigh"))
    assert channels("own:Thumbnail") == ("awgn", "rayleigh")


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # Python keeps what a test before had under this name.
    (tmp_path / "mine.py").write_text(
        "class Blur:\n    name, key = 'blur', '1'\n    def send(self, image, link): ...\n"
        "class Broken: ...\n"
        "from semwave import SemwaveError\n"
        "def refuse(): raise SemwaveError('not today')\n"
    )


def test_a_scheme_of_your_own_is_found_in_the_working_folder(own):
    assert find_scheme("mine:Blur").name == "blur"


@pytest.mark.parametrize(
    "name, message",
    [
        ("telepathy", "unknown scheme 'telepathy'; the schemes are faces-512-k256"),
        ("nowhere:Blur", "nowhere"),
        ("mine:Missing", "Missing"),
        ("mine:Broken", "needs name, key and send"),
        ("mine:refuse", "not today"),
    ],
)
def test_what_is_no_scheme_is_refused(own, name, message):
    with pytest.raises(SemwaveError, match=message):
        find_scheme(name)
