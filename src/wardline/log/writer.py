"""The writer: takes records from the hot path for the price of a list append, and never fails a request."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from wardline.errors import LogError
from wardline.log import forks
from wardline.log.encoder import Encoder
from wardline.log.roll import Roll
from wardline.log.segment import Opener, create
from wardline.log.ship import Shipper, ShipStats
from wardline.log.stats import LogStats
from wardline.record import Records, RecordSchema
from wardline.settings import LogSettings

log = logging.getLogger(__name__)


class LogWriter:
    """Writes the records of one gate from one process into `directory`; open one per worker.

    `append` queues and returns; a thread encodes what waits, many requests to a batch, and writes it at
    least every `flush_s` seconds or `flush_rows` rows. When the disk fails, rows wait in the bounded queue
    and are written once it recovers; what does not fit is dropped and counted. A process forked from this
    one inherits no writer: there, `append` drops. What is sealed goes to `shipper`, which the writer closes.

    Raises LogError where the directory cannot be written at opening. `opener` makes a segment's file.
    """

    def __init__(
        self,
        directory: Path,
        schema: RecordSchema,
        settings: LogSettings | None = None,
        clock: Callable[[], float] = time.time,
        opener: Opener = create,
        *,
        shipper: Shipper | None = None,
    ) -> None:
        self.directory = directory
        self._settings = settings or LogSettings()
        self._clock = clock
        self._encode = Encoder(schema)
        self._shipper = shipper
        self._queue: deque[Records] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._woken = False
        self._limit, self._flush_rows = self._settings.queue_rows, self._settings.flush_rows
        self._held: tuple[pa.RecordBatch, int] | None = None
        self._waiting = self._settled = self._written = self._dropped = self._errors = 0
        self._last_flush: float | None = None
        self._last_error, self._durable = "", self._settings.ack == "durable"
        self._doubtful: deque[tuple[int, int]] = deque(maxlen=1024)  # stretches of rows, as `_settled` counts
        self._healthy, self._closed, self._ended = True, False, False
        try:
            self._roll = Roll(
                directory, self._encode.arrow, self._settings,
                clock=clock, opener=opener, on_error=self._cannot_seal, after=self._sealed,
            )  # fmt: skip
        except OSError as error:
            raise LogError(
                f"records cannot be written to {directory} ({error}): make it writable, or set WARDLINE_HOME"
            ) from error
        self._thread = threading.Thread(target=self._run, name="wardline-log", daemon=True)
        self._thread.start()
        forks.leave_behind(self)
        atexit.register(self.close)

    def append(self, records: Records) -> bool:
        """Queue the records of one request; False says that they were dropped and counted."""
        if self._durable:
            return self._append_durably(records)
        rows = len(records.actions)
        with self._lock:
            waiting = self._waiting + rows
            if waiting <= self._limit:
                self._queue.append(records)
                self._waiting = waiting
                if waiting < self._flush_rows or self._woken:
                    return True
                self._woken = True
                self._wake.set()
                return True
        return self._append_late(records, rows)

    def _append_durably(self, records: Records) -> bool:
        """Queue the records and wait until they are on the disk; whoever waits meanwhile shares the sync.

        Raises LogError where they are not, or may not be: then nobody was told that they are.
        """
        rows = len(records.actions)
        with self._changed:
            if self._waiting + rows > self._limit:
                self._dropped += rows
                raise LogError(f"the record was not kept: {self._waiting} rows wait to be written already")
            self._queue.append(records)
            self._waiting += rows
            target = self._settled + self._waiting
            self._wake.set()
            self._changed.wait_for(
                lambda: self._settled >= target or self._ended or not self._healthy, self._settings.ack_s
            )
            if self._settled < target:
                why = f"within {self._settings.ack_s:g} s" if self._healthy else f"({self._last_error})"
                raise LogError(f"the record was not written {why}")
            if any(first < target <= last for first, last in self._doubtful):
                raise LogError(f"the record may not be on the disk: {self._last_error}")
            return True

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything appended so far is in the file (and synced, with `fsync="flush"`).

        False after `timeout` seconds, or where the writer was closed before it could.
        """
        with self._changed:
            target = self._settled + self._waiting
            self._wake.set()
            self._changed.wait_for(lambda: self._settled >= target or self._ended, timeout)
            return self._settled >= target

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, seal the segment and stop; what the disk refuses is dropped and counted."""
        with self._changed:
            if self._closed:
                return
            self._closed, self._limit = True, -1
            self._wake.set()
            self._changed.notify_all()
        atexit.unregister(self.close)
        self._thread.join(timeout)
        self._roll.close(timeout)
        if self._shipper is not None:
            self._shipper.close(timeout)

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to write succeeded; asked before every request, so it costs nothing."""
        return self._healthy

    @property
    def shipping(self) -> ShipStats:
        """How the delivery of sealed files goes."""
        return ShipStats() if self._shipper is None else self._shipper.stats

    def stats(self) -> LogStats:
        """Return the counters as they stand."""
        with self._lock:
            return LogStats(
                self._written, self._dropped, self._waiting, self._errors, self._last_flush, self._roll.name,
                self._healthy, self._last_error,
            )  # fmt: skip

    def _append_late(self, records: Records, rows: int) -> bool:
        """The queue is full: wait for room as declared, then drop; never wait for a failing disk."""
        with self._changed:
            if self._settings.overflow == "block" and self._healthy and rows <= self._limit:
                self._wake.set()
                self._changed.wait_for(
                    lambda: self._waiting + rows <= self._limit or self._closed or not self._healthy,
                    self._settings.block_ms / 1000,
                )
            if self._waiting + rows <= self._limit:
                self._queue.append(records)
                self._waiting += rows
                return True
            self._dropped += rows
            return False

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wake.wait(self._settings.flush_s)
            self._wake.clear()
            closing = self._closed
            self._woken = False
            try:
                if self._drain():
                    self._roll.turn()  # a quiet segment grows old too
            except Exception as error:  # the thread must outlive whatever it meets
                log.exception("the log writer met what it does not know; it goes on without these rows")
                self._fail(repr(error))
                if self._held is not None:
                    rows, self._held = self._held[1], None
                    self._settle(0, rows)
        with self._changed:
            self._ended = True
            self._dropped += self._waiting
            self._waiting = 0
            self._changed.notify_all()

    def _drain(self) -> bool:
        """Write everything that waits now; False when the disk refused.

        What comes meanwhile waits for the next turn: a writer that chases the traffic writes a few rows at
        a time and never rests, and every one of its turns is taken from the requests.
        """
        due = len(self._queue)
        while self._held is not None or due > 0 or len(self._queue) >= self._flush_rows:
            if self._held is None:
                records = self._take()
                due -= len(records)
                rows = sum(len(record.actions) for record in records)
                batch = self._encoded(records)
                if batch is None or not batch.num_rows:
                    self._settle(0, rows)
                    continue
                self._held = batch, rows
            batch, rows = self._held
            try:
                self._roll.write(batch)
            except OSError as error:
                first = self._healthy
                self._fail(f"records cannot be written to {self.directory}: {error}")
                if first:  # the fault may be the file's alone: the next attempt makes a fresh one
                    continue
                return False
            except LogError as error:  # in the file: written again it would be there twice
                self._fail(str(error))
                self._doubtful.append((self._settled, self._settled + rows))
            else:
                self._healthy = True
            self._held = None
            self._settle(batch.num_rows, rows)
            self._roll.turn()
        return self._healthy or self._recovers()

    def _recovers(self) -> bool:
        """After a fault nothing waits, and while the gate is not ready nothing comes: look for ourselves."""
        try:
            self._roll.renew()
        except OSError as error:
            self._fail(f"records cannot be written to {self.directory}: {error}")
            return False
        self._healthy = True
        return True

    def _take(self) -> list[Records]:
        """Take from the queue what makes one batch."""
        records: list[Records] = []
        rows = 0
        while self._queue and rows < self._flush_rows:
            records.append(self._queue.popleft())
            rows += len(records[-1].actions)
        return records

    def _encoded(self, records: Sequence[Records]) -> pa.RecordBatch | None:
        """Encode a batch; a record that cannot be encoded is left out alone, and None is nothing left."""
        try:
            return self._encode(records)
        except Exception:  # whatever is wrong with one record must not cost the others
            good = [record for record in records if self._encodes(record)]
            return self._encode(good) if good else None

    def _encodes(self, record: Records) -> bool:
        try:
            self._encode([record])
        except Exception as error:
            log.exception("a record could not be encoded and is lost: request %s", record.request_id)
            with self._lock:
                self._errors += 1
                self._last_error = f"the record of request {record.request_id} is malformed: {error}"
            return False
        return True

    def _settle(self, written: int, rows: int) -> None:
        """Rows left the queue for good: written, or unfit to be."""
        with self._changed:
            if written < rows:
                self._doubtful.append((self._settled, self._settled + rows))
            self._waiting -= rows
            self._settled += rows
            self._written += written
            self._dropped += rows - written
            self._last_flush = self._clock()
            self._changed.notify_all()

    def _fail(self, sentence: str) -> None:
        if self._healthy:
            log.error("%s; up to %d rows wait, more are dropped and counted", sentence, self._limit)
        with self._changed:
            self._errors, self._healthy, self._last_error = self._errors + 1, False, sentence
            self._woken = True  # the next attempt is the clock's, not the next request's
            self._changed.notify_all()

    def _sealed(self) -> None:
        if self._shipper is not None:
            self._shipper.call()

    def _cannot_seal(self, sentence: str) -> None:
        log.warning("%s", sentence)
        with self._lock:
            self._errors, self._last_error = self._errors + 1, sentence

    def forget(self) -> None:
        """In a forked child: the thread is not here, and its locks may be held for ever."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._closed, self._limit = True, -1
        self._queue.clear()
        self._held, self._waiting = None, 0
        self._roll.forget()
