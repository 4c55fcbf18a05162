"""Bodies of requests: which kinds the contract takes, and what payload they become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive, Scope

from wardline.contract import Tabular
from wardline.errors import PayloadError, TooLargeError
from wardline.serving import exchange
from wardline.serving.admission import GoneError, SlowError
from wardline.settings import ServingSettings

_JSON = b"application/json"
_PICTURE_FILE = "file"
_FIELDS = 32  # of a form; a frame's contract has a handful


async def read_body(scope: Scope, receive: Receive, limits: ServingSettings) -> bytes:
    """Take the body of a request under every limit, and stop taking it once it breaks one.

    Raises TooLargeError over `max_body_mb`, before reading where the length is told; SlowError where it is
    not whole within `body_s`; GoneError where the caller leaves; PayloadError where it is empty.
    """
    most = int(limits.max_body_mb * 1024 * 1024)
    here = exchange.of(scope)
    if here is not None and (body := here.body()) is not None:
        return _some(body, most)
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > most:
            raise TooLargeError(_too_large(int(value), most))
    try:
        async with asyncio.timeout(limits.body_s):
            body = await _all_of(receive, most)
    except TimeoutError:
        raise SlowError(f"the body was not whole after {limits.body_s:g} s") from None
    return _some(body, most)


def _some(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise TooLargeError(_too_large(len(body), most))
    if not body or body.isspace():
        raise PayloadError("the body is empty: send one row as a JSON object")
    return body


async def _all_of(receive: Receive, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError("the caller left before the body was complete")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise TooLargeError(_too_large(size, most))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(size: int, most: int) -> str:
    return f"the body has {size} bytes or more, the limit is {most}: send fewer rows at a time"


def kind_of(scope: Scope, contract: Tabular) -> str:
    """Name the body's kind: json, picture or form; raise PayloadError for a kind the contract takes not."""
    given = _JSON
    for name, value in scope["headers"]:
        if name == b"content-type":
            given = value
            break
    if given == _JSON:
        return "json"
    kind = given.split(b";", 1)[0].strip().lower()
    if kind == _JSON or kind.endswith(b"+json"):
        return "json"
    if contract.pictures:
        if kind.startswith(b"image/") or kind == b"application/octet-stream":
            return "picture"
        if kind == b"multipart/form-data":
            return "form"
        wanted = "image/jpeg, image/png, image/webp, multipart/form-data or application/json"
        raise PayloadError(f"content-type {_shown(given)} is no picture: send {wanted}")
    raise PayloadError(f"content-type {_shown(given)} is not JSON: send application/json")


async def payload_of(kind: str, body: bytes, scope: Scope, contract: Tabular) -> Any:
    """Return what the contract is asked to admit. Headers that name fields of a frame fill them."""
    if kind == "json":
        return body
    fields = from_headers(scope, contract)
    if kind == "picture":
        return {**fields, "picture": body}
    return {**fields, **await _form(body, scope)}


def from_headers(scope: Scope, contract: Tabular) -> dict[str, str]:
    """Return the fields of a frame that headers name; a row of a table has none."""
    headers: Mapping[str, str] = getattr(contract, "headers", {})
    if not headers:
        return {}
    sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return {field: sent[header] for header, field in headers.items() if header in sent}


async def _form(body: bytes, scope: Scope) -> dict[str, Any]:
    """Read a form that was received already; its part `file` is the picture, others are fields."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    found: dict[str, Any] = {}
    parser = MultiPartParser(
        Headers(scope=scope), stream(), max_files=1, max_fields=_FIELDS, max_part_size=len(body)
    )
    try:
        for name, value in (await parser.parse()).items():
            is_file = isinstance(value, UploadFile)
            content = await value.read() if isinstance(value, UploadFile) else value
            found["picture" if is_file and name == _PICTURE_FILE else name] = content
    except (MultiPartException, KeyError, ValueError) as error:
        raise PayloadError(f"the form cannot be read: {error}") from None
    finally:  # a form that breaks off leaves files that no form knows
        for file in parser._files_to_close_on_error:  # noqa: SLF001 - nothing public names them
            file.close()
    if "picture" not in found:
        raise PayloadError(f"the form has no part {_PICTURE_FILE!r}: that is where the picture goes")
    return found


def _shown(given: bytes) -> str:
    return given.decode("latin-1")[:80]
