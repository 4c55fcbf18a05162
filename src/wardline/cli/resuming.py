"""Counts of a long audit, kept while it runs: an audit that was killed goes on where it stopped.

One file an audit, named after the question; a line for each part that is counted. What is kept are whole
numbers of rows, so that the parts add up to the same answer however often it was stopped. The file goes
when the audit is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

import click

STALE_S = 86_400.0
"""An audit that began longer ago begins anew: its question has another answer by now."""

PART_ROWS = 4_000_000
"""Rows that are counted before the counts are kept: seconds of work."""

AFTER_S = 2.0
"""An audit that takes no longer leaves nothing behind while it runs."""

_FEW = 1000


class Memory(Protocol):
    """What was counted by now, where an audit may be stopped and go on."""

    def get(self, part: str) -> list[Any] | None:
        """Return what was counted of a part; None where it was not."""

    def put(self, part: str, rows: Sequence[Any]) -> None:
        """Keep what was counted of a part."""


class Forgetful:
    """Keeps nothing."""

    def get(self, part: str) -> list[Any] | None:
        """Say that nothing was counted."""
        return None

    def put(self, part: str, rows: Sequence[Any]) -> None:
        """Let it go."""


class Kept:
    """What of an audit is counted by now. `began` is when it began, in seconds since the epoch.

    `plan` is what it is made of, decided when it began: files that came later are not part of it.
    """

    def __init__(self, path: Path, began: float, plan: Any, parts: dict[str, list[Any]]) -> None:
        self.path = path
        self.began = began
        self.plan = plan
        self._parts = parts
        self._lines: list[Any] = [] if parts else [{"began": began, "plan": plan}]
        self._from = time.monotonic()

    @classmethod
    def of(cls, folder: Path, question: Mapping[str, Any], plan: Any, now: float | None = None) -> Self:
        """Go on with the audit of this question where one was stopped, else begin it."""
        now = time.time() if now is None else now
        digest = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()
        path = folder / f"{digest[:16]}.jsonl"
        found = _read(path)
        if found is not None and now - found[0] < STALE_S:
            return cls(path, *found)
        path.unlink(missing_ok=True)
        return cls(path, now, plan, {})

    def __len__(self) -> int:
        return len(self._parts)

    def get(self, part: str) -> list[Any] | None:
        """Return what was counted of a part; None where it was not."""
        return self._parts.get(part)

    def put(self, part: str, rows: Sequence[Any]) -> None:
        """Keep what was counted of a part. A disk that refuses costs going on later, not the audit."""
        self._lines.append({"part": part, "rows": list(rows)})
        if len(rows) <= _FEW:  # what is many was kept for another run, not for this one
            self._parts[part] = list(rows)
        if time.monotonic() - self._from < AFTER_S:
            return
        lines, self._lines = self._lines, []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write("".join(f"{json.dumps(line)}\n" for line in lines))
        except OSError:
            return

    def finish(self) -> None:
        """Forget it: the question is answered."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.exists() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


def kept(folder: Path, asked: Mapping[str, Any], plan: Any = None, **about: Any) -> Kept:
    """Return what an earlier run of the same audit counted; nothing where there was none."""
    question = {name: value for name, value in asked.items() if name not in ("form", "level")}
    found = Kept.of(folder, {**question, **about}, plan)
    if len(found):
        began = datetime.fromtimestamp(found.began, UTC)
        click.echo(f"going on with the audit that began at {began:%Y-%m-%d %H:%M:%S} UTC", err=True)
    return found


def _read(path: Path) -> tuple[float, Any, dict[str, list[Any]]] | None:
    """Read what is kept; a last line that was being written when the audit died is cut off."""
    try:
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            os.truncate(path, end)
        head, *rest = [json.loads(line) for line in whole[:end].splitlines()]
        return float(head["began"]), head["plan"], {each["part"]: each["rows"] for each in rest}
    except (OSError, ValueError, KeyError, TypeError):
        return None
