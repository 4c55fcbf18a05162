"""Tone and colour over days: silent on living days, and right about what changed within six hours."""

from __future__ import annotations

import numpy as np
import pytest

from wardline.stats.camera_change.hours import CAMERA_DAYS, Change, Hours, Taught, taught
from wardline.stats.camera_change.template import HOURS, LEARNED_S, SLOT_S, hour_of, toned
from wardline.stats.image import Statistics

DAY = 86_400 // SLOT_S
USUAL = {
    "exposure": 110.0, "black": 20.0, "white": 235.0, "tone_dark": -2.0, "tone_mid": -0.4, "tone_bright": 1.3,
    "contrast": 120.0, "clipped_dark": 0.004, "clipped_bright": 0.01, "vignetting": -0.1, "gain_red": 0.1,
    "gain_blue": -0.15, "bright_red": 0.08, "bright_blue": -0.1, "dark_red": 3.0, "dark_blue": -4.0,
    "saturation": 0.3, "chroma": 20.0, "channel_correlation": 0.9, "noise": 2.0, "detail": 6.0,
    "detail_mid": 0.5,
}  # fmt: skip
WEATHER = {
    "exposure": 8.0, "black": 3.0, "white": 8.0, "contrast": 8.0, "tone_dark": 0.1, "tone_mid": 0.08,
    "tone_bright": 0.15, "gain_red": 0.008, "gain_blue": 0.008, "bright_red": 0.008, "bright_blue": 0.008,
    "dark_red": 0.5, "dark_blue": 0.5, "saturation": 0.015, "chroma": 1.0, "detail": 0.1, "noise": 0.1,
}  # fmt: skip
"""How far weather moves a statistic: one standard deviation; clouds last four hours."""

WARMER = {"gain_red": 0.07, "bright_red": 0.07, "gain_blue": -0.07, "bright_blue": -0.07, "dark_red": 2.5,
          "dark_blue": -2.5}  # fmt: skip


def days(seed: int, many: int, per_slot: int = 1) -> np.ndarray:
    """Draw frames: each statistic with its course over the day and weather that comes and goes."""
    rng = np.random.default_rng(seed)
    count = many * DAY * per_slot
    hour = np.sin(2 * np.pi * np.arange(count) / (DAY * per_slot) + rng.uniform(0, 6))
    rows = np.zeros((count, len(Statistics._fields)))
    kept = np.exp(-1 / (12 * per_slot))
    for name, usual in USUAL.items():
        drawn, weather = rng.normal(0, np.sqrt(1 - kept**2), count), np.zeros(count)
        for place in range(1, count):
            weather[place] = kept * weather[place - 1] + drawn[place]
        size = WEATHER.get(name, 0.02 * abs(usual))
        rows[:, Statistics._fields.index(name)] = usual + size * (2 * hour + weather)
    return rows


def shifted(rows: np.ndarray, start: int, stop: int, by: dict[str, float]) -> np.ndarray:
    changed = rows.copy()
    for name, step in by.items():
        changed[start:stop, Statistics._fields.index(name)] += step
    return changed


def watched(watch: Hours, rows: np.ndarray, first: int = 0, every_s: float = SLOT_S) -> list[Change]:
    found = (watch.update(row, (first + place) * every_s + 1.0) for place, row in enumerate(rows))
    return [change for change in found if change is not None]


def test_unchanged_days_are_told_no_more_often_than_declared() -> None:
    many, cameras = 16, 5
    told = sum(len(watched(Hours(), days(seed, many))) for seed in range(cameras))
    judged = cameras * (many - LEARNED_S / 86_400)
    assert told <= 2 + 2 * judged / CAMERA_DAYS


def test_a_declared_rate_moves_the_limit_along_the_tail_and_not_what_a_score_is_worth() -> None:
    usual, often = taught(), taught().declared(3.5)
    assert often.limit < usual.limit

    def rate(known: Taught, score: float, tail: float = 2.0) -> float:
        limit = known.limit * tail
        return Change(1.0, 0.0, score, limit, known.fall, known.days, 0, 18, [], []).rate

    for score in (2.0, 3.0, 5.0):
        assert rate(often, score) == pytest.approx(rate(usual, score))
    assert rate(often, often.limit * 2.0) < 1 / (3.5 * 86_400)  # something is to spare
    assert usual.declared(CAMERA_DAYS).limit == usual.limit


