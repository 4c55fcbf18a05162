"""What a change in a stream is called: right across what the scene moves, and quickly."""

from __future__ import annotations

import numpy as np
import pytest

from wardline.stats.camera_change.contrast import fleet
from wardline.stats.camera_change.naming import causes, signs
from wardline.stats.camera_change.online import yardstick

KNOWN = fleet()
WIDTH = len(KNOWN.still)
FLEETS = yardstick(KNOWN.together, 0, KNOWN)
"""How far and how a camera's steps go that nobody has seen yet."""


def test_every_cause_but_one_is_the_name_of_some_step_that_is_taught() -> None:
    """A turned camera moves statistics any way: its middle step is none."""
    named = set()
    for move in KNOWN.moves:
        found = causes(move, *FLEETS, 24.0, KNOWN)
        odds = [each for _, each in found]
        assert sum(odds) == pytest.approx(1.0)
        assert odds == sorted(odds, reverse=True)
        named.add(found[0][0])
    assert set(KNOWN.classes) - named <= {"geometry.view"}


def test_what_the_scene_moves_is_looked_across_once_it_is_known() -> None:
    """Foliage that sways far hides what is no swaying only from who does not know how it sways here."""
    rng = np.random.default_rng(2)
    swing = rng.normal(0, 1, WIDTH)
    knowing = yardstick(KNOWN.together + 25.0 * np.outer(swing, swing), 5_000, KNOWN)
    kept = {"knowing": 0, "not": 0}
    for move in KNOWN.moves:
        name = causes(move, *FLEETS, 24.0, KNOWN)[0][0]
        for size in (-5.0, 5.0):
            seen = move + size * swing
            kept["knowing"] += causes(seen, *knowing, 24.0, KNOWN)[0][0] == name
            kept["not"] += causes(seen, *FLEETS, 24.0, KNOWN)[0][0] == name
    assert kept["knowing"] > 1.5 * kept["not"]


def test_signs_are_the_networks_inputs_for_many_differences_at_once() -> None:
    seen = np.random.default_rng(1).normal(0, 2, (5, WIDTH))
    told = signs(seen, *FLEETS, 24.0, KNOWN)
    assert told.shape == (5, len(KNOWN.stream_hidden) - 1)
    assert np.isfinite(told).all()
    np.testing.assert_allclose(told[3], signs(seen[3:4], *FLEETS, 24.0, KNOWN)[0])
    still = signs(np.zeros((1, WIDTH)), *FLEETS, 24.0, KNOWN)
    assert (still[0, :-1] == 0.0).all()
