"""The outline of a JSON body, seen before it is parsed: how deep it nests, how many rows it has.

A parser builds what it reads. What is too deep or too many is refused here, from the bytes alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wardline.errors import PayloadError, TooLargeError

_QUOTE, _COMMA = ord('"'), ord(",")
_SILENT = bytes(set(range(256)) - set(b'"{}[],'))
_STEP = np.zeros(256, np.int8)
_STEP[[*b"{["]] = 1
_STEP[[*b"}]"]] = -1


def check(body: bytes, *, deepest: int, most: int, level: int = 0) -> None:
    """Raise PayloadError where a body nests deeper than `deepest`, TooLargeError for more than `most` rows.

    Rows are what the list at nesting `level` holds, 0 for none: in `{"rows": [{}, {}]}` that is 2. A body
    that is no JSON is for the parser to refuse.
    """
    deep = body.count(b"[") + body.count(b"{") > deepest
    many = level > 0 and body.count(b",") >= most
    if not deep and not many:
        return
    kinds, depths = _outline(body)
    if deep and (found := int(depths.max(initial=0))) > deepest:
        raise PayloadError(f"the body nests {found} deep, the limit is {deepest}")
    if many:
        rows = int(np.count_nonzero((kinds == _COMMA) & (depths == level))) + 1
        if rows > most:
            raise TooLargeError(f"{rows} rows in one request, the limit is {most}: send fewer at a time")


def _outline(body: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the brackets and commas that are not in strings, and how deep each leaves the body.

    >>> [kinds.tobytes() for kinds, _ in [_outline(b'{"a\\\\"[": [1, 2]}')]]
    [b'{[,]}']
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    # Two quotes that meet are an empty string, or the gap between two strings: nothing that counts is there.
    kinds = np.frombuffer(body.translate(None, _SILENT).replace(b'""', b""), np.uint8)
    quotes = kinds == _QUOTE
    if quotes.any():
        kinds = kinds[~(np.logical_xor.accumulate(quotes) | quotes)]
    return kinds, np.cumsum(_STEP[kinds], dtype=np.int32)
