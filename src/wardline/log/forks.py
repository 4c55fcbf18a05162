"""Writers in a forked child: their thread stayed with the parent, and their locks may be held for ever."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forgets(Protocol):
    """What must not be used on the other side of a fork."""

    def forget(self) -> None:
        """Let go of what belongs to the parent."""


_OPEN: weakref.WeakSet[Forgets] = weakref.WeakSet()


def leave_behind(writer: Forgets) -> None:
    """Have a child that is forked from here on forget this writer."""
    _OPEN.add(writer)


def _after_fork() -> None:
    for writer in list(_OPEN):
        writer.forget()


os.register_at_fork(after_in_child=_after_fork)
