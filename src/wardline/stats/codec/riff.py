"""The headers of PNG (ISO 15948) and WebP (RFC 9649): chunks, sizes, metadata."""

from __future__ import annotations

import struct
import zlib

from wardline.stats.codec.header import Exif, Header, read_exif

_CHUNKS = 4096  # a 24 MP picture in chunks of 8 kB
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG's colour type; a palette stands for three
_OWN = 1 << 20  # bytes of a chunk up to which its checksum is held to it


def read_png(data: bytes) -> Header:
    """Walk the chunks of a PNG; each small one's checksum must be right."""
    segments: list[str] = []
    faults: list[str] = ["truncated"]
    exif, icc, place = Exif(), 0, 8
    shape = (0, 0, 0, 0)
    for _ in range(_CHUNKS):
        if place + 12 > len(data):
            break
        size, name = struct.unpack_from(">I4s", data, place)
        if place + 12 + size > len(data):
            break
        body = data[place + 8 : place + 8 + size]
        if size <= _OWN and zlib.crc32(data[place + 4 : place + 8 + size]) != _u32(data, place + 8 + size):
            raise ValueError(f"the checksum of the PNG's chunk {name.decode('latin-1')} is wrong")
        if name == b"IHDR" or not segments:
            shape = _shape(body)
        elif name == b"iCCP":
            icc = size
        elif name == b"eXIf":
            exif, fault = read_exif(body)
            faults += [fault] if fault else []
        if not segments or segments[-1] != name.decode("latin-1"):
            segments.append(name.decode("latin-1"))
        place += 12 + size
        if name == b"IEND":
            faults.remove("truncated")
            break
    if "IDAT" not in segments:
        raise ValueError("the PNG has no picture data" if segments else "the PNG's header is cut off")
    width, height, bits, channels = shape
    return Header(
        "png",
        width,
        height,
        channels,
        bits,
        segments=tuple(segments),
        icc=icc,
        exif=exif,
        faults=tuple(faults),
    )


def _u32(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">I", data, place)[0])


def _shape(body: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits and channels; refuse what no PNG may say."""
    if len(body) != 13:
        raise ValueError("the PNG's header is damaged")
    width, height, bits, colour, packing, filtering, interlacing = struct.unpack(">IIBBBBB", body)
    if colour not in _CHANNELS or bits not in (1, 2, 4, 8, 16) or packing or filtering or interlacing > 1:
        raise ValueError("the PNG's header is damaged")
    return width, height, bits, _CHANNELS[colour]


def read_webp(data: bytes) -> Header:
    """Walk the chunks of a WebP."""
    faults = [] if struct.unpack_from("<I", data, 4)[0] + 8 <= len(data) else ["truncated"]
    segments: list[str] = []
    exif, icc, place = Exif(), 0, 12
    width = height = 0
    channels = 3
    for _ in range(_CHUNKS):
        if place + 8 > len(data):
            break
        name, size = struct.unpack_from("<4sI", data, place)
        body = data[place + 8 : place + 8 + size]
        if len(body) < size and "truncated" not in faults:
            faults.append("truncated")
        segments.append(name.decode("latin-1").strip())
        if name in (b"VP8 ", b"VP8L"):
            width, height, alpha = _dimensions(name, body)
            channels = 4 if alpha else channels
        elif name == b"VP8X" and body[:1] and body[0] & 0x12:
            if body[0] & 0x02:
                raise ValueError("the WebP is an animation, not a picture")
            channels = 4
        elif name == b"ICCP":
            icc = size
        elif name == b"EXIF":
            exif, fault = read_exif(body.removeprefix(b"Exif\x00\x00"))
            faults += [fault] if fault else []
        place += 8 + size + size % 2
    if not width or not height:
        raise ValueError("the WebP has no picture data")
    return Header(
        "webp", width, height, channels, segments=tuple(segments), icc=icc, exif=exif, faults=tuple(faults)
    )


def _dimensions(name: bytes, body: bytes) -> tuple[int, int, bool]:
    if name == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF, False
    if name == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        (packed,) = struct.unpack_from("<I", body, 1)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bool(packed >> 28 & 1)
    raise ValueError("the WebP's picture header is damaged")
