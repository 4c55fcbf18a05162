"""What of a header stays the same as long as nobody touches camera, firmware or path: the fingerprint.

A camera with rate control writes many quantisation tables: one shape, scaled. So the shape and the span of
its scale are learned, not the tables; an encoder that was never seen has another shape, another marker
order, other Huffman tables or another chroma layout, and one frame shows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from wardline.stats.codec.header import Header
from wardline.stats.codec.jpeg import quality_of

STEADY = 8
"""Frames of one table after which its camera is held to have no rate control."""

_LOW = 15  # coefficients of a table, in zigzag order, whose ratios are its shape; later ones clip at 255
_APART = 0.25  # largest difference of log coefficients within one shape: rounding at high quality makes 0.2
_SLACK = 0.35  # of the seen span of levels, how far beyond it rate control may still go


class Kind(NamedTuple):
    """The encoder's habits. Equal for every frame of one encoder in one setting."""

    format: str
    channels: int
    bits: int
    progressive: bool
    subsampling: str
    huffman: str
    restart: bool
    icc: bool
    segments: tuple[str, ...]


class Shape(NamedTuple):
    """The tables of one encoder: `curve` is their shape (empty: libjpeg's own), levels their scale.

    A level is libjpeg's quality where it is libjpeg's table, else minus the log of the mean coefficient.
    """

    curve: tuple[float, ...]
    low: float
    high: float
    levels: int
    frames: int


class Known(NamedTuple):
    """What a camera was seen to write. Plain tuples: it travels as JSON and stays under a few kB."""

    kinds: tuple[Kind, ...] = ()
    shapes: tuple[Shape, ...] = ()
    makers: tuple[tuple[str, str, str, str], ...] = ()
    """Make, model, lens and serial."""
    software: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    frames: int = 0


class Change(NamedTuple):
    """One thing that was never seen of this camera: `cause` is a stable dotted name."""

    cause: str
    subject: str
    observed: str
    expected: str


T = TypeVar("T")
_MOST = 16  # of each, what a camera can be known by


def kind_of(header: Header) -> Kind:
    """Return what of a header no rate control moves."""
    return Kind(
        header.format, header.channels, header.bits, header.progressive, header.subsampling, header.huffman,
        header.restart > 0, header.icc > 0, header.segments,
    )  # fmt: skip


def level_of(header: Header) -> tuple[tuple[float, ...], float] | None:
    """Return the shape and the level of the tables; `None` where there are none."""
    return _level(header.tables) if header.tables else None


@lru_cache(256)
def _level(tables: tuple[tuple[int, ...], ...]) -> tuple[tuple[float, ...], float]:
    """Read the tables; a camera without rate control has the same ones in every frame."""
    quality = quality_of(tables[0])
    if quality is not None:
        return (), float(quality)
    curve: list[float] = []
    for table in tables[:2]:
        logs = [math.log(max(value, 1)) for value in table[:_LOW]]
        middle = sum(logs) / _LOW
        curve += [round(each - middle, 3) for each in logs]
    mean = sum(tables[0]) / 64
    return tuple(curve), -round(math.log(max(mean, 1e-9)), 3)


def learn(headers: Iterable[Header], known: Known = Known()) -> Known:  # noqa: B008 - frozen
    """Add what these frames show to what is known of their camera.

    >>> from wardline.stats.codec.header import Header
    >>> learn([Header("jpeg", 640, 480, 3)] * 3).sizes
    ((640, 480),)
    """
    kinds, makers, software, sizes = known.kinds, known.makers, known.software, known.sizes
    shapes, frames = list(known.shapes), known.frames
    for header in headers:
        exif = header.exif
        kinds = _with(kinds, kind_of(header))
        makers = _with(makers, (exif.make, exif.model, exif.lens, exif.serial))
        software = _with(software, exif.software)
        sizes = _with(sizes, (header.width, header.height))
        table = level_of(header)
        if table is not None:
            _grow(shapes, *table)
        frames += 1
    return Known(kinds, tuple(shapes), makers, software, sizes, frames)


def novelty(known: Known, header: Header, firmware: str = "") -> list[Change]:
    """Say what this frame shows that its camera never did; empty where nothing is new, or nothing known.

    A `firmware` that the camera declares stands in for the software that its files name.
    """
    if not known.frames:
        return []
    exif, found = header.exif, []
    software = firmware or exif.software
    kind, maker = kind_of(header), (exif.make, exif.model, exif.lens, exif.serial)
    if maker not in known.makers:
        found.append(Change("identity.model", "exif", _words(maker), _words(known.makers[0])))
    if software not in known.software:
        expected = known.software[0] or "no software named"
        found.append(Change("identity.firmware", "software", software or "none", expected))
    if (header.width, header.height) not in known.sizes and len(known.sizes) < _MOST:  # crops have any size
        width, height = known.sizes[0]
        seen = f"{header.width}x{header.height}"
        found.append(Change("geometry.resolution", "size", seen, f"{width}x{height}"))
    if kind not in known.kinds:
        nearest = min(known.kinds, key=lambda each: len(_differences(kind, each)))
        for name in _differences(kind, nearest)[:3]:
            observed, expected = (_words(getattr(each, name)) for each in (kind, nearest))
            found.append(Change("codec.requantised", name, observed, expected))
    odd = _unlikely(known.shapes, header)
    if odd:
        found.append(Change("codec.requantised", "tables", *odd))
    return found


def _unlikely(shapes: Sequence[Shape], header: Header) -> tuple[str, str] | None:
    """Say what the tables are and what was expected, where this camera would not write them."""
    table = level_of(header)
    if table is None or not shapes:
        return None
    curve, level = table
    shape = next((each for each in shapes if _alike(each.curve, curve)), None)
    if shape is None:
        return _table_words(curve, level), " or ".join(_shape_words(each) for each in shapes[:3])
    slack = max(_SLACK * (shape.high - shape.low), 0.02)
    steady = shape.levels == 1 and shape.frames >= STEADY
    if shape.levels == 1 and not steady:
        slack = math.inf  # too few frames to say that it has no rate control
    if shape.low - slack <= level <= shape.high + slack:
        return None
    return _table_words(curve, level), _shape_words(shape)


def _table_words(curve: tuple[float, ...], level: float) -> str:
    return f"an own table of level {level:.2f}" if curve else f"libjpeg's at quality {level:.0f}"


def _with(seen: tuple[T, ...], new: T) -> tuple[T, ...]:
    return seen if new in seen or len(seen) >= _MOST else (*seen, new)


def _grow(shapes: list[Shape], curve: tuple[float, ...], level: float) -> None:
    for place, shape in enumerate(shapes):
        if _alike(shape.curve, curve):
            inside = shape.low <= level <= shape.high and (shape.levels > 1 or level == shape.low)
            low, high = min(shape.low, level), max(shape.high, level)
            shapes[place] = Shape(shape.curve, low, high, shape.levels + (not inside), shape.frames + 1)
            return
    if len(shapes) < _MOST:
        shapes.append(Shape(curve, level, level, 1, 1))


def _alike(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    if len(one) != len(other):
        return False
    return all(abs(a - b) <= _APART for a, b in zip(one, other, strict=True))


def _differences(kind: Kind, other: Kind) -> list[str]:
    return [name for name in Kind._fields if getattr(kind, name) != getattr(other, name)]


def _shape_words(shape: Shape) -> str:
    name = "an own table" if shape.curve else "libjpeg's quality"
    span = f"{shape.low:g}" if shape.low == shape.high else f"{shape.low:g} to {shape.high:g}"
    return f"{name} {span}"


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(str(each) for each in value if each) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
