"""Access: which routes ask for a key, and whose key opens them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Sequence
from enum import StrEnum

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wardline.keys import KeySettings
from wardline.serving.admission import Bounded
from wardline.serving.metrics import Counts
from wardline.serving.replies import Caller, Reply, caller, problem


class Access(StrEnum):
    """What a route is for, said once where it is declared; that decides who may use it."""

    PROBE = "probe"
    """Says only whether the server lives and is ready: open to everybody."""
    PREDICT = "predict"
    """Predictions and the contract they keep: asks for a key where keys are set."""
    OPERATE = "operate"
    """Everything else: asks for an operator's key where one is set, and is closed beyond loopback without."""


class Doors:
    """Makes routes that ask who is there: `doors.route("/labels", endpoint, Access.OPERATE, "POST")`."""

    def __init__(self, keys: KeySettings, metrics: Counts) -> None:
        self._keys = keys
        self._metrics = metrics

    def route(self, path: str, endpoint: ASGIApp, access: Access, method: str = "GET") -> Route:
        """Return the route of an endpoint behind its door."""
        return Route(path, self.door(endpoint, access), methods=[method])

    def door(self, endpoint: ASGIApp, access: Access) -> ASGIApp:
        """Return an endpoint behind its door, without a route of its own."""
        return _Door(endpoint, access, self._keys, self._metrics)


class _Door:
    def __init__(self, endpoint: ASGIApp, access: Access, keys: KeySettings, metrics: Counts) -> None:
        self._endpoint = endpoint
        self._access = access
        self._keys = keys
        self._metrics = metrics
        operate, predict = keys.operate, keys.predict
        self._accepted = operate if access is Access.OPERATE else (*predict, *operate)
        self._asks = bool({Access.PROBE: (), Access.PREDICT: predict, Access.OPERATE: operate}[access])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._asks or self._access is Access.OPERATE:
            who = caller(scope)
            answer = self._refusal(scope, who)
            if answer is not None:
                self._metrics.responded(answer.status)
                await answer.send(send, who)
                if isinstance(self._endpoint, Bounded):
                    self._endpoint.refused(answer, who, time.time_ns())
                return
        await self._endpoint(scope, receive, send)

    def _refusal(self, scope: Scope, who: Caller) -> Reply | None:
        """Say why this caller may not come in; None where they may."""
        headers = dict(scope["headers"])
        if self._access is Access.OPERATE and _from_elsewhere(headers):
            return problem(403, "this is not for pages of other origins", who)
        if self._asks:
            return None if opens(_given(headers), self._accepted) else _asked(self._access, who)
        if self._keys.beyond or not _loopback(scope["server"]) or not _local_name(headers.get(b"host", b"")):
            return problem(403, _CLOSED, who)
        return None


_CLOSED = "without an operator's key this is open on loopback only: set WARDLINE_OPERATE_KEYS_FILE"


def opens(given: bytes | None, accepted: Sequence[bytes]) -> bool:
    """Compare a key with every accepted digest, in a time that does not depend on which bytes agree.

    >>> opens(b"right", [hashlib.sha256(b"right").digest()]), opens(None, []), opens(b"", [])
    (True, False, False)
    """
    digest = hashlib.sha256(given or b"").digest()
    found = False
    for each in accepted:
        found |= hmac.compare_digest(digest, each)
    return found and bool(given)


def _given(headers: dict[bytes, bytes]) -> bytes | None:
    """Return the key a caller sent: `x-api-key`, a bearer token, or the password of Basic for browsers."""
    key = headers.get(b"x-api-key")
    if key is not None:
        return key
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return None
    return None


def _asked(access: Access, who: Caller) -> Reply:
    """Ask for the key; a browser asks its user only where people look at pages."""
    ways = [b"Bearer", *([b'Basic realm="wardline", charset="UTF-8"'] if access is Access.OPERATE else [])]
    refused = problem(401, "give a key: Authorization: Bearer KEY, or x-api-key: KEY", who)
    return refused._replace(headers=tuple((b"www-authenticate", way) for way in ways))


def _from_elsewhere(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that another site's page is asking."""
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host")


def _loopback(server: tuple[str, int | None] | None) -> bool:
    """Whether the address the caller reached is loopback; a Unix socket has none, and is local."""
    if server is None or server[1] is None:
        return True
    try:
        return ipaddress.ip_address(server[0]).is_loopback
    except ValueError:
        return server[0] == "localhost"


def _local_name(host: bytes) -> bool:
    """Whether the caller called this machine by a loopback name: a page that rebinds DNS does not."""
    name = host.decode("latin-1").rsplit(":", 1)[0] if not host.endswith(b"]") else host.decode("latin-1")
    name = name.strip("[]")
    if name in {"localhost", ""} or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