def test_another_white_balance_is_told_within_six_hours_named_dated_and_over_once_undone() -> None:
    start, stop = 9 * DAY + 7, 10 * DAY + 7
    watch = Hours()
    rows = shifted(days(110, 12), start, stop, WARMER)
    (change,) = watched(watch, rows[: start + HOURS + 1])
    assert change.causes[0][0] == "isp.white_balance"
    assert change.since <= start * SLOT_S < change.at <= (start + HOURS) * SLOT_S
    moved = dict(change.evidence)
    assert len(moved.keys() & WARMER.keys()) >= 2
    assert all(np.sign(moved[name]) == np.sign(step) for name, step in WARMER.items() if name in moved)
    watched(watch, rows[start + HOURS + 1 : stop], start + HOURS + 1)
    standing = watch.standing
    assert standing is not None
    assert (standing.score >= change.score, standing.rate <= change.rate) == (True, True)
    assert change.rate <= 1 / (CAMERA_DAYS * 86_400)
    assert watched(watch, rows[stop : stop + DAY], stop) == []
    assert watch.standing is None


def test_nights_that_look_different_every_day_are_no_change() -> None:
    for seed in (400, 401):
        rows = days(seed, 14)
        dusk = np.random.default_rng(seed).normal(0, 1, 15)
        hours = np.arange(len(rows)) / 3
        night = sum(
            np.clip((hours - each) * 2, 0, 1) - np.clip((hours - each - 10) * 2, 0, 1)
            for each in 24 * np.arange(-1, 14) + 19 + dusk
        )
        for name, step in {
            "exposure": -70,
            "black": -14,
            "white": -60,
            "contrast": -50,
            "saturation": -0.12,
            "gain_red": 0.15,
            "bright_red": 0.15,
            "gain_blue": -0.1,
            "noise": 1.5,
        }.items():
            rows[:, Statistics._fields.index(name)] += step * night
        assert watched(Hours(), rows) == []


def test_before_a_week_and_from_a_frame_an_hour_nothing_is_said() -> None:
    rows = shifted(days(101, 8), 5 * DAY, 8 * DAY, WARMER)
    assert watched(Hours(), rows[: 7 * DAY - 1]) == []
    rows = shifted(days(101, 16), 14 * DAY, 16 * DAY, WARMER)
    assert watched(Hours(), rows[::3], every_s=3 * SLOT_S) == []


def test_what_does_not_change_the_frames_does_not_change_the_answer_when_they_come_faster() -> None:
    rows = shifted(days(102, 10), 9 * DAY, 10 * DAY, WARMER)
    slow, fast = Hours(), Hours()
    (one,) = watched(slow, rows)
    (other,) = watched(fast, np.repeat(rows, 20, axis=0), every_s=SLOT_S / 20)
    assert (one.at, one.since, one.causes[0][0]) == (other.at, other.since, other.causes[0][0])
    assert one.score == pytest.approx(other.score, rel=1e-3)


def test_frames_without_colour_are_no_part_of_a_day() -> None:
    rows = days(103, 10)
    dark = rows.copy()
    dark[:, Statistics._fields.index("chroma")] = 0.5
    dark[:, Statistics._fields.index("exposure")] = 20.0
    seen, mixed = Hours(), Hours()
    for place, row in enumerate(rows):
        at = place * SLOT_S + 1.0
        seen.update(row, at)
        mixed.update(row, at)
        mixed.update(dark[place], at + 1.0)
    assert np.array_equal(seen.template.moment, mixed.template.moment)


def test_a_late_frame_counts_where_it_comes_and_a_clock_set_back_starts_its_hours_anew() -> None:
    rows = days(106, 5)
    watch, late = Hours(), Hours()
    watched(watch, rows)
    for place, row in enumerate(rows):
        late.update(row, place * SLOT_S + 1.0)
        if place:
            late.update(row, place * SLOT_S - 1.0)  # of the slot before
    assert np.array_equal(watch.template.slots, late.template.slots)
    assert np.array_equal(watch.template.window, late.template.window)
    slots = len(rows) - 30 * DAY
    watched(watch, rows[:20], slots)
    assert watch.template.slots.tolist() == list(range(slots + 19 - HOURS, slots + 19))
    assert watch.template.first == slots
    assert not watch.template.known(slots + 19)


def test_what_was_not_measured_says_nothing_and_breaks_nothing() -> None:
    rows = days(104, 10)
    rows[::5, Statistics._fields.index("dark_red")] = np.nan
    rows[:, Statistics._fields.index("bright_blue")] = np.nan
    watch = Hours()
    assert watched(watch, rows) == []
    assert np.isfinite(watch.spread).all()


def test_levels_move_alike_with_light_and_the_hour_knows_no_zone() -> None:
    one = days(105, 1)[:1]
    two = one.copy()
    for name in ("exposure", "black", "white", "contrast"):
        two[0, Statistics._fields.index(name)] *= 1.1
    moved = (toned(two) - toned(one))[0, :7]
    assert (moved > 0).all()
    assert moved.max() < 0.1
    assert np.allclose(hour_of(np.array([5])), hour_of(np.array([5 + 3 * DAY])))
    assert len(taught().kinds) == len(taught().wanted) == len(taught().tails)
