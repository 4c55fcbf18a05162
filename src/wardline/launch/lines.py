"""A line of the launch checklist: what was checked, how it stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a line stands. Only FAIL keeps a gate from launching."""

    PASS = "pass"  # noqa: S105 - a word, not a password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Line:
    """One line. `subjects` are the fields, features, rungs or names it is about, `details` one each."""

    name: str
    status: Status
    says: str
    do: str = ""
    subjects: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


def passed(name: str, says: str) -> Line:
    """Return a line with nothing to do."""
    return Line(name, Status.PASS, says)


def warned(name: str, says: str, do: str, subjects: Sequence[str] = ()) -> Line:
    """Return a line that should be looked at, and keeps nothing from launching."""
    return Line(name, Status.WARN, says, do, tuple(subjects))


def failed(name: str, says: str, do: str, subjects: Sequence[str] = (), details: Sequence[str] = ()) -> Line:
    """Return a line that keeps the gate from launching."""
    return Line(name, Status.FAIL, says, do, tuple(subjects), tuple(details))
