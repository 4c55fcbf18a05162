"""Sealing: a segment nobody writes any more becomes a Parquet file, exactly once, whatever is killed when.

The steps, each safe to die after: write `STEM.parquet.tmp` and sync it; rename it to `STEM.parquet`; remove
`STEM.arrow`. Readers leave out a segment whose Parquet exists, and know nothing of temporary files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pyarrow as pa

from wardline.errors import LogError
from wardline.log import parquet
from wardline.log.segment import DAMAGE, SUFFIX, Contents, lock

PARQUET, TEMPORARY, DAMAGED = ".parquet", ".parquet.tmp", ".damaged"


def seal_all(directory: Path, on_error: Callable[[str], None]) -> None:
    """Seal every segment whose writer is gone, and clear away what a killed sealing left."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            seal(path)
        except DAMAGE as error:
            on_error(f"{path} cannot be sealed and stays as it is: {error}")
    for path in directory.glob(f"*{TEMPORARY}"):
        if not segment_of(path).exists():  # while one is sealed, its segment is there
            path.unlink(missing_ok=True)


def seal(path: Path) -> bool:
    """Seal one segment; False where there is nothing to do, because it is being written, sealed, or gone.

    A segment of which something other than a torn last write was lost is kept beside its Parquet, as
    `STEM.damaged`.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    with file:
        if not lock(file, path):
            return False
        contents = Contents.of(file.read())
        sealed = path.with_suffix(PARQUET)
        if contents.batches and not sealed.exists():
            publish(write(contents, path), sealed)
        if contents.lost > contents.torn:
            path.rename(path.with_suffix(DAMAGED))
        else:
            path.unlink()
    return True


def write(contents: Contents, path: Path) -> Path:
    """First step: write what the segment holds to a temporary file, and see it on the disk."""
    temporary = path.with_suffix(TEMPORARY)
    table = pa.Table.from_batches(contents.batches)
    parquet.write(table, temporary)
    with parquet.opened(temporary) as file:
        if file.metadata.num_rows != table.num_rows:
            raise LogError(f"{temporary} does not hold the {table.num_rows} rows written to it")
    return temporary


def publish(temporary: Path, sealed: Path) -> None:
    """Second step: give the finished file its name, and see the name on the disk.

    Not `whole.put`: each step must be safe to die after, and a table is not held in memory twice.
    """
    temporary.replace(sealed)
    sync(sealed.parent)


def sync(directory: Path) -> None:
    """See the names in a directory on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def segment_of(path: Path) -> Path:
    """Return the segment that a sealed or temporary file is made of."""
    return path.with_name(path.name.removesuffix(TEMPORARY).removesuffix(PARQUET) + SUFFIX)


class Sealer:
    """Seals in a thread of its own, so that a second of zstd never keeps the writer from its queue."""

    def __init__(self, directory: Path, on_error: Callable[[str], None], after: Callable[[], None]) -> None:
        self._directory = directory
        self._on_error = on_error
        self._after = after
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="wardline-log-sealer", daemon=True)
        self._thread.start()

    def call(self) -> None:
        """Ask it to seal what can be sealed."""
        self._calls.put(True)

    def close(self, timeout: float) -> None:
        """Let it finish what was asked for, up to `timeout` seconds; a later writer does the rest."""
        self._calls.put(False)
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._calls.get():
            try:
                seal_all(self._directory, self._on_error)
            except OSError as error:
                self._on_error(f"{self._directory} cannot be searched for segments to seal: {error}")
            self._after()
