"""Sealed records brought back from a store, for whoever asks it what the log on this disk no longer has."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from fsspec.core import url_to_fs

from wardline.errors import LogError
from wardline.log.names import FORM
from wardline.log.seal import PARQUET


@contextmanager
def fetched(
    url: str,
    gate: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Path]:
    """Give a folder with copies of a gate's sealed files that may hold rows of a stretch of time.

    `url` is what `Store` was given. The folder takes the size of these files, and goes with the block.
    Raises LogError where the store cannot be asked, or has none of this gate.
    """
    try:
        files, root = url_to_fs(url)
        files.invalidate_cache()
        found = [path for path in files.find(f"{root.rstrip('/')}/gate={gate}") if path.endswith(PARQUET)]
    except Exception as error:  # each file system raises what its own client does
        raise LogError(f"{url} cannot be read: {error}") from error
    if not found:
        raise LogError(f"{url} has no record of gate {gate}")
    with tempfile.TemporaryDirectory(prefix="wardline-") as folder:
        for path in within(found, since, until):
            try:
                files.get_file(path, str(Path(folder) / PurePosixPath(path).name))
            except Exception as error:  # as above
                raise LogError(f"{path} cannot be brought here: {error}") from error
            advance(1)
        yield Path(folder)


def within(paths: list[str], since: datetime | None, until: datetime | None) -> list[str]:
    """Leave out files whose names say that their rows are outside a stretch of time.

    A writer begins a file when it is done with the last: its rows end where its next file begins.

    >>> names = [f"2018030{day}T000000.000000-edge-1-{day}.parquet" for day in (1, 2, 3)]
    >>> [name[6:8] for name in within(names, datetime(2018, 3, 2, 12, tzinfo=UTC), None)]
    ['02', '03']
    """
    ends: dict[str, datetime | None] = {}
    nexts: dict[str, datetime] = {}
    for path in sorted(paths, key=lambda each: PurePosixPath(each).name, reverse=True):
        began, writer = _named(path)
        ends[path] = nexts.get(writer)
        if began is not None:
            nexts[writer] = began
    chosen = []
    for path in sorted(paths):
        began, end = _named(path)[0], ends[path]
        late = until is not None and began is not None and began >= until
        early = since is not None and end is not None and end <= since
        if not late and not early:
            chosen.append(path)
    return chosen


def _named(path: str) -> tuple[datetime | None, str]:
    """Read from a file's name when it was begun, and by whom."""
    stamp, _, rest = PurePosixPath(path).name.partition("-")
    try:
        return datetime.strptime(stamp, FORM).replace(tzinfo=UTC), rest.rpartition("-")[0]
    except ValueError:
        return None, path
