"""Bytes from bytes: what a line, a disk or an enemy does to them; one seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_TELLING = (
    b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"-1", b"0", b"1e999", b"NaN", b"null", b"{",
    b"[", b'"', b"\\u0000", b"\xed\xa0\x80", b"\r\n", b"--", b"9" * 400, b"[" * 400, b"true",
    b"\x89PNG", b"\xff\xd8\xff",
)  # fmt: skip
"""Pieces at which decoders have broken: limits of integers, tokens of JSON, surrogates, magic numbers."""


def mutated(seeds: Sequence[bytes], rng: Random, most: int = 200_000) -> bytes:
    """Return one of the seeds with a few things done to it."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        _STEPS[rng.randrange(len(_STEPS))](data, rng, seeds)
    return bytes(data[:most])


def _place(data: bytearray, rng: Random) -> int:
    return rng.randrange(len(data) + 1)


def _flip(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _cut(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    del data[_place(data, rng) :]


def _drop(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 4, 16, 256))]


def _double(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.choice((1, 4, 64, 1024))] * rng.choice((1, 2, 20))


def _insert(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    at = _place(data, rng)
    data[at:at] = rng.choice(_TELLING)


def _overwrite(data: bytearray, rng: Random, _: Sequence[bytes]) -> None:
    piece, at = rng.choice(_TELLING), _place(data, rng)
    data[at : at + len(piece)] = piece


def _cross(data: bytearray, rng: Random, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    at, start = _place(data, rng), rng.randrange(len(other) + 1)
    data[at:] = other[start:]


_STEPS = (_flip, _flip, _set, _cut, _drop, _double, _insert, _overwrite, _cross)
