"""Sets and intervals at the level that the monitor's health asks for."""

import numpy as np
import pytest

from wardline.guards import ConformalInterval, ConformalSet
from wardline.health import Health
from wardline.testing import example_batch, example_reference

RNG = np.random.default_rng(0)
TRUTH = RNG.gamma(2.0, 10.0, 400)
ANSWERS = TRUTH + RNG.normal(0, 1, 400)
P = RNG.dirichlet([1.0, 1.0, 1.0], 400)
COLUMNS = {"x": RNG.normal(size=400).tolist()}
NUMBERS = example_reference(COLUMNS, rungs={"model": ANSWERS.tolist()}, targets=TRUTH.tolist())
CLASSES = example_reference(
    COLUMNS, rungs={"model": P.tolist()}, targets=[int(RNG.choice(3, p=row)) for row in P]
)


def health(level: float, until: float = 10.0) -> Health:
    return Health("example", at=0.0, until=until, levels={"model": level})


def widths(said: Health | None) -> np.ndarray:
    guard = ConformalInterval(level=0.8).prepare(NUMBERS)
    batch = example_batch(COLUMNS, rung="model", values=ANSWERS.tolist(), now=5.0, health=said)
    found = guard.screen(batch).measured["interval"]
    rows = [guard.check(batch.inference(i)).measured.interval for i in range(50)]
    np.testing.assert_array_equal(found[:50], rows)
    return found[:, 1] - found[:, 0]


def sizes(said: Health | None, *, per_class: bool = True) -> np.ndarray:
    guard = ConformalSet(level=0.8, per_class=per_class).prepare(CLASSES)
    batch = example_batch(COLUMNS, rung="model", probabilities=P.tolist(), now=5.0, health=said)
    found = guard.screen(batch).measured["members"]
    rows = [guard.check(batch.inference(i)).measured.members for i in range(50)]
    np.testing.assert_array_equal(found[:50], rows)
    return found.sum(axis=1)


@pytest.mark.parametrize("measure", [widths, sizes])
def test_sets_grow_with_the_level_asked_for_and_end_at_what_the_calibration_knows(measure):
    declared = measure(None)
    assert (measure(health(0.95)) >= declared).all()
    assert measure(health(0.95)).mean() > declared.mean()
    assert measure(health(0.5)).mean() < declared.mean()
    np.testing.assert_array_equal(measure(health(1.2)), measure(health(0.99999)))
    assert np.isfinite(measure(health(1.2))).all()


@pytest.mark.parametrize("measure", [widths, sizes])
def test_the_declared_level_is_the_level_where_health_is_stale_or_says_nothing(measure):
    declared = measure(None)
    np.testing.assert_array_equal(measure(health(0.95, until=1.0)), declared)
    np.testing.assert_array_equal(measure(Health("example", 0.0, 10.0)), declared)
    np.testing.assert_array_equal(measure(health(0.8)), declared)
