"""The rules that every scheme is held to."""

import pytest
from schemes import Own, link

from semwave.baselines.facts import Facts
from semwave.errors import SemwaveError
from semwave.evaluation.scheme import deliver, facts_of


def test_what_breaks_the_rules_is_refused(picture):
    assert deliver(Own(), picture, link()).k == 300
    with pytest.raises(SemwaveError, match="300 crossed"):
        deliver(Own(claimed=30), picture, link())
    with pytest.raises(SemwaveError, match="mean square 2"):
        deliver(Own(power=2.0), picture, link())
    with pytest.raises(SemwaveError, match="not a picture"):
        deliver(Own(square=False), picture, link())


def test_a_scheme_may_leave_its_facts_out():
    scheme = Own()
    assert facts_of(scheme) == Facts()
    scheme.facts = Facts("mine", k=300)
    assert facts_of(scheme).family == "mine"
