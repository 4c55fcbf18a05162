"""The day after a change: held to the same hours of other days, it names what changed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stats.test_camera_hours import DAY, WARMER, days, shifted
from wardline.stats.camera_change.day import ENOUGH, KNOWN, Day, nets
from wardline.stats.camera_change.hours import Hours
from wardline.stats.camera_change.template import A_DAY, DAILY, SLOT_S, toned
from wardline.stats.image import Statistics

START = 4 * DAY + 20


def watched(rows: np.ndarray, start: int = START, every: int = 1) -> Hours:
    """Watch a camera whose change is told in slot `start`."""
    watch = Hours()
    for place, row in enumerate(rows):
        if place == start:
            watch.day = Day(start)
        if place % every == 0:
            watch.update(row, place * SLOT_S + 1.0)
    return watch


def test_another_white_balance_is_named_by_its_day_and_clean_days_differ_by_little() -> None:
    changed, clean = (
        watched(shifted(days(500, 6), START, 6 * DAY, {name: by * step for name, step in WARMER.items()}))
        for by in (1.0, 0.0)
    )
    assert changed.day is not None
    assert clean.day is not None
    causes = changed.day.causes(changed.template)
    assert causes[0][0] == "isp.white_balance"
    assert sum(chance for _, chance in causes) == pytest.approx(1.0)
    assert {cause for cause, _ in causes} == set(nets().classes)
    apart, usual = changed.day.sums / changed.day.slots, clean.day.sums / clean.day.slots
    for name in ("gain_red", "gain_blue"):
        assert apart[DAILY.index(name)] - usual[DAILY.index(name)] == pytest.approx(WARMER[name], abs=0.005)
    assert (changed.day.slots, changed.day.over) == (A_DAY, True)


def test_the_days_before_learn_nothing_of_the_day_that_is_named_and_go_on_after_it() -> None:
    rows = shifted(days(501, 7), START, 7 * DAY, WARMER)
    during, after = watched(rows[: START + 60]), watched(rows)
    before = watched(rows[: START + 1])
    assert np.array_equal(before.template.moment, during.template.moment)
    assert not np.array_equal(before.template.moment, after.template.moment)


def test_a_day_without_colour_is_night_mode() -> None:
    rows = days(502, 6)
    rows[START:, Statistics._fields.index("chroma")] = 0.4
    watch = watched(rows)
    assert watch.day is not None
    assert watch.day.causes(watch.template)[0][0] == "light.night"


def test_too_few_days_before_or_too_few_hours_after_say_nothing() -> None:
    rows = shifted(days(503, 6), START, 6 * DAY, WARMER)
    for watch in (
        watched(rows[: START + ENOUGH]), watched(rows[3 * DAY :], START - 3 * DAY), watched(rows, every=3),
    ):  # fmt: skip
        assert watch.day is not None
        assert watch.day.causes(watch.template) == []
        assert watch.day.slots < ENOUGH or watch.template.learned < KNOWN


def test_a_clock_that_is_set_back_ends_the_day() -> None:
    watch = watched(days(504, 5))
    watch.update(days(504, 5)[0], 1.0)
    assert watch.day is not None
    assert watch.day.over


def test_all_that_is_logged_is_known_of_a_day() -> None:
    assert toned(days(505, 1)).shape == (DAY, len(DAILY))
    assert set(DAILY) >= set(Statistics._fields) - {"tone_dark", "tone_mid", "tone_bright"}
    assert len(set(DAILY)) == len(DAILY)
