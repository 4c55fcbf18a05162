"""Owners as code: who answers for what, and what was left open."""

import dataclasses

import pytest

from guards import employment, taxi
from wardline import Owner, Upstream
from wardline.errors import DeclarationError

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


@pytest.mark.parametrize("promise", [{"fresh_s": 0}, {"complete": 99}, {"complete": 0}])
def test_a_promise_that_cannot_be_kept_or_broken_is_refused(promise):
    with pytest.raises(DeclarationError, match="give"):
        Upstream(FEED, **promise)


@pytest.mark.parametrize("gate", [taxi.gate, employment.gate], ids=lambda gate: gate.name)
def test_the_services_here_have_settled_everything(gate):
    assert None not in dataclasses.astuple(gate.launch)
    assert "" not in dataclasses.astuple(gate.launch)
    assert gate.owner.blanks() == ()
    assert (gate.root / gate.owner.runbook).is_file()
    assert gate.contract.upstream.owner.blanks() == ()
