"""Bodies of requests: which kinds the contract takes, and what payload they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Scope

from wardline.contract import Tabular
from wardline.errors import PayloadError

_PICTURE_FILE = "file"
_FIELDS = 32  # of a form; a frame's contract has a handful


def kind_of(scope: Scope, contract: Tabular) -> str:
    """Name the body's kind: json, picture or form; raise PayloadError for a kind the contract takes not."""
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"application/json")
    kind = given.split(b";", 1)[0].strip().lower()
    if kind == b"application/json" or kind.endswith(b"+json"):
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
    fields = _from_headers(scope, getattr(contract, "headers", {}))
    if kind == "picture":
        return {**fields, "picture": body}
    return {**fields, **await _form(body, scope)}


def _from_headers(scope: Scope, headers: Mapping[str, str]) -> dict[str, str]:
    sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return {field: sent[header] for header, field in headers.items() if header in sent}


async def _form(body: bytes, scope: Scope) -> dict[str, Any]:
    """Read a form that was received already; its part `file` is the picture, others are fields."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    found: dict[str, Any] = {}
    try:
        parts = Request(scope, receive).form(max_files=1, max_fields=_FIELDS, max_part_size=len(body))
        async with parts as form:
            for name, value in form.items():
                is_file = isinstance(value, UploadFile)
                content = await value.read() if isinstance(value, UploadFile) else value
                found["picture" if is_file and name == _PICTURE_FILE else name] = content
    except (MultiPartException, KeyError, ValueError) as error:
        raise PayloadError(f"the form cannot be read: {error}") from None
    except Exception as error:
        if type(error).__name__ != "HTTPException":  # how starlette wraps the same where there is an app
            raise
        raise PayloadError(f"the form cannot be read: {getattr(error, 'detail', error)}") from None
    if "picture" not in found:
        raise PayloadError(f"the form has no part {_PICTURE_FILE!r}: that is where the picture goes")
    return found


def _shown(given: bytes) -> str:
    return given.decode("latin-1")[:80]
