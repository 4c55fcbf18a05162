"""A folder of frames, read once: each one's header and statistics, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from wardline.camera.inspection import Limits, decode, inspect
from wardline.camera.sources import SUFFIXES
from wardline.stats import codec
from wardline.stats.image import Statistics, measure
from wardline.verdict import Finding

_STAMP = re.compile(
    r"((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?:[-_.T ]?(\d\d)[-_.:h]?(\d\d)(?:[-_.:m]?(\d\d))?)?"
)


class Seen(NamedTuple):
    """One frame of a folder. `taken` is its time by EXIF or name, in no zone; None: unknown."""

    file: str
    header: codec.Header
    statistics: Statistics
    taken: datetime | None = None


class Refused(NamedTuple):
    """A file that is no frame, and why."""

    file: str
    reason: str
    observed: str


def listed(folder: Path) -> list[Path]:
    """List the pictures of a folder and those below it, by name: time, where names carry it."""
    return sorted(each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())


def frames(
    folder: Path, files: list[Path], limits: Limits | None = None, told: Callable[[], object] = lambda: None
) -> Iterator[Seen | Refused]:
    """Read and measure each file; `told` is called after each. Memory does not grow with the folder."""
    limits = limits or Limits()
    for file in files:
        yield _frame(file, str(file.relative_to(folder)), limits)
        told()


def _frame(file: Path, name: str, limits: Limits) -> Seen | Refused:
    try:
        data = file.read_bytes()
    except OSError as error:
        return Refused(name, "unreadable", str(error.strerror))
    header, findings = inspect(data, limits)
    if header is None or findings:
        return Refused(name, findings[0].reason, str(findings[0].observed))
    pixels = decode(data, header)
    if isinstance(pixels, Finding):
        return Refused(name, pixels.reason, str(pixels.observed))
    return Seen(name, header, measure(pixels), taken_at(header, name))


def taken_at(header: codec.Header, name: str) -> datetime | None:
    """Read when a frame was taken: from EXIF, else from a date in its name.

    >>> from wardline.stats.codec import Header
    >>> taken_at(Header("jpeg", 1, 1, 3), "yard/dukehw_2015_03_01_120110.jpg").isoformat()
    '2015-03-01T12:01:10'
    """
    try:
        return datetime.strptime(header.exif.taken, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        pass
    found = _STAMP.search(Path(name).name)
    try:
        return datetime(*(int(each) for each in found.groups() if each)) if found else None  # type: ignore[arg-type]
    except ValueError:
        return None


def camera_of(seen: Seen) -> set[str]:
    """Return every name by which `--camera` may ask for this frame: maker and model, serial, its folder."""
    exif, parents = seen.header.exif, Path(seen.file).parts[:-1]
    return {" ".join(filter(None, (exif.make, exif.model))), exif.model, exif.serial, *parents} - {""}
