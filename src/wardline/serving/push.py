"""Pushing metrics: what `/metrics` tells, sent by OTLP at an interval, by one worker for all of them."""

from __future__ import annotations

import fcntl
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from wardline.record import RecordSchema
from wardline.serving.families import Families
from wardline.tracing.asked import asked, whole
from wardline.tracing.trace import Value

log = logging.getLogger(__name__)

_LOCK, _SENT = "otlp.lock", "otlp.sent"
_CLOSE_S = 5.0


class Sender(Protocol):
    """An exporter of OpenTelemetry's: sends what it is given, and gives up after its own timeout."""

    def export(self, metrics_data: Any) -> Any:
        """Send, and say how it went."""

    def shutdown(self) -> None:
        """Let go of connections; a send that waits for its next attempt gives up."""


class Push:
    """Sends the sums over all workers every OTEL_METRIC_EXPORT_INTERVAL milliseconds (60000).

    One worker of a server holds the lock in `folder` and sends; when it ends or dies another goes on. A
    collector that is away, slow or lying costs what was not sent, which the next totals contain, and
    nothing else: a thread sends, and what comes while it does is left out and counted.
    """

    def __init__(
        self,
        folder: Path,
        sender: Sender,
        resource: Mapping[str, Value],
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from wardline.serving.otlp import deltas  # noqa: PLC0415 - who pushes nothing need not load the SDK

        env = os.environ if env is None else env
        self._folder, self._sender, self._resource, self._clock = folder, sender, resource, clock
        self._every_s = whole(env, "OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000
        self._deltas = deltas(env)
        self._last, self._began = clock(), time.time_ns()
        self._lock: IO[str] | None = None
        self._handed: Families | None = None
        self._changed = threading.Condition()
        self._busy = self._closed = False
        self.sent = self.failed = self.skipped = 0
        """Exports that were taken, that were not, and that found the one before still under way."""
        self._thread = threading.Thread(target=self._run, name="wardline-otlp-metrics", daemon=True)
        self._thread.start()

    def due(self) -> bool:
        """Say whether it is time to `give`, and this worker's turn."""
        return self._clock() - self._last >= self._every_s and self._mine()

    def give(self, families: Families) -> None:
        """Hand over what is to be sent; never waits."""
        self._last = self._clock()
        with self._changed:
            if self._busy or self._handed is not None:
                self.skipped += 1
                return
            self._handed = families
            self._changed.notify_all()

    def close(self, last: Callable[[], Families]) -> None:
        """Send the last of it, for at most a few seconds, and let another worker go on.

        Each worker that ends sends: the one that ends last knows all of them.
        """
        if self._closed:
            return
        deadline = time.monotonic() + _CLOSE_S
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and self._handed is None, _CLOSE_S)
        while not self._mine() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._mine():
            self.give(last())
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(max(0.1, deadline - time.monotonic()))
        self._sender.shutdown()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _mine(self) -> bool:
        """Take the lock if nobody has it; the kernel gives it back, however a worker ends."""
        if self._lock is not None:
            return True
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = (self._folder / _LOCK).open("a+")
        except OSError as error:
            log.warning("metrics cannot be sent: %s", error)
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not handle.tell():  # the first of the workers: it says since when is counted
                handle.write(str(self._began))
                handle.flush()
        except OSError:
            handle.close()
            return False
        self._lock = handle
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._handed is not None)
                families, self._handed = self._handed, None
                self._busy = families is not None
            if families is None:
                return
            try:
                self._send(families)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _send(self, families: Families) -> None:
        from wardline.serving.otlp import Span, metrics  # noqa: PLC0415 - as above

        try:
            before, start = self._before()
            span = Span(start, time.time_ns())
            data, total = metrics(families, self._resource, span, before)
            taken = self._sender.export(data).name == "SUCCESS"
            if taken and self._deltas:
                told = msgspec.json.encode({"at": span.end, "sent": total})
                (self._folder / _SENT).write_bytes(told)
        except Exception as error:  # whatever a collector makes the exporter do, requests go on
            log.warning("metrics could not be sent: %r", error)
            taken = False
        if taken:
            self.sent += 1
        else:
            self.failed += 1
            log.warning("metrics were not taken; the next totals contain them")

    def _before(self) -> tuple[dict[str, list[float]] | None, int]:
        """Return what was sent before, by whichever worker, and since when counts are counted."""
        start = int((self._folder / _LOCK).read_text())
        if not self._deltas:
            return None, start
        try:
            told = msgspec.json.decode((self._folder / _SENT).read_bytes(), type=_Told)
        except (FileNotFoundError, msgspec.DecodeError):
            return {}, start
        return told.sent, told.at


class _Told(msgspec.Struct):
    at: int
    sent: dict[str, list[float]]


def push(folder: Path, schema: RecordSchema) -> Push | None:
    """Return what OTEL_* asks for; None where nothing does."""
    how = asked("metrics")
    if not how:
        return None
    from wardline.tracing.resource import resource_of  # noqa: PLC0415 - who pushes nothing need not load the SDK

    sender: Any
    if how == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - gRPC costs a second to import
            OTLPMetricExporter as Grpc,
        )

        sender = Grpc()
    else:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - as above
            OTLPMetricExporter as Http,
        )

        sender = Http()
    instance = f"{platform.node()}-{folder.name}"  # several workers tell it together
    return Push(folder, sender, resource_of(schema, instance))
