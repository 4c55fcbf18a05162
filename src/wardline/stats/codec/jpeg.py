"""The header of a JPEG (ITU-T T.81): everything up to its first scan, and whether it has an end."""

from __future__ import annotations

import struct
from typing import Any

from wardline.stats.codec.header import Exif, Header, read_exif

_SEGMENTS = 512  # before the first scan; a real file has some twenty, a large colour profile some more
_NAMES = {0xC4: "DHT", 0xDB: "DQT", 0xDD: "DRI", 0xDA: "SOS", 0xFE: "COM", 0xCC: "DAC"}
_FRAMES = {0xC0: "SOF0", 0xC1: "SOF1", 0xC2: "SOF2"}
_SAMPLING = {
    (1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0",
}  # fmt: skip
_STANDARD_COUNTS = bytes.fromhex("00010501010101010100000000000000")  # T.81 table K.3, codes by length

_BASE = (  # T.81 table K.1, luminance, in zigzag order
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
    26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
    56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip


def quality_of(table: tuple[int, ...]) -> int | None:
    """Return the quality, 1 to 100, at which libjpeg makes this luminance table; `None`: it never does.

    >>> quality_of(tuple(1 for _ in range(64))), quality_of(tuple(range(1, 65)))
    (100, None)
    """
    return _QUALITIES.get(table)


def _scaled(quality: int) -> tuple[int, ...]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(255, max(1, (base * scale + 50) // 100)) for base in _BASE)


_QUALITIES = {_scaled(quality): quality for quality in range(1, 101)}


def read_jpeg(data: bytes) -> Header:
    """Walk the segments up to the first scan."""
    found: dict[str, Any] = {"tables": {}, "segments": [], "faults": [], "exif": Exif()}
    place = 2
    for _ in range(_SEGMENTS):
        while data[place : place + 2] == b"\xff\xff":  # padding
            place += 1
        if place + 4 > len(data) or data[place] != 0xFF:
            raise ValueError("the JPEG's header is cut off or damaged")
        marker = data[place + 1]
        (size,) = struct.unpack_from(">H", data, place + 2)
        body = data[place + 4 : place + 2 + size]
        if size < 2 or len(body) != size - 2:
            raise ValueError("a segment of the JPEG's header is cut off")
        found["segments"].append(_name(marker, body))
        if marker == 0xDA:
            break
        _take(marker, body, found)
        place += 2 + size
    else:
        raise ValueError("the JPEG's header has no end")
    if "width" not in found:
        raise ValueError("the JPEG has no frame header")
    if data.rfind(b"\xff\xd9", place) < 0:  # not always at the very end: vendors append data of their own
        found["faults"].append("truncated")
    numbered = found.pop("tables")
    tables = tuple(numbered[key] for key in sorted(numbered))
    found["segments"], found["faults"] = tuple(found["segments"]), tuple(found["faults"])
    return Header("jpeg", tables=tables, **found)


def _name(marker: int, body: bytes) -> str:
    if 0xE0 <= marker <= 0xEF:
        return f"APP{marker - 0xE0}:{body[:4].split(bytes(1))[0].decode('latin-1')}"
    return _NAMES.get(marker) or _FRAMES.get(marker) or f"{marker:02X}"


def _take(marker: int, body: bytes, found: dict[str, Any]) -> None:
    """Read one segment."""
    if marker == 0xDB:
        _quantisation(body, found["tables"])
    elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
        _frame(marker, body, found)
    elif marker == 0xC4:
        standard = body[1:17] == _STANDARD_COUNTS or found.get("huffman") == "standard"
        found["huffman"] = "standard" if standard else "own"
    elif marker == 0xDD and len(body) >= 2:
        (found["restart"],) = struct.unpack_from(">H", body)
    elif marker == 0xE0 and body.startswith(b"JFIF\x00") and len(body) >= 12:
        found["density"] = struct.unpack_from(">BHH", body, 7)
    elif marker == 0xE1 and body.startswith(b"Exif\x00"):
        found["exif"], fault = read_exif(body[6:])
        found["faults"] += [fault] if fault else []
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\x00"):
        found["icc"] = found.get("icc", 0) + len(body) - 14


def _quantisation(body: bytes, tables: dict[int, tuple[int, ...]]) -> None:
    place = 0
    while place < len(body):
        wide, number = body[place] >> 4, body[place] & 15
        size = 128 if wide else 64
        values = body[place + 1 : place + 1 + size]
        if len(values) != size or wide > 1 or number > 3:
            raise ValueError("a quantisation table is damaged")
        tables[number] = struct.unpack(">64H", values) if wide else tuple(values)
        place += 1 + size


def _frame(marker: int, body: bytes, found: dict[str, Any]) -> None:
    if marker not in _FRAMES:
        raise ValueError("this kind of JPEG (lossless, hierarchical or arithmetic) is not taken")
    if "width" in found:
        raise ValueError("the JPEG has two frame headers")
    bits, height, width, channels = struct.unpack_from(">BHHB", body + bytes(6))
    if len(body) != 6 + 3 * channels or not channels:
        raise ValueError("the JPEG's frame header is damaged")
    factors = [(body[7 + 3 * each] >> 4, body[7 + 3 * each] & 15) for each in range(channels)]
    if any(not 1 <= factor <= 4 for pair in factors for factor in pair):
        raise ValueError("the JPEG's sampling factors are damaged")
    found.update(width=width, height=height, channels=channels, bits=bits, progressive=marker == 0xC2)
    if channels >= 3:
        (across, down), (least_across, least_down) = factors[0], factors[1]
        known = _SAMPLING.get((across // least_across, down // least_down))
        found["subsampling"] = known or ",".join(f"{x}x{y}" for x, y in factors)
