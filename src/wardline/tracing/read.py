"""Reading kept traces: newest first, by what was done and by whom, or one by its id."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wardline.tracing.store import SUFFIX
from wardline.tracing.trace import Event, Span, Trace, parse

log = logging.getLogger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """Which traces; what is left empty is not asked. `slice` is (column, value), `since` in nanoseconds."""

    actions: tuple[str, ...] = ()
    guard: str = ""
    reason: str = ""
    rung: str = ""
    camera: str = ""
    slice: tuple[str, str] | None = None
    slower_ms: float = 0.0
    since: int = 0

    def fits(self, trace: Trace) -> bool:
        """Say whether a trace is wanted."""
        root = trace.root
        given = root.attributes
        if root.start < self.since or (root.end - root.start) / 1e6 < self.slower_ms:
            return False
        if self.actions and given.get("wardline.action") not in self.actions:
            return False
        if self.rung and self.rung not in (str(given.get("wardline.rung")), given.get("wardline.served_by")):
            return False
        if self.camera and given.get("wardline.camera") != self.camera:
            return False
        if self.slice is not None and given.get(f"wardline.slice.{self.slice[0]}") != self.slice[1]:
            return False
        if not self.guard and not self.reason:
            return True
        return any(
            self.guard in ("", found["wardline.finding.guard"])
            and self.reason in ("", found["wardline.finding.reason"])
            for found in (event.attributes for event in findings(trace))
        )


def traces(directory: Path, wanted: Wanted = Wanted()) -> Iterator[Trace]:  # noqa: B008 - it is frozen
    """Give kept traces, newest first, about in the order they were answered."""
    for path in sorted(directory.glob(f"*{SUFFIX}"), reverse=True):
        try:
            lines = path.read_bytes().split(b"\n")
            if wanted.since and path.stat().st_mtime_ns < wanted.since:
                continue
        except FileNotFoundError:  # it was the oldest
            continue
        found = [trace for text in lines[:-1] if (trace := _read(text, path)) and wanted.fits(trace)]
        yield from sorted(found, key=lambda trace: -trace.root.start)


def find(directory: Path, given: str) -> Trace | None:
    """Return the newest trace with this trace id or request id; a row of a batch is found by its own id."""
    for asked in (given, given.rpartition("-")[0]):
        wanted = asked.encode()
        if not wanted:
            continue
        for path in sorted(directory.glob(f"*{SUFFIX}"), reverse=True):
            try:
                lines = path.read_bytes().split(b"\n")[:-1]
            except FileNotFoundError:
                continue
            for text in reversed(lines):
                if wanted not in text or (trace := _read(text, path)) is None:
                    continue
                if asked in (trace.trace_id, trace.root.attributes.get("wardline.request_id")):
                    return trace
    return None


class Tail:
    """What was kept since the last look."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, int] = {path: path.stat().st_size for path in directory.glob(f"*{SUFFIX}")}

    def new(self) -> Iterator[Trace]:
        """Give traces that came since, in the order they were written."""
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            begin = self._read.get(path, 0)
            with path.open("rb") as file:
                file.seek(begin)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = begin + len(whole)
            for each in whole.splitlines():
                trace = _read(each, path)
                if trace is not None:
                    yield trace


def findings(trace: Trace) -> list[Event]:
    """Return what was found, in the order of the path."""
    return [event for span in trace.spans for event in span.events if event.name == "wardline.finding"]


def refused(trace: Trace) -> list[str]:
    """Return why the request was refused before anything was found in it; nothing where it was not."""
    sentence = trace.root.attributes.get("wardline.refused")
    return [] if sentence is None else [str(sentence)]


def features(trace: Trace) -> dict[str, object]:
    """Return what the model saw."""
    prefix = "wardline.feature."
    span = next((span for span in trace.spans if span.name == "wardline.features"), None)
    given = {} if span is None else span.attributes
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}


def depth(trace: Trace) -> list[tuple[int, Span]]:
    """Return the spans as a tree walked from the root: how deep each lies, and it."""
    below: dict[str, list[Span]] = {}
    for span in trace.spans[1:]:
        below.setdefault(span.parent_id, []).append(span)
    walked: list[tuple[int, Span]] = []

    def walk(span: Span, level: int) -> None:
        walked.append((level, span))
        for each in sorted(below.get(span.span_id, ()), key=lambda child: child.start):
            walk(each, level + 1)

    walk(trace.root, 0)
    return walked


def _read(text: bytes, path: Path) -> Trace | None:
    try:
        return parse(text)
    except ValueError as error:
        log.warning("a line of %s is no trace and is left out: %s", path, error)
        return None
