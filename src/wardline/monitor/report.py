"""The report: what the monitor saw at its last look, for whoever scrapes; small whatever a gate has."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wardline import whole
from wardline.monitor.signal import Signal, Standing

log = logging.getLogger(__name__)

NAME = "report.json"
"""Below the gate's folder, beside `health.json`."""

CAMERA_KINDS = (
    "codec.requantised", "geometry.resolution", "geometry.view", "identity.firmware", "identity.model",
    "isp.black_level", "isp.denoise", "isp.sharpening", "isp.tone", "isp.white_balance", "light.night",
    "optics.dirt", "optics.focus", "scene.season", "sensor.noise",
)  # fmt: skip
"""What can change at a camera; a kind that is none of these is counted as `other`."""

_CAMERA = "camera."


class Drifted(msgspec.Struct, frozen=True):
    """How far one feature of all rows lies from the reference.

    `together` is how many dependent rows are worth one that stands alone; 1 where it was not looked for, or
    cannot be known.
    """

    feature: str
    psi: float
    standing: Standing
    rows: int
    together: float = 1.0


class Labels(msgspec.Struct, frozen=True):
    """Answers there were when labels last came, those old enough to have one by then, those that have."""

    answered: int = 0
    matured: int = 0
    labelled: int = 0

    @property
    def coverage(self) -> float | None:
        """The share of matured answers that have their label; None where none is matured."""
        return self.labelled / self.matured if self.matured else None


class Report(msgspec.Struct, frozen=True):
    """What was seen at `at` (seconds since the epoch); after `until` it is too old to go by.

    `signals` counts signals by family and standing, `cameras` the cameras at which a kind of change lasts, of
    those that are `followed`.
    """

    gate: str
    at: float
    until: float
    drift: tuple[Drifted, ...] = ()
    signals: dict[str, dict[str, int]] = {}
    cameras: dict[str, int] = {}
    followed: int = 0
    labels: Labels = Labels()


def made(
    gate: str, at: float, until: float, signals: Sequence[Signal], labels: Labels, *, followed: int = 0
) -> Report:
    """Boil the signals of one look down."""
    counted: dict[str, dict[str, int]] = {}
    cameras = dict.fromkeys(CAMERA_KINDS, 0)
    for signal in signals:
        family = counted.setdefault(signal.family, {})
        family[signal.standing.value] = family.get(signal.standing.value, 0) + 1
        if signal.name.startswith(_CAMERA):
            kind = signal.name.removeprefix(_CAMERA)
            kind = kind if kind in CAMERA_KINDS else "other"
            cameras[kind] = cameras.get(kind, 0) + 1
    drift = tuple(
        Drifted(signal.subject, signal.effect, signal.standing, signal.rows, _together(signal))
        for signal in signals
        if signal.name == "drift.psi" and not signal.slice and signal.subject
    )
    return Report(gate, at, until, drift, counted, cameras, followed, labels)


def _together(signal: Signal) -> float:
    """Return how many rows are worth one; a signal that does not know it has NaN."""
    return max(1.0, signal.rows / signal.effective) if signal.rows and signal.effective > 0.0 else 1.0


def save(report: Report, folder: Path) -> None:
    """Replace the file, so that a reader finds the old report or the new one."""
    whole.put(folder / NAME, msgspec.json.encode(report))


def load(folder: Path) -> Report | None:
    """Read it; None where there is none, or none that can be read."""
    path = folder / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return None
