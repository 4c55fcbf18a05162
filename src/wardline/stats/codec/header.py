"""What a header holds, and the part of it that every format shares: EXIF."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Exif(NamedTuple):
    """Who took the picture, and when: empty text is unknown. `taken` is as written, `offset` its zone."""

    make: str = ""
    model: str = ""
    software: str = ""
    lens: str = ""
    serial: str = ""
    taken: str = ""
    offset: str = ""
    orientation: int = 1
    thumbnail: int = 0
    """Bytes of the embedded preview."""


class Header(NamedTuple):
    """One picture's header. `tables` are the quantisation tables, 64 numbers each in zigzag order.

    `segments` names what precedes the picture's data, in order. `huffman` is "standard", "own" (made for
    this picture) or "" where there are none; `icc` is the colour profile's size in bytes, `restart` the
    restart interval in blocks. `faults` says what is wrong but can be lived with.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int = 8
    progressive: bool = False
    subsampling: str = ""
    tables: tuple[tuple[int, ...], ...] = ()
    segments: tuple[str, ...] = ()
    huffman: str = ""
    restart: int = 0
    icc: int = 0
    density: tuple[int, int, int] = (0, 0, 0)
    exif: Exif = Exif()
    faults: tuple[str, ...] = ()


_TEXTS = {
    0x010F: "make", 0x0110: "model", 0x0131: "software", 0x9003: "taken", 0x9011: "offset", 0xA431: "serial",
    0xA434: "lens",
}  # fmt: skip
_ORIENTATION, _EXIF_IFD, _THUMBNAIL_BYTES = 0x0112, 0x8769, 0x0202
_ENTRIES = 256  # of a directory; real ones have a few dozen
_SHOWN = 64  # characters of a text


def read_exif(data: bytes) -> tuple[Exif, str]:
    """Read a TIFF block of metadata; return it with what is wrong about it, empty where nothing is.

    >>> read_exif(b"no metadata at all")
    (Exif(make='', ...), 'metadata is damaged')
    """
    found: dict[str, str | int] = {}
    try:
        order = {b"II*\x00": "<", b"MM\x00*": ">"}[data[:4]]
        (first,) = struct.unpack_from(order + "I", data, 4)
        following = _directory(data, order, first, found)
        inner = found.pop("inner", 0)
        if isinstance(inner, int) and inner:
            _directory(data, order, inner, found)
        if following:
            preview: dict[str, str | int] = {}
            _directory(data, order, following, preview)
            found["thumbnail"] = preview.get("thumbnail", 0)
    except (KeyError, struct.error):
        return Exif()._replace(**found) if "inner" not in found else Exif(), "metadata is damaged"  # type: ignore[arg-type]
    return Exif(**found), ""  # type: ignore[arg-type]


def _directory(data: bytes, order: str, start: int, found: dict[str, str | int]) -> int:
    """Read one directory of tags; return where the next one starts, 0 for nowhere."""
    (count,) = struct.unpack_from(order + "H", data, start)
    if count > _ENTRIES:
        raise struct.error("too many entries")
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, size, value = struct.unpack_from(order + "HHII", data, place)
        if tag in _TEXTS and kind == 2:
            at = place + 8 if size <= 4 else value
            if at + size > len(data):
                raise struct.error("a text outside the block")
            text = data[at : at + min(size, _SHOWN)].split(b"\x00", 1)[0]
            found[_TEXTS[tag]] = text.decode("latin-1").strip()
        elif tag == _ORIENTATION and kind == 3:
            (turned,) = struct.unpack_from(order + "H", data, place + 8)
            found["orientation"] = turned if 1 <= turned <= 8 else 1
        elif tag == _EXIF_IFD:
            found["inner"] = value
        elif tag == _THUMBNAIL_BYTES:
            found["thumbnail"] = value
    end = start + 2 + 12 * count
    return int(struct.unpack_from(order + "I", data, end)[0]) if end + 4 <= len(data) else 0
