"""What the guards over frames have in common: the camera's own normal, and the statistic furthest from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

from wardline.cameras import CameraReference, Cameras, Usual, mode_of
from wardline.guard import judge
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.stats.image import Statistics
from wardline.verdict import Finding, Stage

UP, DOWN, BOTH = 1, -1, 0
Table = Mapping[str, tuple[int, str]]
"""Statistic to the direction that is trouble, and the cause it speaks for."""


class Strange(NamedTuple):
    """The statistic furthest outside its camera's normal. `score` is in widths of that normal, 0 inside."""

    score: float = 0.0
    cause: str = ""
    subject: str = ""
    observed: float | None = None
    expected: str = ""


_NOTHING = Strange()
Span = tuple[int, float, float, float, float, float]
"""Of one statistic: its place, the line it follows (`Usual.center`, `slope`, `light`), and its ends."""


@dataclass(frozen=True, slots=True)
class AgainstCamera:
    """A guard that holds some statistics of a frame to what its camera's reference has of them.

    `table` names the statistics. Those of `first`, where they are out themselves, give the reason, for they
    move others along. `usual` is the reason of a frame that has nothing strange.
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = ""
    stage: ClassVar[Stage] = Stage.INPUT
    table: ClassVar[Table]
    first: ClassVar[Table] = {}
    usual: ClassVar[str]
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)
    _well: Finding = field(init=False, repr=False, compare=False)
    _spans: dict[tuple[int, str], tuple[Span, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # of the cameras met so far, by reference and mode: what the table asks of them, made ready once

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)
        object.__setattr__(self, "_well", self._judged(_NOTHING))

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold the frame's statistics to the camera's own."""
        return self.told(self.strangest(inference))

    def strangest(self, inference: Inference) -> Strange:
        """Return the statistic that is furthest out, under the reason that explains the most."""
        camera, seen = of_frame(self._cameras, inference), statistics_of(inference)
        if camera is None or seen is None:
            return _NOTHING
        mode = mode_of(seen)
        spans = self._spans.get((id(camera), mode))
        if spans is None:
            spans = self._spans[id(camera), mode] = _spans(camera.modes.get(mode, {}), self.table)
        if _inside(seen, spans):
            return _NOTHING
        usual = camera.modes[mode]
        found = strangest(usual, seen, self.table)
        if self.first and self.warn is not None and found.score >= self.warn:
            first = strangest(usual, seen, self.first)
            return first._replace(score=found.score) if first.score >= self.warn else found
        return found

    def told(self, found: Strange) -> Finding:
        """Hold what was found to the thresholds; nothing says the same each time."""
        if found is _NOTHING:
            return self._well
        return self._judged(found)

    def _judged(self, found: Strange) -> Finding:
        return judge(
            self, found.score, warn=self.warn, block=self.block, reason=found.cause or self.usual,
            subject=found.subject, observed=found.observed, expected=found.expected,
        )  # fmt: skip


def cameras_of(reference: Reference) -> Cameras:
    """Read the camera references out of the bundle."""
    return Cameras.read(reference.extra)


def of_frame(cameras: Cameras, inference: Inference) -> CameraReference | None:
    """Return what is known of the frame's camera."""
    return cameras.of(str(getattr(inference.row, "camera", "")))


def statistics_of(inference: Inference) -> Statistics | None:
    """Return the frame's statistics; `None` where the row is no frame."""
    names = inference.names
    count = len(Statistics._fields)
    if names[:count] != Statistics._fields:
        return None
    return Statistics._make(inference.features[:count])


def strangest(usual: Mapping[str, Usual], seen: Statistics, table: Table) -> Strange:
    """Hold the table's statistics to the camera's normal in its present mode.

    How they follow light is known for the light that was seen: beyond it either the line goes on or the
    last of it holds, and what one of them explains is normal.
    """
    worst, light = _NOTHING, _within(usual.get("exposure"), seen.exposure)
    for name, (direction, cause) in table.items():
        normal, value = usual.get(name), float(getattr(seen, name))
        if normal is None or value != value:
            continue
        beyond = normal.beyond(value, seen.exposure)
        if beyond and light != seen.exposure:
            beyond = min(beyond, normal.beyond(value, light), key=abs)
        score = abs(beyond) if direction == BOTH else max(0.0, direction * beyond)
        if score > worst.score:
            middle = normal.center + normal.slope * (seen.exposure - normal.light)
            span = f"{middle + normal.low:.3g}..{middle + normal.high:.3g}"
            worst = Strange(min(score, 1e9), cause, name, value, span)
    return worst


def _spans(usual: Mapping[str, Usual], table: Table) -> tuple[Span, ...]:
    """Make ready what a table asks of one mode: nearly every frame is within all of it."""
    return tuple(
        (Statistics._fields.index(name), normal.center, normal.slope, normal.light,
         -math.inf if direction == UP else normal.low, math.inf if direction == DOWN else normal.high)
        for name, (direction, _) in table.items() if (normal := usual.get(name)) is not None
    )  # fmt: skip


def _inside(seen: Statistics, spans: tuple[Span, ...]) -> bool:
    """Whether every statistic is where `Usual.beyond` has nought; one that was not measured is not."""
    exposure = seen.exposure
    for place, center, slope, light, low, high in spans:
        if not low <= seen[place] - center - slope * (exposure - light) <= high:
            return False
    return True


def _within(normal: Usual | None, exposure: float) -> float:
    """Bring an exposure into the span that the camera was seen to have."""
    if normal is None:
        return exposure
    return min(max(exposure, normal.center + normal.low), normal.center + normal.high)


def header_of(inference: Inference) -> Any:
    """Return the header of the frame's file; `None` for rows that came as pixels, or are no frames."""
    return getattr(inference.row, "header", None)
