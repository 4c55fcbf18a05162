"""The roll: the segment a writer is at, opened when there is something to write, changed by size and age."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from wardline.log.names import stem
from wardline.log.seal import PARQUET, Sealer, sync
from wardline.log.segment import SUFFIX, Opener, Segment
from wardline.settings import LogSettings

_TRIES = 1000  # names tried before something must be wrong with the directory rather than the name


class Roll:
    """The segments of one writer, one open at a time; what was open before is sealed in the background."""

    def __init__(
        self,
        directory: Path,
        schema: pa.Schema,
        settings: LogSettings,
        *,
        clock: Callable[[], float],
        opener: Opener,
        on_error: Callable[[str], None],
        after: Callable[[], None],
    ) -> None:
        self._directory, self._schema, self._settings = directory, schema, settings
        self._clock, self._opener = clock, opener
        self._segment: Segment | None = None
        self._opened = 0.0
        self._sequence = 0
        self._open()
        self._sealer = Sealer(directory, on_error, after)
        self._sealer.call()  # what dead writers left

    @property
    def name(self) -> str:
        """The file being written, or nothing between two."""
        return "" if self._segment is None else self._segment.path.name

    def write(self, batch: pa.RecordBatch) -> None:
        """Put a batch into the current segment, or a new one.

        Raises OSError when it is not in a file and may be written again, LogError when it is in one but
        something is wrong; either way the next write begins a fresh segment.
        """
        segment = self._segment or self._open()
        try:
            segment.write(batch, fsync=self._settings.synced)
        except Exception:
            self._segment = None
            segment.abandon()
            raise

    def renew(self) -> None:
        """Have a segment to write to; raise OSError where none can be made."""
        if self._segment is None:
            self._open()

    def turn(self) -> None:
        """End the segment if it is large or old enough, and have it sealed."""
        segment = self._segment
        if segment is None or not segment.rows:
            return
        old = self._clock() - self._opened >= self._settings.segment_s
        if old or segment.size >= self._settings.segment_mb * 1e6:
            self._segment = None
            segment.close()
            self._sealer.call()

    def close(self, timeout: float) -> None:
        """End the segment and wait up to `timeout` seconds until it is sealed."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close() if segment.rows else segment.abandon()
        self._sealer.call()
        self._sealer.close(timeout)

    def forget(self) -> None:
        """In a forked child: let go of the parent's file without a trace."""
        if self._segment is not None:
            self._segment.forget()
            self._segment = None

    def _open(self) -> Segment:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._opened = self._clock()
        for _ in range(_TRIES):
            path = self._directory / f"{stem(self._opened, self._sequence)}{SUFFIX}"
            self._sequence += 1
            if path.with_suffix(PARQUET).exists():
                continue
            try:
                self._segment = Segment(path, self._schema, self._opener)
            except FileExistsError:
                continue
            if self._settings.synced:
                sync(self._directory)
            return self._segment
        raise OSError(f"no free name for a segment in {self._directory}: {_TRIES} are taken")
