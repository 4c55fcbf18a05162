"""The tracer: takes what a kept request left, at the price of a list append; a thread makes spans of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wardline.record import Records, RecordSchema
from wardline.settings import TraceSettings
from wardline.telemetry import CALLER, STATUS, TraceContext
from wardline.tracing.frames import ATTRIBUTE, Frames
from wardline.tracing.keep import Keep
from wardline.tracing.refusal import Refused
from wardline.tracing.store import Store
from wardline.tracing.trace import Trace, line

if TYPE_CHECKING:
    from wardline.tracing.build import Builder
    from wardline.tracing.export import Exporter

log = logging.getLogger(__name__)

_PAUSE_S = 0.25
_PICTURES = 64  # that may wait to be encoded, of 48 kB each; a frame beyond them keeps its trace only
_PATIENCE_S = 2.0  # how long a trace waits for its response's status
_TOLD = "wardline.told"  # where a request's scope says that its trace is kept


@dataclass(frozen=True)
class TraceStats:
    """How tracing is doing, in traces; the exporter's in spans."""

    kept: int
    dropped: int
    limited: int
    errors: int
    queued: int
    sent: int = 0
    unsent: int = 0
    spans_queued: int = 0


class Pictures(NamedTuple):
    """How a frame becomes a small picture: taken on the request's way, encoded off it."""

    glimpse: Callable[[Any], Any]
    encode: Callable[[Any], bytes]


class Waiting(NamedTuple):
    """What waits to become a trace: what a request left, who asked, why it is kept and since when; and of a
    frame its small picture."""

    what: Records | Refused
    context: TraceContext | None
    why: str
    at: float
    small: Any


