"""Owners as code: who answers for what, and what was left open."""

import pytest

from guards import employment, taxi
from wardline import Launch, Owner
from wardline.owner import DUTIES

WHOLE = Owner("ml", page="ml-oncall", escalate="platform", runbook="docs/ml.md")
FEED = Owner("feed", page="feed-oncall", escalate="ml", runbook="docs/feed.md")


def test_an_owner_answers_for_everything_that_no_other_owner_was_named_for():
    owner = Owner("ml", "ml-oncall", "platform", "docs/ml.md", overrides={"freshness": FEED})
    assert owner.of("freshness") is FEED
    assert owner.of("range") is owner
    assert hash(owner) == hash(WHOLE)  # owners are values, overrides or not


@pytest.mark.parametrize("name", ["team", "page", "escalate", "runbook"])
def test_a_blank_is_named(name):
    given = {"team": "a", "page": "b", "escalate": "c", "runbook": "d", name: "  "}
    assert Owner(**given).blanks() == (name,)


def test_a_gate_without_a_launch_has_settled_nothing():
    assert set(DUTIES) < set(Launch().unsettled())


@pytest.mark.parametrize("gate", [taxi.gate, employment.gate], ids=lambda gate: gate.name)
def test_the_services_here_have_settled_everything(gate):
    assert gate.launch.unsettled() == ()
    assert gate.owner.blanks() == ()
    assert (gate.root / gate.owner.runbook).is_file()
    assert gate.contract.upstream.owner.blanks() == ()
