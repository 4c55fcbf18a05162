"""A simulated camera over a real picture: light, weather and moving things first, then one development.

What a frame shows is a window of the picture, in light that wanders, with wind, passers-by, shade, and haze
that veils what is far: the nuisance. `Look` is how the camera develops it; a firmware update is another look.
Seeded throughout.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 360, 480
_MARGIN = 24
_GAMMA = 1 / 2.2
Picture = NDArray[np.float32]


class Look(NamedTuple):
    """How one camera develops: all neutral at their defaults."""

    red: float = 0.0  # white balance, log gain
    blue: float = 0.0
    exposure: float = 0.0  # log gain of what auto-exposure aims at
    black: float = 0.0  # DN added before the tone curve
    gamma: float = 1.0
    contrast: float = 0.0  # of an S-curve
    saturation: float = 1.0
    noise: float = 1.5  # DN
    denoise: float = 0.0  # share of the smoothed picture
    blur: float = 0.0  # sigma, pixels: focus
    dirt: float = 0.0  # opacity of smudges
    sharpen: float = 0.5
    scale: float = 1.0  # pixels are resampled down to this and up again
    right: int = 0  # turned, pixels
    down: int = 0
    night: float = 0.0  # 1: infrared, no colour
    quality: int = 88


SIZES = ("small", "medium", "large")

CHANGES: dict[str, tuple[dict[str, float], ...]] = {
    "codec.requantised": ({"quality": -8}, {"quality": -18}, {"quality": -35}),
    "isp.sharpening": ({"sharpen": 0.2}, {"sharpen": 0.45}, {"sharpen": 0.9}),
    "isp.denoise": ({"denoise": 0.25}, {"denoise": 0.5}, {"denoise": 0.9}),
    "isp.white_balance": (
        {"red": 0.03, "blue": -0.03}, {"red": 0.07, "blue": -0.07}, {"red": 0.14, "blue": -0.14},
    ),
    "isp.tone": ({"gamma": -0.06}, {"gamma": -0.13}, {"gamma": -0.25}),
    "isp.black_level": ({"black": 3.0}, {"black": 7.0}, {"black": 14.0}),
    "sensor.noise": ({"noise": 0.6}, {"noise": 1.5}, {"noise": 4.0}),
    "optics.focus": ({"blur": 0.45}, {"blur": 0.75}, {"blur": 1.4}),
    "optics.dirt": ({"dirt": 0.25}, {"dirt": 0.5}, {"dirt": 0.85}),
    "geometry.resolution": ({"scale": -0.15}, {"scale": -0.3}, {"scale": -0.5}),
    "geometry.view": ({"right": 6, "down": 2}, {"right": 24, "down": 10}, {"right": 80, "down": 30}),
    "light.night": ({"night": 0.5, "noise": 1.0}, {"night": 1.0, "noise": 2.0}, {"night": 1.0, "noise": 4.0}),
}  # fmt: skip
"""What is added to a look, by cause, in three sizes. Signs are turned at random where both occur."""

_BOTH = ("isp.white_balance", "isp.tone")


def changed(look: Look, cause: str, size: int, rng: np.random.Generator) -> Look:
    """Return the look after such a change."""
    sign = -1.0 if cause in _BOTH and rng.random() < 0.5 else 1.0
    moved = {
        name: getattr(look, name) + sign * step * rng.uniform(0.85, 1.15)
        for name, step in CHANGES[cause][size].items()
    }
    whole = {name: round(value) for name, value in moved.items() if name in ("right", "down", "quality")}
    return look._replace(**{**moved, **whole})


def some_look(rng: np.random.Generator) -> Look:
    """Draw how a camera develops before anything happens to it."""
    return Look(
        red=rng.normal(0, 0.03), blue=rng.normal(0, 0.03), gamma=rng.uniform(0.9, 1.1),
        noise=rng.uniform(0.6, 3.0), denoise=rng.uniform(0, 0.3), sharpen=rng.uniform(0.1, 0.9),
        saturation=rng.uniform(0.85, 1.2), contrast=rng.uniform(0, 0.15), quality=int(rng.integers(78, 95)),
    )  # fmt: skip


class Scene:
    """One place over time: every call of `frames` goes on from where the last one stopped."""

    def __init__(
        self,
        picture: NDArray[np.uint8],
        rng: np.random.Generator,
        *,
        moving: bool = False,
        shape: tuple[int, int] = (HEIGHT, WIDTH),
    ) -> None:
        self.shape = shape
        self.base = _fitting(picture, shape)
        self.rng = rng
        self.moving = moving
        self.t = 0
        self.day = rng.uniform(0, 288)
        self.cloud = self.haze = self.hue = 0.0
        self.shade = rng.normal(0, 0.10, (4, 5))
        self.noise = rng.normal(0, 1, (shape[0] + 64, shape[1] + 64, 3)).astype(np.float32)
        spots = rng.random((9, 12)).astype(np.float32)
        self.depth = _depth(shape, rng)
        self.smudge = cv2.resize(np.clip(spots * 3 - 1.9, 0, 1), shape[::-1], interpolation=cv2.INTER_CUBIC)

    def browned(self, share: float) -> Scene:
        """Return the same place in another season: what was green has turned, foliage has thinned."""
        later = copy.deepcopy(self)
        blue, green, red = cv2.split(self.base)
        leafy = np.maximum(green - np.maximum(red, blue), 0) * np.float32(share)
        bare = np.clip(leafy / 12, 0, 1)[:, :, None] * np.float32(0.5 * share)
        turned = cv2.merge([blue, green - 0.8 * leafy, red + 1.2 * leafy])
        later.base = turned + bare * (cv2.GaussianBlur(turned, (0, 0), 1.5) - turned)
        return later

    def light(self) -> tuple[float, float]:
        """Move the light one frame on; return its log gain and its warmth."""
        rng = self.rng
        self.t += 1
        self.cloud += -0.05 * self.cloud + rng.normal(0, 0.06)
        self.haze = max(0.0, 0.98 * self.haze + rng.normal(-0.002, 0.012))
        self.hue += -0.002 * self.hue + rng.normal(0, 0.002)
        self.shade = 0.98 * self.shade + rng.normal(0, 0.02, self.shade.shape)
        height = np.sin(2 * np.pi * (self.t + self.day) / 288)
        return float(0.45 * height + self.cloud), float(0.05 * max(0.0, 0.3 - height) - 0.06 * self.cloud)

    def frames(self, look: Look, count: int, every: int = 1) -> Iterator[bytes]:
        """Take so many frames, one each `every` steps of the light: each as the bytes of a JPEG."""
        for _ in range(count):
            gain, warm = [self.light() for _ in range(every)][-1]
            seen = self._seen(look) * np.float32(np.exp(_GAMMA * gain))
            seen *= self._field()
            seen *= np.exp(_GAMMA * np.array([-warm - self.hue, 0, warm + self.hue], np.float32))
            seen += (1 - np.exp(-np.float32(self.haze) * self.depth)) * (200 - seen)
            yield developed(seen, look, self._grain(look, gain), self.smudge)

    def _seen(self, look: Look) -> Picture:
        """Cut the window, shaken by wind, with a few things that pass."""
        rng, (height, width) = self.rng, self.shape
        spare_y, spare_x = self.base.shape[0] - height, self.base.shape[1] - width
        y, x = spare_y / 2 + look.down, spare_x / 2 + look.right
        if self.moving:
            y, x = rng.uniform(0, spare_y), rng.uniform(0, spare_x)
        y, x = y + rng.normal(0, 0.4), x + rng.normal(0, 0.4)
        centre = x + width / 2 - 0.5, y + height / 2 - 0.5
        window = cv2.getRectSubPix(self.base, (width, height), centre)
        seen = np.array(window, np.float32)
        for _ in range(rng.poisson(1.5)):
            high, wide = (int(each) for each in rng.integers(16, 90, 2))
            to_y, to_x = int(rng.integers(0, height - high)), int(rng.integers(0, width - wide))
            of_y = int(rng.integers(0, self.base.shape[0] - high))
            of_x = int(rng.integers(0, self.base.shape[1] - wide))
            seen[to_y : to_y + high, to_x : to_x + wide] = self.base[of_y : of_y + high, of_x : of_x + wide]
        return seen

    def _field(self) -> Picture:
        smooth = cv2.resize(self.shade.astype(np.float32), self.shape[::-1], interpolation=cv2.INTER_CUBIC)
        return np.exp(smooth)[:, :, None].astype(np.float32)

    def _grain(self, look: Look, gain: float) -> Picture:
        y, x = self.rng.integers(0, 64, 2)
        level = look.noise * np.exp(-0.25 * gain)
        sign = np.float32(level * (1 if self.rng.random() < 0.5 else -1))
        return self.noise[y : y + self.shape[0], x : x + self.shape[1]] * sign


def developed(seen: Picture, look: Look, grain: Picture, smudge: Picture) -> bytes:
    """Run light through lens, sensor and processing."""
    if look.blur > 0.05:
        seen = cv2.GaussianBlur(seen, (0, 0), look.blur)
    if look.dirt > 0:
        dull = cv2.GaussianBlur(seen, (0, 0), 9)
        seen = seen + look.dirt * smudge[:, :, None] * (0.75 * dull - seen)
    grainy = seen + grain
    if look.denoise > 0.01:
        grainy = grainy + look.denoise * (_smoothed(grainy) - grainy)
    grey = cv2.cvtColor(np.clip(grainy, 0, 255), cv2.COLOR_BGR2GRAY)[:, :, None]
    grainy *= np.exp(np.array([look.blue, 0, look.red], np.float32) + look.exposure)
    if look.night > 0:
        grainy += look.night * (grey - grainy)
    toned = grey + look.saturation * (1 - look.night) * (grainy - grey) + look.black
    toned = 255 * cv2.pow(np.clip(toned, 0, 255) / 255, look.gamma)
    if look.contrast:
        unit = toned / 255
        toned += 255 * look.contrast * (unit * unit * (3 - 2 * unit) - unit)
    if look.scale < 0.99:
        height, width = seen.shape[:2]
        size = round(width * look.scale), round(height * look.scale)
        small = cv2.resize(toned, size, interpolation=cv2.INTER_AREA)
        toned = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if look.sharpen:
        toned = toned + look.sharpen * (toned - cv2.GaussianBlur(toned, (0, 0), 1.0))
    pixels = np.clip(toned + 0.5, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, look.quality])[1])


def _smoothed(picture: Picture) -> Picture:
    """Smooth as a camera denoises: where there is no edge."""
    soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
    edge = np.abs(picture - soft)
    return np.asarray(soft + (picture - soft) * np.clip(edge / 12 - 0.3, 0, 1), np.float32)


def _fitting(picture: NDArray[np.uint8], shape: tuple[int, int]) -> Picture:
    """Shrink a large picture, so that its own grain and compression are averaged away; leave some margin."""
    height, width = picture.shape[:2]
    least = max((shape[0] + 2 * _MARGIN) / height, (shape[1] + 2 * _MARGIN) / width)
    scale = max(least, 0.6)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
    return np.asarray(cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.55), np.float32)  # the lens


def _depth(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Draw how far away each pixel is, as a share of the mean: the ground comes nearer below the horizon.

    Haze veils by 1 - exp(-extinction x distance) (Koschmieder 1924): the foot of the picture hardly.
    """
    height, width = shape
    horizon = rng.uniform(0.1, 0.45)
    below = np.clip((np.linspace(0, 1, height) - horizon) / (1 - horizon), 0, 1)
    ground = 1 / (1 + 12 * below)  # a plane seen from above it: distance goes as one over the angle
    things = cv2.resize(rng.uniform(0.5, 1.5, (4, 5)), (width, height), interpolation=cv2.INTER_LINEAR)
    far = ground[:, None] * things
    return np.asarray(far / far.mean(), np.float32)[:, :, None]
