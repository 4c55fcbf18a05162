"""The window of a stream: what is now, what was before, and nothing from before a restart."""

from __future__ import annotations

import numpy as np
import pytest

from wardline.stats.camera_change.window import AFTER, BEFORE, WIDTH, Window, middle


def filled(levels: list[float]) -> Window:
    window = Window()
    for level in levels:
        window.take(np.full(WIDTH, level))
    return window


def test_the_last_frames_are_held_against_the_eighty_before_them() -> None:
    window = filled([9.0] * 60 + [1.0] * BEFORE + [4.0] * AFTER)
    assert window.before() == pytest.approx(np.ones(WIDTH))
    assert window.step() == pytest.approx(np.full(WIDTH, 3.0))
    assert window.last(40) == pytest.approx(np.ones(WIDTH))


@pytest.mark.parametrize("frames", range(50, 95, 5))
def test_frames_from_before_a_restart_are_in_neither_half(frames: int) -> None:
    window = filled([7.0] * 123)
    for _ in range(AFTER):
        window.take(np.full(WIDTH, 2.0))
    window.restart()
    for _ in range(frames - AFTER):
        window.take(np.full(WIDTH, 2.0))
    assert window.filled == min(frames, AFTER + BEFORE)
    assert window.before() == pytest.approx(np.full(WIDTH, 2.0))


def test_of_two_frames_what_one_of_them_lacks_is_the_others() -> None:
    levels = [1.0, float("nan")] * 50
    window = filled(levels)
    assert np.isfinite(window.pairs).all()
    assert window.step() == pytest.approx(np.zeros(WIDTH))


def test_the_middle_is_the_median_of_what_was_measured() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (21, 5))
    rows[::3, 1] = np.nan
    rows[:, 2] = np.nan
    found = middle(rows)
    assert found[[0, 1, 3, 4]] == pytest.approx(np.nanmedian(rows[:, [0, 1, 3, 4]], axis=0))
    assert np.isnan(found[2])
