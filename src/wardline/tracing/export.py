"""Sending traces by OpenTelemetry's exporters: OTLP over HTTP and gRPC, as the OTEL_* variables say."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

from wardline.tracing.asked import asked, protocol, whole
from wardline.tracing.trace import Trace, request

log = logging.getLogger(__name__)


class Sender(Protocol):
    """Sends one batch and says whether the receiver took it; gives up after its own timeout."""

    def send(self, batch: Any) -> bool:
        """Send an ExportTraceServiceRequest."""

    def shutdown(self) -> None:
        """Let go of connections; a send that waits for its next attempt gives up."""


class Http(HttpExporter):
    """OTLP/HTTP. The official exporter encodes span objects one attribute at a time, which costs five times
    what the whole request may; it is given what is already encoded, and keeps transport, retries and TLS."""

    def send(self, batch: Any) -> bool:
        """Send a batch."""
        return bool(self._client.export(batch.SerializeToString()).success)


def _grpc(endpoint: str | None) -> Any:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - gRPC costs a second to import
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415 - as above

    class Grpc(OTLPSpanExporter):
        """OTLP/gRPC, given what is already encoded."""

        def _translate_data(self, data: Any) -> Any:
            return data

        def _count_data(self, data: Any) -> int:
            return sum(len(scope.spans) for each in data.resource_spans for scope in each.scope_spans)

        def send(self, batch: Any) -> bool:
            return bool(self._export(batch) is SpanExportResult.SUCCESS)

    return Grpc(endpoint=endpoint)


def sender(env: Mapping[str, str] | None = None, endpoint: str | None = None) -> Sender | None:
    """Return what OTEL_* asks for: None where nothing does. `endpoint` is asked whatever they say."""
    how = asked("traces", env) if endpoint is None else protocol("traces", env)
    if not how:
        return None
    made: Sender = _grpc(endpoint) if how == "grpc" else Http(endpoint=endpoint)
    return made


class Exporter:
    """Sends traces from a bounded queue on a thread of its own; what does not fit or is refused is counted.

    OTEL_BSP_MAX_QUEUE_SIZE (spans that wait), OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BSP_SCHEDULE_DELAY
    (milliseconds) are honoured. A receiver that is away, slow or lying costs its own traces, nothing else.
    """

    def __init__(self, sender: Sender, env: Mapping[str, str] | None = None) -> None:
        env = os.environ if env is None else env
        self._sender = sender
        self._most = whole(env, "OTEL_BSP_MAX_QUEUE_SIZE", 16_384)
        self._batch = whole(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
        self._delay_s = whole(env, "OTEL_BSP_SCHEDULE_DELAY", 1000) / 1000
        self._queue: deque[Trace] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = False
        self.sent = self.dropped = self.failed = 0
        """Spans that were taken, that found no room, and that the receiver did not take."""
        self._thread = threading.Thread(target=self._run, name="wardline-otlp", daemon=True)
        self._thread.start()

    def add(self, traces: Sequence[Trace]) -> None:
        """Queue traces; never waits."""
        with self._changed:
            for trace in traces:
                if self._waiting + len(trace.spans) > self._most or self._closed:
                    self.dropped += len(trace.spans)
                    continue
                self._queue.append(trace)
                self._waiting += len(trace.spans)
            if self._waiting >= self._batch:
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Spans that wait to be sent."""
        return self._waiting

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, as long as that takes at most `timeout` seconds, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout)
        self._sender.shutdown()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait_for(
                        lambda: self._closed or self._waiting >= self._batch, self._delay_s
                    )
                batch = self._take()
                if not batch and self._closed:
                    return
            if batch:
                self._send(batch)

    def _take(self) -> list[Trace]:
        batch: list[Trace] = []
        spans = 0
        while self._queue and (not batch or spans + len(self._queue[0].spans) <= self._batch):
            batch.append(self._queue.popleft())
            spans += len(batch[-1].spans)
        self._waiting -= spans
        return batch

    def _send(self, batch: list[Trace]) -> None:
        spans = sum(len(trace.spans) for trace in batch)
        began = time.monotonic()
        try:
            taken = self._sender.send(request(batch))
        except Exception as error:  # whatever a receiver makes the exporter do, requests go on
            log.warning("traces could not be sent: %r", error)
            taken = False
        if taken:
            self.sent += spans
        else:
            self.failed += spans
            log.warning(
                "%d spans were not taken after %.1f s; they are kept here", spans, time.monotonic() - began
            )