class Tracer:
    """Keeps the traces of one gate from one process; open one a worker.

    They are sent on as OTEL_* says, or by `exporter`. `personal` names the fields whose values stay out.
    `pictures` makes small pictures of kept frames, where the contract lets them be kept.
    """

    def __init__(
        self,
        directory: Path,
        schema: RecordSchema,
        settings: TraceSettings | None = None,
        *,
        exporter: Exporter | None = None,
        remote: frozenset[str] = frozenset(),
        personal: frozenset[str] = frozenset(),
        pictures: Pictures | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or TraceSettings()
        self._schema, self._remote, self._personal = schema, remote, personal
        self._clock = clock
        self._keep = Keep(self._settings, clock)
        self.timed = self._keep.timed
        """What the last half of a trace's id is below where guards are timed one by one."""
        self._below, self._slowest = self._keep.below, self._keep.slowest
        self._store = Store(directory, self._settings.keep_mb, self._settings.keep_days)
        self._queue: deque[Waiting] = deque()
        self._pictures, self._room = pictures, threading.Semaphore(_PICTURES)
        self._frames = Frames(directory, self._settings.thumbnails_mb, self._settings.keep_days)
        self._kept = self._dropped = self._errors = 0
        self._builder: Builder | None = None
        self._exporter = exporter
        self._wake = threading.Event()
        self._turn = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wardline-traces", daemon=True)
        self._thread.start()

    def asked(self, context: TraceContext) -> bool:
        """Say whether a caller asks for a trace, and may."""
        return (
            context.sampled or context.forced or (context.token != "" and self._keep.trusted(context.token))
        )

    def offer(self, records: Records, rows: Sequence[Any] = ()) -> None:
        """Keep the trace of a request where it is one to keep; costs the others about a microsecond.

        `rows` are those of the rows that met the contract: of a frame a small picture is taken.
        """
        actions, slow = records.actions, None
        if not records.asked_for and len(actions) == 1 and not actions.item(0):
            slow = self._slowest.holds(sum(records.stages_us))
            if not slow and records.trace_id[16:] >= self._below:
                return  # most requests: nothing more is asked of them
        context = CALLER.get()
        if context is not None and context.trace_id != records.trace_id:
            context = None
        why = self._keep.why(records, context, slow)
        if why and self._put(records, context, why, self._glimpse(records, rows)):
            records.kept = True
            if context is not None and context.scope is not None:
                context.scope[_TOLD] = True

    def refused(self, refused: Refused) -> None:
        """Keep the trace of a request that was refused before the path, unless the path told of it."""
        context = refused.context
        if (context.scope is None or _TOLD not in context.scope) and (
            why := self._keep.refused(refused.status, context)
        ):
            self._put(refused, context, why)

    def _put(
        self, what: Records | Refused, context: TraceContext | None, why: str, small: Any = None
    ) -> bool:
        if len(self._queue) >= self._settings.queue or self._closed:
            self._dropped += 1
            if small is not None:
                self._room.release()
            return False
        self._queue.append(Waiting(what, context, why, self._clock(), small))
        return True

    def _glimpse(self, records: Records, rows: Sequence[Any]) -> Any:
        """Take a small picture of the sternest row, where it is a frame and few enough wait."""
        if self._pictures is None or not self._room.acquire(blocking=False):
            return None
        place = int(records.actions.argmax()) if len(records) else -1
        where = records.admitted.tolist()
        small = self._pictures.glimpse(rows[where.index(place)]) if place in where else None
        if small is None:
            self._room.release()
        return small

    def stats(self) -> TraceStats:
        """Return the counters as they stand."""
        exporter = self._exporter
        return TraceStats(
            self._kept, self._dropped, sum(self._keep.limited.values()), self._errors, len(self._queue),
            exporter.sent if exporter else 0, exporter.dropped + exporter.failed if exporter else 0,
            exporter.waiting if exporter else 0,
        )  # fmt: skip

    def flush(self) -> None:
        """Write what waits, now."""
        self._drain(everything=True)

    def close(self, timeout: float = 10.0) -> None:
        """Write and send what waits, and stop."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._thread.join(timeout)
        if self._exporter is not None:
            self._exporter.close(timeout)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_PAUSE_S)
            if self._queue and not self._closed:
                self._drain(everything=False)
        self._drain(everything=True)
        self._store.close()

    def _drain(self, *, everything: bool) -> None:
        with self._turn:
            traces: list[Trace] = []
            while self._queue and (everything or self._ready(self._queue[0])):
                waiting = self._queue.popleft()
                try:
                    traces.append(self._build(waiting))
                except Exception:  # one request that cannot be told must not silence the others
                    self._errors += 1
                    log.exception("a trace could not be built: request %s", waiting.what.request_id)
            if not traces:
                return
            if self._exporter is not None:
                self._exporter.add(traces)
            try:
                self._store.write([line(trace) for trace in traces])
                self._kept += len(traces)
            except OSError as error:
                self._errors += len(traces)
                log.warning("traces cannot be written to %s: %s", self._store.directory, error)

    def _ready(self, waiting: Waiting) -> bool:
        """Whether the response's status is known, or not worth waiting for any longer."""
        scope = None if waiting.context is None else waiting.context.scope
        return scope is None or STATUS in scope or self._clock() - waiting.at > _PATIENCE_S

    def _build(self, waiting: Waiting) -> Trace:
        from wardline.tracing.build import Kept  # noqa: PLC0415 - who keeps no trace need not load the SDK

        if self._builder is None:
            self._builder = self._begin()
        what, context, why, at, small = waiting
        if small is not None:
            self._room.release()
        if isinstance(what, Refused):
            return self._builder.refusal(what, why)
        trace = self._builder.build(Kept(what, context, why, at))
        if small is not None and self._pictures is not None:
            self._picture(trace, small, self._pictures)
        return trace

    def _picture(self, trace: Trace, small: Any, pictures: Pictures) -> None:
        """Write the small picture beside the trace; a disk that refuses costs the picture only."""
        try:
            name = self._frames.write(trace.trace_id, trace.root.span_id, pictures.encode(small))
        except OSError as error:
            log.warning("a picture cannot be written to %s: %s", self._frames.directory, error)
        else:
            trace.root.attributes[ATTRIBUTE] = name

    def _begin(self) -> Builder:
        """Load OpenTelemetry, once, on the tracer's thread."""
        from wardline.tracing.build import Builder  # noqa: PLC0415 - as above
        from wardline.tracing.resource import resource_of  # noqa: PLC0415 - as above

        if self._exporter is None:
            from wardline.tracing.export import Exporter, sender  # noqa: PLC0415 - as above

            found = sender()
            self._exporter = None if found is None else Exporter(found)
        return Builder(self._schema, resource_of(self._schema), self._remote, self._personal)


def counts(stats: TraceStats) -> Mapping[str, int]:
    """Return the counters that metrics add up over workers."""
    return {
        "kept": stats.kept, "dropped": stats.dropped, "limited": stats.limited, "errors": stats.errors,
        "spans_sent": stats.sent, "spans_unsent": stats.unsent,
    }  # fmt: skip
