"""The launch checklist: every line, in the order a person would ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardline.gate import Gate
from wardline.launch import declared, rehearsal, reproduced
from wardline.launch.inspection import identity, inspect
from wardline.launch.lines import Line, Status
from wardline.settings import Settings


@dataclass(frozen=True)
class Checked:
    """A gate that was checked: what it is exactly, and every line."""

    identity: dict[str, str]
    lines: tuple[Line, ...]

    @property
    def failures(self) -> list[Line]:
        """The lines that keep it from launching."""
        return [line for line in self.lines if line.status is Status.FAIL]

    @property
    def verdict(self) -> Status:
        """The worst of all lines."""
        worst = [Status.PASS, Status.WARN, Status.FAIL]
        return max((line.status for line in self.lines), key=worst.index)


def check(
    gate: Gate, settings: Settings | None = None, *, source: Path | None = None, more: Sequence[Line] = ()
) -> Checked:
    """Go through the checklist of a gate; `source` is the file that declares it, `more` are lines to add.

    Nothing of the gate stays open, and the real log is not touched.
    """
    with inspect(gate, settings or Settings.from_env(), source) as found:
        lines = (*declared.lines(found), *reproduced.lines(found), *rehearsal.lines(found), *more)
        return Checked(identity(found), lines)
