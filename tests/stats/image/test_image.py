"""Each statistic answers to the change it is named for; the arithmetic holds for any picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests import frames
from wardline.stats.image import Statistics, agreement, measure, sample, shift, statistics, view

SCENE = frames.scene(1)
PLAIN = frames.shot(SCENE)
BEFORE = measure(PLAIN)


def blurred(frame):
    return cv2.GaussianBlur(frame, (0, 0), 1.5)


def gained(red=1.0, green=1.0, blue=1.0):
    return lambda frame: np.clip(frame * np.array([blue, green, red]), 0, 255).astype(np.uint8)


def vignetted(frame):
    y, x = np.mgrid[-1 : 1 : frame.shape[0] * 1j, -1 : 1 : frame.shape[1] * 1j]
    return (frame * (1 - 0.25 * (y**2 + x**2))[..., None]).astype(np.uint8)


def hot(frame):
    spoilt = frame.copy()
    spoilt[::16, ::16] = 255
    return spoilt


def rescaled(frame):
    small = cv2.resize(frame, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def moved_after_compression(frame):
    return np.ascontiguousarray(frames.through_jpeg(np.roll(frame, 3, axis=(0, 1)), 25)[3:, 3:])


def gamma(frame):
    return (255 * (frame / 255.0) ** 0.7).astype(np.uint8)


def subsampled(frame):
    return cv2.imdecode(np.frombuffer(frames.jpeg(frame, 95), np.uint8), 1)


@pytest.mark.parametrize(
    ("change", "name", "least"),
    [
        (lambda f: frames.sharpened(f, 1.5), "overshoot", 0.1),
        (lambda f: frames.sharpened(f, 1.5), "detail_fine", 0.1),
        (lambda f: frames.sharpened(f, 1.5), "noise", 1.0),
        (blurred, "edge_width", 1.0),
        (lambda f: frames.shot(f.astype(np.float32), 3, noise=4.0), "noise", 1.0),
        (gamma, "tone_mid", 0.2),
        (gamma, "exposure", 10.0),
        (lambda f: cv2.add(f, np.full_like(f, 20)), "black", 15.0),
        (lambda f: cv2.add(f, np.full_like(f, 100)), "clipped_bright", 0.05),
        (lambda f: cv2.subtract(f, np.full_like(f, 90)), "clipped_dark", 0.05),
        (gained(red=1.2), "gain_red", 0.15),
        (gained(blue=1.2), "gain_blue", 0.15),
        (gained(blue=1.2), "bright_blue", 0.1),
        (lambda f: cv2.add(f, np.full_like(f, 1) * np.uint8([0, 0, 12])), "dark_red", 10.0),
        (hot, "hot_pixels", 2_000.0),
        (lambda f: frames.through_jpeg(f, 20), "blockiness", 0.3),
        (moved_after_compression, "blockiness_off", 0.2),
        (subsampled, "noise_correlation", 0.1),
        (lambda f: np.full_like(f, 80), "flat", 0.5),
    ],
)
def test_a_change_raises_the_statistic_that_is_named_for_it(change, name, least):
    assert getattr(measure(change(PLAIN)), name) - getattr(BEFORE, name) > least


@pytest.mark.parametrize(
    ("change", "name", "least"),
    [
        (vignetted, "vignetting", 0.2),
        (blurred, "detail_fine", 0.15),
        (lambda f: cv2.bilateralFilter(f, 5, 30, 3), "noise", 0.5),
        (subsampled, "detail_chroma_fine", 0.2),
        (lambda f: np.repeat(f[..., 1:2], 3, axis=2), "chroma", 5.0),
        (lambda f: np.repeat(f[..., 1:2], 3, axis=2), "saturation", 0.05),
    ],
)
def test_a_change_lowers_the_statistic_that_is_named_for_it(change, name, least):
    assert getattr(BEFORE, name) - getattr(measure(change(PLAIN)), name) > least


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0])
def test_the_noise_level_is_the_noise_that_was_put_there(sigma):
    rng = np.random.default_rng(5)
    smooth = np.linspace(40, 200, 640)[None, :] * np.ones((480, 1))
    found = measure(np.clip(smooth + rng.normal(0, sigma, smooth.shape), 0, 255).round().astype(np.uint8))
    expected = np.hypot(sigma, 12**-0.5)  # rounding to whole DN adds a little
    assert found.noise == pytest.approx(expected, rel=0.25)  # a low quantile of blocks lies somewhat below
    assert found.noise_mid == pytest.approx(expected, rel=0.25)


def test_noise_in_a_flat_picture_has_the_grain_bend_and_tail_that_probability_gives_it():
    rng = np.random.default_rng(7)
    white = 110 + rng.normal(0, 8, (480, 640, 1)) * np.ones(3)
    found = measure(np.clip(white, 0, 255).round().astype(np.uint8))
    # Second differences of white noise have the energy 6, first ones 2; a normal step's mean square is pi / 2
    # of the square of its mean size.
    assert found.noise_grain == pytest.approx(np.log(3), abs=0.1)
    assert found.detail_bend == pytest.approx(np.log(3), abs=0.05)
    assert found.detail_tail == pytest.approx(np.log(np.pi / 2), abs=0.05)
    soft = np.clip(cv2.GaussianBlur(white, (0, 0), 1.0), 0, 255).round().astype(np.uint8)
    assert measure(soft).noise_grain < found.noise_grain - 0.6


def test_blur_ahead_of_the_sensor_leaves_the_grain_of_its_noise_and_rescaling_does_not():
    flat = np.full((480, 640, 3), 100, np.float32)
    grain = measure(frames.shot(flat, 5, noise=4.0)).noise_grain
    out_of_focus = frames.shot(cv2.GaussianBlur(flat, (0, 0), 2.0), 6, noise=4.0)
    assert measure(out_of_focus).noise_grain == pytest.approx(grain, abs=0.1)
    assert measure(rescaled(frames.shot(flat, 6, noise=4.0))).noise_grain < grain - 0.5


def test_a_denoiser_that_spares_edges_leaves_few_steps_and_large_ones():
    noisy = frames.shot(SCENE, 2, noise=6.0)
    spared, blurred_too = cv2.bilateralFilter(noisy, 7, 40, 3), cv2.GaussianBlur(noisy, (0, 0), 1.0)
    assert measure(spared).detail_tail > measure(blurred_too).detail_tail + 0.1 > measure(noisy).detail_tail


def test_a_hot_pixel_beside_another_is_no_outlier():
    spoilt = np.full((480, 640, 3), 90, np.uint8)
    spoilt[::16, 4::16] = 255
    alone = measure(spoilt).hot_pixels
    assert alone == pytest.approx(1e6 / 256, rel=0.35)
    spoilt[::16, 5::16] = 255
    assert measure(spoilt).hot_pixels == 0.0


def test_enlarging_a_textured_picture_shows_its_period():
    textured = frames.shot(SCENE, 6, noise=8.0)
    assert measure(rescaled(textured)).resampled > measure(textured).resampled + 1.5


def test_light_moves_exposure_and_leaves_the_camera_alone():
    dimmer = measure(frames.shot(SCENE, 4, light=0.8))
    assert dimmer.exposure < 0.85 * BEFORE.exposure
    for name in ("gain_red", "gain_blue", "detail_fine", "detail_mid", "overshoot", "blockiness"):
        assert getattr(dimmer, name) == pytest.approx(getattr(BEFORE, name), abs=0.08), name


def test_tiles_say_what_the_whole_frame_says():
    large = np.tile(frames.shot(frames.scene(3), 1), (2, 2, 1))
    few, all_of_it = measure(large), statistics(sample(large, grid=(16, 22)))
    for name in ("detail_fine", "detail_mid", "noise", "overshoot", "edge_width", "noise_correlation"):
        assert getattr(few, name) == pytest.approx(getattr(all_of_it, name), rel=0.25, abs=0.2), name


def test_a_turned_camera_is_found_where_it_turned_to():
    scene = frames.scene(2)
    background = view(sample(frames.shot(scene, 1)))
    again = view(sample(frames.shot(scene, 2, light=0.7)))
    turned = view(sample(frames.shot(scene, 3, right=80)))
    other = view(sample(frames.shot(frames.scene(9), 4)))
    assert agreement(again, background) > 0.95
    assert agreement(turned, background) < 0.5
    found = shift(turned, background)
    assert found.right == pytest.approx(80 / 640, abs=1 / 64)
    assert found.down == 0
    assert found.likeness > 0.8
    assert shift(other, background).likeness < 0.5


def test_two_pictures_of_one_scene_differ_and_a_frozen_one_does_not():
    assert measure(frames.shot(SCENE, 1)) != measure(frames.shot(SCENE, 2))
    assert measure(frames.shot(SCENE, 1)) == measure(frames.shot(SCENE, 1))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (np.zeros((63, 640, 3), np.uint8), "too small"),
        (np.zeros((640, 640, 4), np.uint8), "uint8"),
        (np.zeros((640, 640, 3), np.float32), "uint8"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_sentence(frame, why):
    with pytest.raises(ValueError, match=why):
        measure(frame)


SHAPES = st.tuples(st.integers(64, 300), st.integers(64, 300), st.sampled_from([1, 3])).map(
    lambda shape: shape if shape[2] == 3 else shape[:2]
)


@settings(max_examples=40, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape, fill=st.integers(0, 255))))
def test_any_picture_is_measured_without_an_infinity(frame):
    found = measure(frame)
    assert not np.isinf(found).any()
    assert 0.0 <= found.exposure <= 255.0
    assert all(0.0 <= getattr(found, share) <= 1.0 for share in ("clipped_dark", "clipped_bright", "flat"))
    assert len(found) == len(Statistics._fields)
