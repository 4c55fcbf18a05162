"""What a picture must be before one pixel is decoded, and the one decoding of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.breaches import breach
from wardline.errors import DeclarationError
from wardline.stats import codec
from wardline.stats.image import LEAST_HEIGHT, LEAST_WIDTH
from wardline.verdict import Finding

log = logging.getLogger(__name__)

if hasattr(cv2, "utils"):  # libjpeg's complaints about broken files go to our findings, not to stderr
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True)
class Limits:
    """What a picture may cost. All are judged on the header, so that nothing large is ever decoded.

    `pixels_per_byte` bounds decompression: real frames, black ones too, stay far below it.
    """

    formats: tuple[str, ...] = ("jpeg", "png", "webp")
    most_bytes: int = 16 * 1024 * 1024
    most_pixels: int = 40_000_000
    most_side: int = 16_384
    least_width: int = LEAST_WIDTH
    least_height: int = LEAST_HEIGHT
    pixels_per_byte: float = 1000.0
    grey: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.formats) - {"jpeg", "png", "webp"}
        if unknown or not self.formats:
            raise DeclarationError(f"formats are of jpeg, png and webp, not {sorted(unknown)}")
        if self.least_width < LEAST_WIDTH or self.least_height < LEAST_HEIGHT:
            raise DeclarationError(
                f"below {LEAST_WIDTH} x {LEAST_HEIGHT} pixels nothing can be said about a camera"
            )


class Inspected(NamedTuple):
    """A picture's header, and the findings that keep it from being decoded."""

    header: codec.Header | None
    findings: tuple[Finding, ...]


def inspect(data: bytes, limits: Limits) -> Inspected:
    """Judge a picture by its bytes. Bounded in time and memory whatever they are."""
    if len(data) > limits.most_bytes:
        return _refused(None, "contract.size", f"{len(data)} bytes", f"at most {limits.most_bytes} bytes")
    found = codec.sniff(data)
    if found not in limits.formats:
        return _refused(None, "contract.format", found or "no known picture", " or ".join(limits.formats))
    try:
        header = codec.read(data)
    except ValueError as error:
        return _refused(None, "contract.damaged", str(error), "a whole header")
    findings = [*_shape(header, len(data), limits), *_content(header, limits)]
    return Inspected(header, tuple(findings))


def extent(width: int, height: int, limits: Limits) -> list[Finding]:
    """Judge how many pixels a picture has, whether they come in a file or as they are."""
    found, seen = [], f"{width} x {height}"
    if width < limits.least_width or height < limits.least_height:
        least = f"at least {limits.least_width} x {limits.least_height} pixels"
        found.append(breach("contract.small", "picture", seen, least))
    if width * height > limits.most_pixels or max(width, height) > limits.most_side:
        most = f"at most {limits.most_pixels} pixels and {limits.most_side} a side"
        found.append(breach("contract.size", "picture", seen, most))
    return found


def _shape(header: codec.Header, size: int, limits: Limits) -> list[Finding]:
    width, height = header.width, header.height
    found = extent(width, height, limits)
    if width * height > limits.pixels_per_byte * size and not any(
        each.reason == "contract.size" for each in found
    ):
        most = f"at most {limits.pixels_per_byte:g} pixels a byte"
        seen = f"{width} x {height} from {size} bytes"
        found.append(breach("contract.decompression", "picture", seen, most))
    return found


def _content(header: codec.Header, limits: Limits) -> list[Finding]:
    found = []
    if header.channels not in ((1, 3) if limits.grey else (3,)) or header.bits != 8:
        seen = f"{header.channels} channels of {header.bits} bits"
        found.append(
            breach("contract.colour", "picture", seen, "colour or grey of 8 bits, no alpha, no CMYK")
        )
    if "truncated" in header.faults:
        found.append(breach("contract.truncated", "picture", "no end", "a whole picture"))
    return found


def decode(data: bytes, header: codec.Header) -> NDArray[np.uint8] | Finding:
    """Decode once, upright; a finding where the decoder gives nothing, or not what the header said."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # its message is for its developers
        log.info("a picture was not decoded: %s", error)
        pixels = None
    if pixels is None:
        return breach("contract.damaged", "picture", "data that does not decode", "a whole picture")
    if sorted(pixels.shape[:2]) != sorted((header.height, header.width)):
        seen = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        return breach(
            "contract.damaged", "picture", seen, f"{header.width} x {header.height} as its header says"
        )
    return np.asarray(pixels, np.uint8)


def _refused(header: codec.Header | None, reason: str, observed: str, expected: str) -> Inspected:
    return Inspected(header, (breach(reason, "picture", observed, expected),))
