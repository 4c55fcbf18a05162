"""One camera's stream: silent on a living scene, quick on a change, small in memory."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stats.test_camera_change import stream
from wardline.stats.camera_change.contrast import fleet
from wardline.stats.camera_change.online import Alarm, Detector, evidence


def alarms(rows: np.ndarray) -> list[Alarm]:
    detector = Detector()
    return [alarm for row in rows if (alarm := detector.update(row)) is not None]


def test_an_unchanged_stream_keeps_the_declared_run_length() -> None:
    assert alarms(stream(2_000, 0)) == []


@pytest.mark.parametrize("kind", ["isp.sharpening", "sensor.noise", "codec.requantised"])
def test_a_change_is_seen_within_ten_frames_and_its_interval_holds_it(kind: str) -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index(kind)]
    (alarm,) = alarms(stream(160, 1, shift, 100))
    assert alarm.since <= 100 <= alarm.at <= 110
    assert alarm.score > alarm.threshold
    assert alarm.causes[0][0] == kind
    assert len(evidence(alarm)) == 4


def test_too_few_frames_and_missing_statistics_raise_no_alarm() -> None:
    assert alarms(stream(24, 0)) == []
    assert alarms(np.full((80, stream(1, 0).shape[1]), np.nan)) == []


def test_a_camera_takes_under_sixteen_kib() -> None:
    assert Detector().size < 16 * 1024
