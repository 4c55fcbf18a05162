"""What the bytes of a picture say about who wrote them, without decoding one pixel.

`read` takes tens of microseconds and is bounded whatever the bytes are: it walks the headers once, follows
no offset outside the file and raises nothing but `ValueError`. `kind_of` is the part of it that a camera's
own rate control does not move.
"""

from __future__ import annotations

from wardline.stats.codec.fingerprint import Change, Kind, Known, kind_of, learn, level_of, novelty
from wardline.stats.codec.header import Exif, Header
from wardline.stats.codec.jpeg import quality_of, read_jpeg
from wardline.stats.codec.riff import read_png, read_webp

__all__ = [
    "Change",
    "Exif",
    "Header",
    "Kind",
    "Known",
    "kind_of",
    "learn",
    "level_of",
    "novelty",
    "quality_of",
    "read",
    "sniff",
]


def sniff(data: bytes) -> str:
    """Name the format that the first bytes claim: jpeg, png, webp, another's name, or nothing.

    >>> sniff(b"GIF89a..."), sniff(b"hello")
    ('gif', '')
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


def read(data: bytes) -> Header:
    """Read the header of a JPEG, PNG or WebP; raise ValueError for any other format, or a broken header.

    What can be lived with, a missing end or damaged metadata, is in the header's `faults`.
    """
    found = sniff(data)
    if found not in _READERS:
        raise ValueError(f"this is {found or 'no picture'}, not JPEG, PNG or WebP")
    return _READERS[found](data)


_MAGIC = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"\x00\x00\x00\x0cjP  ": "jpeg 2000",
}
_READERS = {"jpeg": read_jpeg, "png": read_png, "webp": read_webp}
