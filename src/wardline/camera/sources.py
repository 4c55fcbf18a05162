"""Where frames come from: a folder, a video file, a stream, a device. None is trusted to be on time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError, WardlineError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_DEVICE = re.compile(r"(?:/dev/video)?(\d+)")
_STREAMS = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "rtp://")


class SourceError(WardlineError):
    """The source cannot be opened, or broke off."""


class Shot(NamedTuple):
    """One frame as it came: bytes of a file or pixels, and what to call it."""

    picture: bytes | NDArray[np.uint8]
    name: str


class Source(Protocol):
    """Gives frames until it ends. `live` sources do not wait: what is not taken in time is lost."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own time, and the source is worth reconnecting to."""

    def frames(self, stop: Callable[[], bool]) -> Iterator[Shot]:
        """Open the source and give its frames; raise SourceError where it breaks off."""


@dataclass(frozen=True)
class Folder:
    """The pictures of a folder in the order of their names; with `follow` also those still to come."""

    path: Path
    follow: bool = False
    poll_s: float = 0.5
    sleep: Callable[[float], None] = time.sleep

    @property
    def live(self) -> bool:
        """A folder waits."""
        return False

    def frames(self, stop: Callable[[], bool]) -> Iterator[Shot]:
        """Give each file once. A file still being written is left for the next look."""
        last, sizes = "", dict[str, int]()
        while not stop():
            try:
                found = sorted(each for each in self.path.iterdir() if each.suffix.lower() in SUFFIXES)
            except OSError as error:
                raise SourceError(f"{self.path} cannot be read ({error.strerror})") from error
            for file in found:
                if file.name <= last:
                    continue
                size = file.stat().st_size
                if self.follow and sizes.get(file.name) != size:  # still growing, or seen for the first time
                    sizes[file.name] = size
                    break
                sizes.pop(file.name, None)
                last = file.name
                yield Shot(file.read_bytes(), file.name)
                if stop():
                    return
            if not self.follow:
                return
            self.sleep(self.poll_s)


@dataclass(frozen=True)
class Capture:
    """A video file, a stream or a device, read by OpenCV. A file is as patient as a folder."""

    address: str
    live: bool = True
    timeout_s: float = 10.0
    open: Callable[..., Any] = cv2.VideoCapture

    def frames(self, stop: Callable[[], bool]) -> Iterator[Shot]:
        """Give frames as they are decoded; the end of a live one is a fault, the end of a file is its end."""
        device = _DEVICE.fullmatch(self.address)
        limit = int(self.timeout_s * 1000)
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
        if device is not None:
            capture = self.open(int(device[1]))
        elif self.live:
            capture = self.open(self.address, cv2.CAP_FFMPEG, patience)
        else:
            capture = self.open(self.address)
        try:
            if not capture.isOpened():
                raise SourceError(f"{self.address} does not open: check the address, the cable, the rights")
            number = 0
            while not stop():
                good, pixels = capture.read()
                if not good:
                    break
                yield Shot(np.asarray(pixels, np.uint8), f"frame {number}")
                number += 1
        finally:
            capture.release()
        if not stop() and (self.live or number == 0):
            raise SourceError(f"{self.address} broke off after {number} frames")


def source_of(text: str, *, follow: bool = False) -> Source:
    """Read what `--source` names; raise DeclarationError for what is neither place nor address.

    >>> source_of("rtsp://10.0.0.7/stream").live
    True
    """
    path = Path(text)
    if path.is_dir():
        return Folder(path, follow)
    if text.startswith(_STREAMS) or _DEVICE.fullmatch(text):
        return Capture(text)
    if path.is_file():
        return Capture(text, live=False)
    raise DeclarationError(
        f"{text} is no folder, no file and no address: give a folder of pictures, a video file, rtsp://... "
        "or /dev/video0"
    )
