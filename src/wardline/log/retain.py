"""Retention: which sealed files may leave this disk, by age and by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wardline.settings import StoreSettings


@dataclass(frozen=True)
class Kept:
    """A sealed file on this disk: when it was begun, its bytes, and whether every destination has it."""

    path: Path
    begun: float
    size: int
    delivered: bool


def expendable(files: Sequence[Kept], now: float, settings: StoreSettings) -> list[Kept]:
    """Return what may go, oldest first: what is delivered and older than `keep_days`, then whatever is
    oldest until at most `keep_gb` are left. What is not delivered goes by size only.
    """
    oldest = now - settings.keep_days * 86_400.0
    by_age = sorted(files, key=lambda file: file.begun)
    gone = [file for file in by_age if file.delivered and file.begun < oldest]
    left = [file for file in by_age if file not in gone]
    over = sum(file.size for file in left) - settings.keep_gb * 1e9
    for file in sorted(left, key=lambda file: (not file.delivered, file.begun)):
        if over <= 0:
            break
        gone.append(file)
        over -= file.size
    return gone
