"""Parquet files of others, tried before they are read: certain footers end the process that parses them.

A child of this process parses the footer first, for a few milliseconds: where it ends there, this one goes on
and says so. A file of a log, which carries checksums, has its every byte looked at instead.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import warnings
from pathlib import Path

import pyarrow.parquet as pq

from wardline.errors import DamagedError
from wardline.log import parquet

_PATIENCE_S = 30
_SAID = 500  # bytes of what the child says


def vet(path: Path) -> None:
    """See that a file is Parquet that can be opened here. Raises DamagedError where it is not."""
    if parquet.marked(path):
        parquet.check(path)
        return
    said = _tried(path)
    if said is None:  # the child ended: a process that inherited nothing tells what there is to tell
        parquet.probe(path)
    elif said:
        raise DamagedError(said)


def _tried(path: Path) -> str | None:
    """Parse the footer in a child; return what is wrong, "" for nothing, None where the child ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: the child runs none
        child = os.fork()
    if not child:
        _parse(path, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read(_SAID).decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else said


def _parse(path: Path, writing: int) -> None:
    """What the child does, to its end: it never returns."""
    try:
        faulthandler.disable()
        signal.alarm(_PATIENCE_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what C++ says as it ends is not for people
        try:
            file = pq.ParquetFile(path, pre_buffer=False)
            file.metadata.to_dict()
            file.schema_arrow  # noqa: B018 - it is parsed when it is looked at
        except Exception as error:
            os.write(writing, (str(error).strip() or type(error).__name__).encode()[:_SAID])
    finally:
        os._exit(0)
