"""Series of statistics: silent on living scenes, right about where and what changed."""

from __future__ import annotations

import numpy as np
import pytest

from wardline.stats.camera_change import series, swap
from wardline.stats.camera_change.contrast import fleet, named, scores
from wardline.stats.camera_change.vector import NAMES, slopes_of, vectors
from wardline.stats.image import Statistics

_F = len(NAMES)


def stream(
    frames: int, seed: int, shift: np.ndarray | None = None, at: int = 0, stop: int = 10**6
) -> np.ndarray:
    """Draw statistics around usual ones, in units of the fleet's unrest, with a shift from frame `at` on."""
    rng = np.random.default_rng(seed)
    known = fleet()
    moved = rng.normal(0, 1, (frames, _F))
    if shift is not None:
        moved[at:stop] += shift
    rows = np.full((frames, len(Statistics._fields)), np.nan)
    compared = 1.0 + moved * np.maximum(known.usual, known.floor)
    rows[:, [Statistics._fields.index(name) for name in NAMES]] = compared
    logs = (
        "clipped_dark",
        "clipped_bright",
        "noise",
        "noise_dark",
        "noise_mid",
        "noise_bright",
        "hot_pixels",
    )
    for name in (*logs, "edge_width"):
        rows[:, Statistics._fields.index(name)] = np.exp(compared[:, NAMES.index(name)])
    rows[:, Statistics._fields.index("exposure")] = rng.normal(120, 5, frames)
    rows[:, Statistics._fields.index("contrast")] = rng.normal(150, 5, frames)
    return rows


def test_unchanged_series_are_told_at_most_at_their_declared_level() -> None:
    found = [bool(series.runs(stream(48, seed))) for seed in range(60)]
    assert np.mean(found) <= 0.05


@pytest.mark.parametrize("kind", ["isp.sharpening", "sensor.noise", "optics.focus", "codec.requantised"])
def test_a_change_is_found_where_it_began_and_where_it_ended(kind: str) -> None:
    known = fleet()
    shift = known.signatures[known.kinds.index(kind)]
    (run,) = series.runs(stream(60, 1, 1.5 * shift, 30, 50))
    assert (abs(run.start - 30) <= 1, abs(run.stop - 50) <= 1) == (True, True)
    assert run.within[0] <= 30 <= run.within[1] + 1
    assert run.p_value < 0.01
    assert run.causes[0][0] == kind


def test_light_alone_is_taken_away_even_where_it_steps() -> None:
    rows = stream(60, 2)
    exposure = Statistics._fields.index("exposure")
    light = np.where(np.arange(60) % 20 < 10, 90.0, 150.0)
    for name in ("saturation", "detail"):
        rows[:, Statistics._fields.index(name)] += 0.01 * (light - 120)
    rows[:, exposure] = light
    assert series.runs(rows) == []


def test_too_few_frames_say_nothing() -> None:
    assert series.runs(stream(series.FEWEST - 1, 0)) == []
    assert series.held(stream(8, 0), 4, 8) is None


def test_with_a_reference_a_change_from_the_first_frame_on_is_seen() -> None:
    known = fleet()
    shift = 1.5 * known.signatures[known.kinds.index("sensor.noise")]
    (run,) = series.runs(stream(80, 3, shift, 40), first=40)
    assert abs(run.start - 40) <= 1
    assert run.stop == 80


def test_slow_nuisance_bounds_what_long_windows_may_claim() -> None:
    known = fleet()
    difference, dark = known.signatures[:1], np.zeros((1, 2))
    short = scores(difference, np.array([5.0]), np.array([5.0]), dark, known)[0, 0]
    long, longest = (scores(difference, np.array([n]), np.array([n]), dark, known)[0, 0] for n in (1e3, 1e6))
    assert short < long < longest < 1.05 * long
    dimmer = scores(difference, np.array([1e3]), np.array([1e3]), dark + 3.0, known)[0, 0]
    assert dimmer < long


def test_slopes_are_found_again_and_a_step_is_not_taken_for_light() -> None:
    rng = np.random.default_rng(0)
    light = rng.normal(0, 1, (200, 2))
    compared = light @ np.full((2, 3), 0.7) + rng.normal(0, 0.1, (200, 3))
    compared[100:] += 5.0
    assert slopes_of(compared, light, np.zeros((2, 3)), 1.0) == pytest.approx(np.full((2, 3), 0.7), abs=0.05)


def test_causes_are_probabilities_and_missing_statistics_are_no_infinity() -> None:
    odds = [each for _, each in named(fleet().signatures[0], 24, fleet())]
    assert sum(odds) == pytest.approx(1.0)
    assert odds == sorted(odds, reverse=True)
    compared, light = vectors(np.full((3, len(Statistics._fields)), np.nan))
    assert not np.isinf(compared).any()
    assert light.shape == (3, 2)


def test_of_a_swapped_camera_what_differs_is_told_and_of_an_unswapped_one_hardly_ever_anything() -> None:
    found = [swap.parts(stream(60, seed), 30, 60) for seed in range(200)]
    assert sum(map(bool, found)) <= 8  # declared: 0.015 of series
    moved = np.zeros(_F)
    moved[NAMES.index("detail_fine")] = 8.0
    rows = stream(60, 1, moved, 30)
    (part,) = swap.parts(rows, 30, 60)
    assert (part.kind, part.names) == ("optics.focus", ("detail_fine",))
    assert part.differences[0] == pytest.approx(8.0, abs=3.0)  # units of this camera's own unrest
    assert swap.parts(rows, 57, 60) == []  # too few frames to say
