"""A folder of days: tone and colour against the same time of other days."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

import numpy as np

from tests.stats.test_camera_hours import DAY, WARMER, days, shifted
from wardline.camera.days import LEVEL, by_day, of_days
from wardline.camera.events import explained
from wardline.camera.folder import Seen
from wardline.stats.camera_change.hours import HOURS
from wardline.stats.codec import Header
from wardline.stats.image import Statistics

FIRST, START, STOP = datetime(2026, 5, 1), 9 * DAY, 10 * DAY


@cache
def seen(by: float = 0.0) -> list[Seen]:
    rows = shifted(days(200, 11), START, STOP, {name: by * step for name, step in WARMER.items()})
    return [
        Seen(f"{place:05d}.jpg", Header("jpeg", 1, 1, 3), Statistics(*row.tolist()),
             FIRST + timedelta(minutes=20 * place))
        for place, row in enumerate(rows)
    ]  # fmt: skip


def test_a_day_in_other_colours_is_one_event_with_its_interval_and_its_end() -> None:
    (event,) = of_days(seen(by=2.0))
    assert (event.kind, event.severity) == ("isp.white_balance", "alert")
    assert event.within[0] <= START <= event.within[1] <= START + HOURS
    assert event.within[0] <= event.place <= event.within[1]
    assert STOP <= event.stop <= STOP + HOURS + 1
    assert event.p_value is not None
    assert event.p_value <= LEVEL
    assert "colours are balanced differently" in explained(event).lower()
    assert np.isfinite(event.effect)


def test_days_of_a_reference_count_and_its_own_changes_are_not_told() -> None:
    whole = seen(by=2.0)
    (event,) = of_days(whole[8 * DAY :], whole[: 8 * DAY])
    assert event.within[0] <= START - 8 * DAY <= event.within[1]
    assert of_days(seen()[10 * DAY :], whole[: 10 * DAY]) == []


def test_unchanged_days_few_days_and_few_frames_a_day_are_told_nothing_of() -> None:
    assert of_days(seen()) == []
    assert of_days(seen(by=2.0)[4 * DAY :]) == []
    assert of_days(seen(by=2.0)[:: DAY // 2]) == []
    assert of_days([each._replace(taken=None) for each in seen(by=2.0)]) == []


def test_a_change_that_lasts_a_day_is_named_by_that_day() -> None:
    frames = seen(by=2.0)
    (event,) = of_days(frames)
    guessed = event._replace(kind="optics.dirt", sure=0.4)
    (named,) = by_day([guessed], frames)
    assert (named.kind, named.day, guessed.day) == ("isp.white_balance", True, False)
    assert named.sure > 0.4
    assert (named.place, named.stop, named.evidence) == (event.place, event.stop, event.evidence)
    assert "sure, from a day of frames" in explained(named)
    assert by_day([guessed._replace(p_value=None)], frames)[0].kind == "optics.dirt"  # a header is a fact
    assert by_day([guessed._replace(stop=event.place + DAY // 2)], frames)[0].kind == "optics.dirt"
    assert by_day([guessed], [each._replace(taken=None) for each in frames])[0].kind == "optics.dirt"
