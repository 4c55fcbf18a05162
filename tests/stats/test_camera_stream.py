"""One camera's stream: silent on a living scene, quick on a change, small in memory."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stats.test_camera_change import stream
from wardline.stats.camera_change.contrast import fleet
from wardline.stats.camera_change.online import RUN_LENGTH, Alarm, Detector, evidence
from wardline.stats.camera_change.vector import NAMES
from wardline.stats.camera_change.window import AFTER, BEFORE


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


def test_a_camera_whose_noise_jumps_with_its_scene_is_held_to_how_far_it_jumps() -> None:
    known = fleet()
    shift = known.signatures[known.kinds.index("sensor.noise")]
    turns = np.random.default_rng(5).integers(8, 16, 120).cumsum()
    rows = stream(1_400, 6)
    restless = stream(1_400, 6, 1.5 * shift)
    here = np.searchsorted(turns, np.arange(1_400)) % 3 == 0
    rows[here] = restless[here]
    found = [alarm.at for alarm in alarms(rows)]
    assert found  # at first nobody can know
    assert sum(at > 700 for at in found) <= 1


def test_an_alarm_is_as_rare_as_its_score_says() -> None:
    alarm = Alarm(60, 53, 4.0, 4.0, np.zeros(1), [])
    assert alarm.rate == pytest.approx(1 / RUN_LENGTH)
    assert alarm._replace(score=8.0).rate < 1e-3 * alarm.rate


def test_a_step_is_learned_from_only_when_it_is_past() -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("isp.sharpening")]
    rows, detector = stream(600, 2, shift, 500), Detector()
    for row in rows[:500]:
        assert detector.update(row) is None
    before = detector.unrest.covariance
    alarm = next(found for row in rows[500:] if (found := detector.update(row)) is not None)
    assert alarm.since < 500 <= alarm.at
    assert np.abs(detector.unrest.covariance - before).max() < 0.1 * np.abs(before).max()


@pytest.mark.parametrize(("until", "learned"), [(162, True), (300, False)])
def test_only_an_alarm_that_did_not_stand_is_learned_from(until: int, learned: bool) -> None:
    known = fleet()
    shift = 2.0 * known.signatures[known.kinds.index("sensor.noise")]
    detector, judged = Detector(), []
    for row in stream(215, 3, shift, 150, until):
        detector.update(row)
        judged.append(detector.judged)
    at = next(place for place in range(150, 160) if judged[place] == judged[place + 1])
    assert (detector.standing is None) == learned
    assert (judged[at + 40] == judged[at] + AFTER) == learned


def test_how_a_cameras_statistics_hang_together_tells_a_change_from_its_unrest() -> None:
    """Every statistic swings as far in both; only along the change does the swing hide it."""
    known = fleet()
    shift = known.quick[known.quick_kinds.index("isp.sharpening")][: len(NAMES)]
    places = np.argsort(-np.abs(shift))[:8]
    rng = np.random.default_rng(4)
    swung = np.repeat(rng.normal(0, 1, 60), 15)[:, None]
    score = {}
    for name, signs in (("across", np.where(np.arange(8) % 2, -1.0, 1.0)), ("along", np.ones(8))):
        swing = np.zeros((900, len(NAMES)))
        swing[:, places] = 1.5 * swung * signs * shift[places]
        swing[800:, places] += 1.5 * shift[places]
        detector = Detector()
        for row in stream(
            810, 7, swing[:810] * known.still[: len(NAMES)] / np.maximum(known.usual, known.floor)
        ):
            detector.take(row)
            score[name] = detector.judge()[0] if detector.window.filled == AFTER + BEFORE else 0.0
    assert score["across"] > 1.5 * max(score["along"], 1.0)
