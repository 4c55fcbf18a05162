"""The store: sealed files on any file system that fsspec knows, each of them visible once and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from wardline.errors import LogError
from wardline.log.names import begun

_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}
"""Where a file appears when its last byte has arrived, and not before; elsewhere it is renamed when whole."""


class Store:
    """A directory of a file system: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///…` or a plain path.

    A file's key follows from its name alone, `gate=G/date=D/hour=H/STEM.parquet`, so that putting it twice,
    after a crash between the two halves of anything, is putting it once. Credentials are the file system's
    own affair (the environment, a role). Raises LogError for a kind of file system that is not installed.
    """

    name = "store"

    def __init__(self, url: str, gate: str) -> None:
        self.url = url
        self._gate = gate
        try:
            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise LogError(f"{url} is no place for records: {error}") from error
        self._root = root.rstrip("/")
        protocols = self._files.protocol
        kinds = {protocols} if isinstance(protocols, str) else set(protocols)
        self._whole = bool(kinds & _WHOLE)

    def key(self, path: Path) -> str:
        """Return where a sealed file goes: by gate and by the hour it was begun."""
        at = begun(path)
        hour = f"date={at:%Y-%m-%d}/hour={at:%H}"
        return f"{self._root}/gate={self._gate}/{hour}/{path.name}"

    def deliver(self, path: Path) -> None:
        """Put a sealed file there, unless it is there; raises LogError where that failed."""
        key, size = self.key(path), path.stat().st_size
        try:
            if self._size(key) == size:
                return
            self._put(path, key)
            arrived = self._size(key)
        except Exception as error:  # each file system raises what its own client does
            raise LogError(f"{self.url} does not take {path.name}: {_said(error)}") from error
        if arrived != size:
            raise LogError(f"{self.url} holds {arrived} of the {size} bytes of {path.name}")

    def keep(self, path: Path, name: str) -> bool:
        """Put a file that may grow under a name beside the records; False where it is there at this size."""
        key = f"{self._root}/gate={self._gate}/{name}"
        try:
            if self._size(key) == path.stat().st_size:
                return False
            self._put(path, key)
        except FileNotFoundError:  # removed meanwhile
            return False
        except Exception as error:  # as above
            raise LogError(f"{self.url} does not take {name}: {_said(error)}") from error
        return True

    def _put(self, path: Path, key: str) -> None:
        self._files.makedirs(key.rpartition("/")[0], exist_ok=True)
        if self._whole:
            self._files.put_file(str(path), key)
            return
        part = f"{key}.part"
        self._files.put_file(str(path), part)
        self._files.mv(part, key)

    def _size(self, key: str) -> int | None:
        """Return how large a file is there, asking the place itself and not what was remembered of it."""
        self._files.invalidate_cache()
        try:
            found: dict[str, Any] = self._files.info(key)
        except FileNotFoundError:
            return None
        return int(found["size"])


def files_at(url: str) -> tuple[fsspec.AbstractFileSystem, list[str]]:
    """Return the file system of a store and its sealed files, for a reader."""
    files, root = url_to_fs(url)
    files.invalidate_cache()
    return files, sorted(path for path in files.find(root) if path.endswith(".parquet"))


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
