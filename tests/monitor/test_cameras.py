"""Cameras from the log's records: what began, what ended, and who is held for it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.stats.test_camera_change import stream
from tests.stats.test_camera_hours import DAY, USUAL, WARMER, days, shifted
from wardline.guards import Hold
from wardline.health import Health
from wardline.monitor.camera import STEP_S
from wardline.monitor.camera_checkpoint import packed, unpacked
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_state import rested, woken
from wardline.monitor.cameras import COLUMNS, Watch
from wardline.stats.camera_change.contrast import fleet
from wardline.stats.image import Statistics
from wardline.testing import example_batch


def records(rows: np.ndarray, camera: str = "field-1", start: int = 0, **given: Any) -> dict[str, list[Any]]:
    count = len(rows)
    columns: dict[str, list[Any]] = {
        "time": [60.0 * (start + index) for index in range(count)],
        "camera": [camera] * count,
        "firmware": [given.get("firmware", "1.0")] * count,
        "feature.encoder": [given.get("encoder", "jpeg-1")] * count,
        "feature.level": [given.get("level", 90.0)] * count,
        "feature.width": [given.get("width", 640)] * count,
        "feature.height": [480] * count,
    }
    return columns | {
        f"feature.{name}": rows[:, place].tolist() for place, name in enumerate(Statistics._fields)
    }


def test_what_is_read_is_declared() -> None:
    assert set(records(stream(1, 0))) == set(COLUMNS)


@pytest.mark.parametrize(
    ("given", "kind", "held"),
    [
        ({"encoder": "jpeg-2"}, "codec.requantised", True),
        ({"level": 75.0}, "codec.requantised", True),
        ({"width": 800}, "geometry.resolution", True),
        ({"firmware": "2.0"}, "identity.firmware", False),
    ],
)
def test_headers_speak_from_one_frame_and_hold_until_they_are_as_before(
    given: dict[str, Any], kind: str, held: bool
) -> None:
    watch, rows = Watch(), stream(40, 0)
    assert list(watch.take(records(rows[:30]))) == []
    (event,) = watch.take(records(rows[30:31], start=30, **given))
    assert (event.camera, event.kind, event.at, event.since, event.until) == ("field-1", kind, 1800, 1740, 0)
    assert [(each.column, each.value) for each in watch.holds()] == [("camera", "field-1")] * held
    (ended,) = watch.take(records(rows[31:32], start=31))
    assert (ended.kind, ended.until) == (kind, 1860)
    assert watch.open() == []


@pytest.mark.parametrize(
    ("levels", "named"), [([90.0, 90.0], False), ([75.0, 90.0], True), ([None, None], True)]
)
def test_what_looks_like_a_new_compression_is_none_where_headers_say_so(
    levels: list[float | None], named: bool
) -> None:
    """A camera that moves its level by itself, and one whose level is not known, may have done it."""
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("codec.requantised")]
    columns = records(stream(140, 1, shift, 100))
    columns["feature.level"] = levels * 70
    found = [event.kind for event in Watch().take(columns) if not event.until]
    assert found
    assert ("codec.requantised" in found) == named


def test_a_camera_whose_pictures_are_all_of_another_size_has_no_size_to_change() -> None:
    watch, rows = Watch(), stream(40, 0)
    for place in range(40):
        assert list(watch.take(records(rows[place : place + 1], start=place, width=640 + place))) == []


def test_rate_control_moves_within_its_range_and_a_level_beyond_it_is_news() -> None:
    watch, rows = Watch(), stream(60, 0)
    for place in range(60):
        level = 80.0 + place * 7 % 10
        assert list(watch.take(records(rows[place : place + 1], start=place, level=level))) == []
    (event,) = watch.take(records(rows[:1], start=60, level=60.0))
    assert (event.kind, event.evidence) == ("codec.requantised", (("level", "80.0 to 87.0", "60.0"),))


def test_a_change_in_the_pixels_is_named_dated_held_and_ends_when_it_is_undone() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    watch, rows = Watch(), stream(240, 4, shift, 100, 170)
    began, *rest = watch.take(records(rows))
    assert (began.kind, began.until) == ("sensor.noise", 0.0)
    assert began.since <= 6000 <= began.at <= 6600
    assert any(name.startswith("noise") for name, _, _ in began.evidence)
    assert [each.until > 10_000 for each in rest] == [True]
    assert watch.holds() == ()


def test_the_hold_names_the_camera_alone_and_a_new_enrolment_settles_it() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    watch = Watch()
    list(watch.take(records(stream(130, 5, shift, 100), "a")))
    list(watch.take(records(stream(130, 6), "b")))
    (held,) = watch.holds()
    assert (held.column, held.value, held.reason, held.severity) == ("camera", "a", "sensor.noise", "warn")
    health = Health("leaf", at=100.0, until=200.0, holds=watch.holds())
    frames = [SimpleNamespace(camera=name) for name in ("a", "b")]
    batch = example_batch({"x": [1.0, 1.0]}, rows=frames, now=101.0, health=health)
    spoken = [Hold().check(batch.inference(place)) for place in range(2)]
    assert [each.severity.value for each in spoken] == ["warn", "ok"]
    assert spoken[0].observed == "sensor.noise"
    watch.settle("a")
    assert watch.holds() == ()


def test_rejected_rows_and_rows_of_no_camera_are_passed_over() -> None:
    rows = np.full((3, len(Statistics._fields)), np.nan)
    assert list(Watch().take(records(rows))) == []
    assert list(Watch().take(records(stream(3, 0), ""))) == []


def test_cameras_longest_unseen_are_forgotten() -> None:
    watch = Watch(room=2)
    for name in ("a", "b", "c"):
        list(watch.take(records(stream(10, 0), name)))
    events: list[CameraEvent] = list(watch.take(records(stream(1, 1), "a", encoder="jpeg-9")))
    assert events == []


def test_a_change_that_frames_after_it_do_not_bear_out_is_let_go_of() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    watch = Watch()
    began, ended = watch.take(records(stream(240, 4, shift, 100, 112)))
    assert (began.kind, began.since) == ("sensor.noise", ended.since)
    assert 6600 <= ended.until <= 60 * 160
    assert watch.open() == []


def test_frames_that_follow_make_a_change_surer() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    watch, rows = Watch(), stream(145, 4, shift, 100)
    (began,) = watch.take(records(rows))
    (now,) = watch.open()
    assert (now.kind, now.at, now.since) == (began.kind, began.at, began.since)
    assert now.rate < began.rate < 1 / 3999
    assert now.frames > began.frames


def test_the_state_of_every_camera_is_kept_and_goes_on() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    rows = stream(240, 4, shift, 100, 170)
    whole, parted = Watch(), Watch()
    expected = list(whole.take(records(rows)))
    found: list[CameraEvent] = []
    for start in (0, 60, 103, 130, 175):
        stop = {0: 60, 60: 103, 103: 130, 130: 175, 175: 240}[start]
        parted = unpacked(packed(parted))
        found += parted.take(records(rows[start:stop], start=start))
    assert found == expected
    assert len(expected) == 2
    assert len(packed(whole)) < 12 * 1024


def bytes_held(watch: Watch) -> int:
    """Count every object that it holds, once each: what types, functions and modules hold is not its own."""
    seen: dict[int, Any] = {}
    left: list[Any] = [watch]
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType | FunctionType):
            seen[id(each)] = each
            left += gc.get_referents(each)
    return sum(sys.getsizeof(each) for each in seen.values())


def test_a_camera_takes_under_sixteen_kib_whatever_stands() -> None:
    """Settled, with a change of hours that stands, in each frame after a fast one, with new headers too."""
    start = 10 * DAY
    changed = 2.0 * fleet().signatures[fleet().kinds.index("sensor.noise")]
    rows = stream(11 * DAY, 4, changed, start)
    warm = shifted(days(300, 11), start - 30, 11 * DAY, {name: 2 * step for name, step in WARMER.items()})
    for name in USUAL.keys() - {"noise", "detail", "detail_mid"}:
        place = Statistics._fields.index(name)
        rows[:, place] = warm[:, place]
    columns = records(rows) | {"time": [1200.0 * place for place in range(len(rows))]}
    for name, value in {"encoder": "jpeg-2", "width": 800, "level": 60.0}.items():
        columns[f"feature.{name}"][start + 30 :] = [value] * (len(rows) - start - 30)
    columns["firmware"][start + 30 :] = ["2.0"] * (len(rows) - start - 30)
    watch, empty, most = Watch(), bytes_held(Watch()), dict.fromkeys(range(7), 0)
    watch.take({name: column[: start - 60] for name, column in columns.items()})
    for place in range(start - 60, start + 45):
        watch.take({name: column[place : place + 1] for name, column in columns.items()})
        told = len(watch.open())
        most[told] = max(most[told], bytes_held(watch) - empty)
    assert all(most[told] > 9_000 for told in (0, 1, 2, 6)), most
    assert max(most.values()) < 16 * 1024, most


def test_a_camera_at_rest_has_nothing_allocated_behind_its_bytes() -> None:
    watch = Watch()
    watch.take(records(stream(60, 0)))
    camera = woken(watch.cameras["field-1"])
    tracemalloc.start()
    try:
        states = [rested(camera) for _ in range(10)]
        ours = tracemalloc.Filter(True, "*/monitor/camera_state.py")  # not other tests' threads
        taken = tracemalloc.take_snapshot().filter_traces([ours])
    finally:
        tracemalloc.stop()
    assert sum(trace.size for trace in taken.traces) < 10 * (len(states[0]) + 100)


def test_another_white_balance_is_an_event_of_hours_that_goes_on_over_restarts_and_ends() -> None:
    start, stop = 9 * DAY, 10 * DAY
    rows = shifted(days(300, 11), start, stop, {name: 2 * step for name, step in WARMER.items()})
    columns = records(rows) | {"time": [1200.0 * place for place in range(len(rows))]}
    whole, parted = Watch(), Watch()
    expected = [event for event in whole.take(columns) if event.slow]
    found: list[CameraEvent] = []
    for begin, end in ((0, 8 * DAY), (8 * DAY, start + 5), (start + 5, start + 30), (start + 30, len(rows))):
        parted = unpacked(packed(parted))
        taken = parted.take({name: column[begin:end] for name, column in columns.items()})
        found += [event for event in taken if event.slow]
    assert found == expected
    began, ended = expected
    assert (began.kind, ended.kind, began.until) == ("isp.white_balance", "isp.white_balance", 0.0)
    assert began.since <= 1200.0 * start < began.at <= 1200.0 * (start + 18)
    assert 1200.0 * stop < ended.until <= 1200.0 * (stop + 20)
    assert began.instead is not None
    assert (began.pixels, began.confidence > 0.6, began.confidence + began.instead[1] <= 1.0) == (True,) * 3
    assert {name for name, *_ in began.evidence} & set(WARMER)
    assert len(packed(whole)) < 12 * 1024


def test_who_wants_tone_and_colour_told_oftener_is_told_of_smaller_changes_over_restarts_too() -> None:
    start = 9 * DAY
    rows = shifted(days(300, 11), start, 10 * DAY, {name: 0.375 * step for name, step in WARMER.items()})
    columns = records(rows) | {"time": [1200.0 * place for place in range(len(rows))]}

    def told(watch: Watch) -> list[str]:
        return [event.kind for event in watch.take(columns) if event.slow and not event.until]

    assert told(Watch()) == []
    assert "isp.white_balance" in (often := told(Watch(days=3.5)))
    assert told(unpacked(packed(Watch()), days=3.5)) == often


def test_what_lasts_is_named_anew_by_the_day_after_it_and_says_so() -> None:
    start = 9 * DAY
    rows = shifted(days(300, 11), start, 11 * DAY, {name: 2 * step for name, step in WARMER.items()})
    columns = records(rows) | {"time": [1200.0 * place for place in range(len(rows))]}
    watch = Watch()
    list(watch.take({name: column[: start + 60] for name, column in columns.items()}))
    (early,) = watch.open()
    assert not early.day
    watch = unpacked(packed(watch))  # in the midst of that day
    list(watch.take({name: column[start + 60 :] for name, column in columns.items()}))
    (late,) = watch.open()
    assert (late.kind, late.day, late.at, late.since) == ("isp.white_balance", True, early.at, early.since)
    assert late.instead is not None
    assert 0.5 < late.confidence <= 1.0 - late.instead[1]
    assert unpacked(packed(watch)).open() == [late]
    assert len(packed(watch)) < 16 * 1024


def test_the_chance_of_what_hours_show_is_by_cameras_and_of_what_frames_show_by_frames() -> None:
    watch = Watch()
    for camera in ("a", "b", "c"):
        list(watch.take(records(stream(20, 0), camera)))
    event = CameraEvent("a", "isp.tone", 1.0, 0.0, 0.9, rate=1e-6, slow=True)
    chance = watch.chance(600.0)
    assert chance(event) == pytest.approx(3 * 600 * 1e-6)
    frames = CameraEvent("a", "sensor.noise", 1.0, 0.0, 0.9, rate=1e-6)
    assert chance(frames) == pytest.approx(3 * 600 * 1e-6 / 60, rel=0.01)


def test_a_fast_camera_is_judged_by_a_frame_a_step_and_its_headers_by_all() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    slow, fast = Watch(), Watch()
    rows = stream(125, 5, shift, 100)
    (expected,) = slow.take(records(rows))
    each = 40  # frames a minute
    columns = records(np.repeat(rows, each, axis=0))
    columns["time"] = [place * 60.0 / each for place in range(each * len(rows))]
    (found,) = fast.take(columns)
    assert found.kind == expected.kind
    assert abs(found.since - expected.since) <= 120.0
    assert abs(found.at - expected.at) <= 60.0
    assert woken(fast.cameras["field-1"]).detector.frames <= 125 * 60.0 / STEP_S + 1
    at = columns["time"][-1] + 0.1
    (header,) = fast.take(records(rows[-1:], encoder="jpeg-2") | {"time": [at]})
    assert (header.kind, header.at) == ("codec.requantised", at)
    assert header.since == columns["time"][-1]


def test_cameras_whose_records_come_mixed_are_known_as_if_each_came_alone() -> None:
    parts = [records(stream(6, number), f"camera-{number}") for number in range(70)]
    mixed = {name: [part[name][step] for step in range(6) for part in parts] for name in parts[0]}
    together, apart = Watch(), Watch()
    together.take(mixed)
    for part in parts:
        apart.take(part)
    assert dict(together.cameras) == dict(apart.cameras)
    assert len(together.cameras) == 70


def test_a_clock_that_was_set_back_does_not_silence_a_camera() -> None:
    watch = Watch()
    list(watch.take(records(stream(20, 0), start=10**6)))
    list(watch.take(records(stream(20, 0))))
    assert woken(watch.cameras["field-1"]).detector.frames == 40


@pytest.mark.parametrize(
    "what", ["times", "own", "judged", "settled", "together", "beyond", "open", "habits"]
)
def test_what_a_camera_cannot_hold_costs_that_camera_its_past_and_no_other(what: str) -> None:
    watch = Watch()
    for name in ("a", "b"):
        list(watch.take(records(stream(60, 0), name)))
    camera, nan = woken(watch.cameras["a"]), float("nan")
    detector, hours = camera.detector, camera.slow.hours

    def opened() -> None:
        camera.open = CameraEvent("b", "sensor.noise", 1.0, 0.0, 0.9, rate=1e-6)

    damage: dict[str, Callable[[], Any]] = {
        "times": lambda: camera.times.append(nan),
        "own": lambda: detector.unrest.variances.fill(-1.0),
        "judged": lambda: setattr(detector, "judged", 10**6),
        "settled": lambda: setattr(detector.window, "rows", detector.window.rows[1:]),
        "together": lambda: hours.unrest.correlations.fill(-32_000),
        "beyond": lambda: detector.unrest.correlations.fill(-32_768),
        "open": opened,
        "habits": lambda: setattr(camera, "habits", camera.habits[1:]),
    }
    damage[what]()
    watch.rest("a", camera)
    assert list(unpacked(packed(watch)).cameras) == ["b"]


def test_bytes_of_another_kind_cost_one_camera_its_past() -> None:
    watch = Watch()
    for name in ("a", "b"):
        watch.take(records(stream(20, 0), name))
    watch.cameras["a"] = b"\x91\x01"
    assert list(unpacked(packed(watch)).cameras) == ["b"]


def test_bytes_that_are_no_cameras_are_refused_as_such() -> None:
    for data in (b"nothing", msgspec.msgpack.encode({"settled": {}, "cameras": [{"camera": "a"}]})):
        with pytest.raises(ValueError, match="no cameras of this version"):
            unpacked(data)
