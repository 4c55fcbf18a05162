"""What is normal for one camera: learned from first frames, a folder or a reference's rows, then frozen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline import whole
from wardline.errors import BundleError
from wardline.stats import codec
from wardline.stats.image import Statistics

FLEET = ""
"""The camera that stands for all others: what is usual among every frame of the reference."""

ENROL = 40
"""Frames after which a new camera is known well enough to be judged by its own."""

SCENE = ("light.night", "scene.season")
"""Kinds of change before the camera, not in it: told, but nobody is alarmed and nothing is held."""

TOLD = ("identity.firmware",)
"""A new name for what may do as before: somebody is told, nothing is held."""

_KEPT = 40  # with more frames, an even subsample of them
_EXPOSURE = Statistics._fields.index("exposure")
_CHROMA = Statistics._fields.index("chroma")
_SLACK = 20.0  # widths by which the range of one frame is short of the truth; of n frames, an nth
_GRAIN = 16.0  # steps of a view's unit, in the kept background
_TINY = 1e-6
_LEAST = {
    "clipped_dark": 0.02,
    "clipped_bright": 0.02,
    "flat": 0.05,
    "blockiness": 0.2,
    "blockiness_off": 0.2,
}
"""The least width of statistics that are mostly nought: what few frames show of them is less than happens."""


class Usual(msgspec.Struct, frozen=True):
    """How one statistic lies: around `center + slope * (exposure - light)`, its residual in [low, high],
    which few frames leave wider than what they showed.

    `width` is the residual's span without its largest hundredth on each side. Following exposure is what
    lets morning, noon and clouds pass.
    """

    center: float
    slope: float
    light: float
    low: float
    high: float
    width: float

    def beyond(self, value: float, exposure: float) -> float:
        """Return how far outside a value lies, in widths: negative below, 0 inside or not measured."""
        residual = value - self.center - self.slope * (exposure - self.light)
        if residual < self.low:
            return (residual - self.low) / self.width
        return (residual - self.high) / self.width if residual > self.high else 0.0


class CameraReference(msgspec.Struct, frozen=True):
    """One camera's normal: its encoder and identity, its statistics by mode (day, night), its background.

    A few kilobytes. `background` is the mean view (36 x 64 int8), empty where views were not alike.
    """

    camera: str
    known: codec.Known
    modes: Mapping[str, Mapping[str, Usual]] = {}
    background: bytes = b""
    likeness: float = 0.0
    """The agreement with the background that the least alike of its own frames had."""
    at: float = 0.0
    """When it was enrolled anew, seconds since the epoch; 0 where it is known by its first frames."""


def mode_of(statistics: Statistics) -> str:
    """Say by which normal a frame is judged: mono and infrared pictures are `night`, as are black ones.

    >>> import numpy as np
    >>> from wardline.stats.image import measure
    >>> mode_of(measure(np.full((64, 64, 3), 9, dtype=np.uint8)))
    'night'
    """
    return "night" if statistics.chroma < 2.0 or statistics.exposure < 20.0 else "day"


class Enrolment:
    """Learns one camera frame by frame, in bounded memory, however many frames there are.

    `kept` vectors of statistics are kept: by default so few that a camera takes less than 16 KiB; where
    memory is no matter, more of them know the extremes better.
    """

    def __init__(self, camera: str, kept: int = _KEPT) -> None:
        self.camera = camera
        self._kept = kept
        self.known = codec.Known()
        self.frames = 0
        self._step = 1
        self._vectors: list[NDArray[np.float32]] = []
        self._view: NDArray[np.int16] | None = None
        self._views = 0
        self._likeness: list[float] = []

    def add(
        self,
        statistics: Statistics,
        header: codec.Header | None = None,
        firmware: str = "",
        view: NDArray[np.float32] | None = None,
    ) -> None:
        """Take one frame that is held to be normal."""
        if header is not None:
            self.known = codec.learn([named(header, firmware)], self.known)
        if self.frames % self._step == 0:
            self._vectors.append(np.array(statistics, np.float32))
            if len(self._vectors) > self._kept:
                self._vectors, self._step = self._vectors[::2], self._step * 2
        if view is not None and self._views < ENROL:
            self._look(view)
        self.frames += 1

    def reference(self) -> CameraReference:
        """Freeze what was learned."""
        modes: dict[str, list[NDArray[np.float32]]] = {}
        for vector in self._vectors:
            modes.setdefault(mode_of(Statistics(*vector.tolist())), []).append(vector)
        usual = {mode: _usual(np.array(vectors, np.float64)) for mode, vectors in modes.items()}
        background, likeness = b"", min(self._likeness, default=0.0)
        if self._view is not None and likeness > 0.3:
            background = np.round(self._view / self._views).astype(np.int8).tobytes()
        return CameraReference(self.camera, self.known, usual, background, likeness)

    def _look(self, view: NDArray[np.float32]) -> None:
        small = np.clip(np.round(view * _GRAIN), -127, 127).astype(np.int16)
        if self._view is None:
            self._view = small
        else:
            scale = float(np.linalg.norm(small) * np.linalg.norm(self._view)) or 1.0
            self._likeness.append(float(np.vdot(small.astype(np.float64), self._view)) / scale)
            self._view = self._view + small
        self._views += 1


def named(header: codec.Header, firmware: str) -> codec.Header:
    """Put the firmware that the camera declares in the place of what its files say of it."""
    return header._replace(exif=header.exif._replace(software=firmware)) if firmware else header


def background_of(reference: CameraReference) -> NDArray[np.float32] | None:
    """Return the mean view, (36, 64); `None` where the camera has none."""
    return _unpacked(reference.background) if reference.background else None


@lru_cache(256)
def _unpacked(background: bytes) -> NDArray[np.float32]:
    return np.frombuffer(background, np.int8).reshape(36, 64).astype(np.float32) / np.float32(_GRAIN)


def _usual(X: NDArray[np.float64]) -> dict[str, Usual]:
    """Fit every statistic on exposure; what was not measured in most frames is left out."""
    found = {}
    light = X[:, _EXPOSURE]
    for place, name in enumerate(Statistics._fields):
        good = np.isfinite(X[:, place])
        if good.sum() < max(3, len(X) // 2):
            continue
        x, y = light[good], X[good, place]
        apart = x - x.mean()
        follows = name != "exposure" and len(y) >= 12 and float(apart @ apart) > _TINY
        slope = float(apart @ (y - y.mean()) / (apart @ apart)) if follows else 0.0
        residual = y - y.mean() - slope * apart
        low, high = np.percentile(residual, [1, 99])
        width = max(float(high - low), 0.02 * abs(float(y.mean())), _LEAST.get(name, _TINY))
        slack = width * _SLACK / len(y)
        lowest, highest = float(residual.min()) - slack, float(residual.max()) + slack
        found[name] = Usual(float(y.mean()), slope, float(x.mean()), lowest, highest, width)
    return found


class Cameras(msgspec.Struct, frozen=True):
    """The references a gate knows, by camera id; `FLEET` stands for cameras it has not met."""

    by_id: Mapping[str, CameraReference] = {}

    def of(self, camera: str) -> CameraReference | None:
        """Return a camera's own reference, else the fleet's, else nothing."""
        return self.by_id.get(camera) or self.by_id.get(FLEET)

    @classmethod
    def read(cls, extra: Mapping[str, Any]) -> Self:
        """Read what a reference bundle or a file holds under `cameras`."""
        try:
            return msgspec.convert({"by_id": extra.get("cameras", {})}, cls)
        except msgspec.ValidationError as error:
            raise BundleError(f"the camera references cannot be read ({error}): build them anew") from error

    @classmethod
    def learned(cls, enrolments: Iterable[Enrolment]) -> Self:
        """Freeze what several enrolments learned."""
        return cls({each.camera: each.reference() for each in enrolments if each.frames})

    def tree(self) -> dict[str, Any]:
        """Return the references as plain data."""
        tree: dict[str, Any] = msgspec.to_builtins(self.by_id)
        return tree


def load(path: Path) -> dict[str, Any]:
    """Read the cameras that were enrolled on this machine; none where there is no file."""
    try:
        tree = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}): delete it, and cameras enrol anew") from error
    Cameras.read({"cameras": tree})
    return dict(tree)


def remember(path: Path, enrolment: Enrolment, at: float = 0.0) -> CameraReference:
    """Freeze what was learned of one camera, and keep it beside the others of this machine.

    `at` is for a camera that is enrolled anew: what it did before then counts no more.
    """
    learned = msgspec.structs.replace(enrolment.reference(), at=at)
    known = Cameras.read({"cameras": load(path)}).by_id
    save(path, Cameras({**known, enrolment.camera: learned}))
    return learned


def save(path: Path, cameras: Cameras) -> None:
    """Write the enrolled cameras, by atomic rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.put(path, json.dumps(cameras.tree()).encode())
