"""Delivery: messages to people, retried until they arrive, kept on disk until then, never in the way."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apprise
import httpx
import msgspec

from wardline import whole

log = logging.getLogger(__name__)

PREFIX = "WARDLINE_PAGE_"
RETRAIN = "WARDLINE_RETRAIN_URL"
"""Environment variables: `WARDLINE_PAGE_<NAME>` has the Apprise URLs of a page name, separated by spaces."""

WAITS_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds before each further try; the last is repeated for ever."""

ESCALATE_AFTER = 4
"""Failed tries after which the message also goes to whom the owner escalates to."""


class Message(msgspec.Struct):
    """One message on its way. `escalate` is who hears of it where `page` cannot be reached."""

    id: str
    page: str
    escalate: str
    title: str
    body: str
    kind: str = "page"
    tries: int = 0
    due: float = 0.0
    evidence: Mapping[str, Any] = {}


def urls(page: str, env: Mapping[str, str]) -> list[str]:
    """Return where a page goes: its own variable, else `WARDLINE_PAGE_DEFAULT`.

    >>> urls("rides-oncall", {"WARDLINE_PAGE_RIDES_ONCALL": "mailto://a json://b"})
    ['mailto://a', 'json://b']
    """
    name = "".join(letter if letter.isalnum() else "_" for letter in page).upper()
    return (env.get(PREFIX + name) or env.get(PREFIX + "DEFAULT", "")).split()


class Delivery:
    """Sends what is put into it, in a thread of its own, from a folder that survives a restart."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._env = os.environ if env is None else env
        self._clock = clock
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._problems: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="wardline-delivery", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Take a message: it is on disk when this returns. A page without an address is named, not kept."""
        if message.kind == "page" and not urls(message.page, self._env):
            self._problems[message.page] = f"page {message.page!r} has no address: set {PREFIX}..."
            return
        if message.kind == "retrain" and RETRAIN not in self._env:
            self._problems["retrain"] = f"retraining has no address: set {RETRAIN}"
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._store(message)
        self._wake.set()

    def problems(self) -> list[str]:
        """Say what cannot be delivered now."""
        return sorted(self._problems.values())

    def waiting(self) -> int:
        """How many messages have not arrived yet."""
        return len(list(self.folder.glob("*.json")))

    def close(self, timeout: float = 5.0) -> None:
        """Stop; what has not arrived stays in the folder, for the next start."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(timeout)

    def _store(self, message: Message) -> None:
        whole.put(self.folder / f"{message.id}.json", msgspec.json.encode(message))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                wait = self._round()
            except Exception:  # delivery must go on whatever a transport raises
                log.exception("delivery failed")
                wait = 1.0
            self._wake.wait(wait)
            self._wake.clear()

    def _round(self) -> float:
        """Try everything that is due; return the seconds until something is due again."""
        now, wait = self._clock(), 1.0
        for path in sorted(self.folder.glob("*.json")):
            if self._stopped.is_set():
                break
            try:
                message = msgspec.json.decode(path.read_bytes(), type=Message)
            except (OSError, msgspec.DecodeError) as error:
                log.warning("%s is no message: %s", path, error)
                path.replace(path.with_suffix(".broken"))
                continue
            if message.due > now:
                wait = min(wait, message.due - now)
                continue
            if self._sent(message):
                self._problems.pop(message.page, None)
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
            else:
                self._failed(message)
        return max(0.05, wait)

    def _failed(self, message: Message) -> None:
        message.tries += 1
        message.due = self._clock() + WAITS_S[min(message.tries, len(WAITS_S)) - 1]
        self._problems[message.page] = f"{message.page} cannot be reached, {message.tries} tries"
        self._store(message)
        if message.tries == ESCALATE_AFTER and message.escalate and message.escalate != message.page:
            self.put(
                Message(
                    uuid.uuid4().hex, message.escalate, "",
                    f"[undelivered to {message.page}] {message.title}", message.body,
                )
            )  # fmt: skip

    def _sent(self, message: Message) -> bool:
        """Try to send; whatever a transport raises is a failed try of this message alone."""
        try:
            return self._send(message)
        except Exception:
            log.exception("a message to %s failed", message.page)
            return False

    def _send(self, message: Message) -> bool:
        if message.kind == "retrain":
            try:
                return httpx.post(
                    self._env[RETRAIN], json=msgspec.to_builtins(message.evidence), timeout=10.0
                ).is_success
            except (httpx.HTTPError, httpx.InvalidURL, KeyError) as error:
                log.warning("the retraining hook failed: %s", error)
                return False
        sender = apprise.Apprise()
        for url in urls(message.page, self._env):
            sender.add(url)
        return bool(len(sender)) and bool(sender.notify(title=message.title, body=message.body))
