"""The rows by bin as text: most of the page by far, and the same every time but for the counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.registry import Collector, CollectorRegistry

from wardline.serving.bins import BinCounts, Key

Generate = Callable[[CollectorRegistry], bytes]


class BinPage:
    """The families of a gate's bins, written once by the library; later only counts are put in.

    Writing twenty gates of fifty features anew takes the library most of a second, ours a few milliseconds.
    """

    def __init__(self, bins: BinCounts) -> None:
        self._bins = bins
        self._written: dict[Generate, list[tuple[str, Key | None]]] = {}

    def lines(self, total: Mapping[Key, int], generate: Generate) -> list[str]:
        """Return the lines of the families with these counts, in the form that `generate` writes."""
        lines = self._written.get(generate)
        if lines is None:
            lines = self._written[generate] = self._lines(generate)
        get = total.get
        return [line if key is None else f"{line}{get(key, 0)}.0" for line, key in lines]

    def families(self, total: Mapping[Key, int]) -> Iterator[Any]:
        """Give the same as families."""
        return self._bins.families(total)

    def _lines(self, generate: Generate) -> list[tuple[str, Key | None]]:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Zeros(self._bins))
        keys = self._bins.keys()
        found: list[tuple[str, Key | None]] = []
        for line in generate(registry).decode().splitlines():
            name = line.partition("{")[0]
            if name in keys:
                found.append((f"{line.rpartition(' ')[0]} ", next(keys[name])))
            elif line != "# EOF":
                found.append((line, None))
        return found


class _Zeros(Collector):
    def __init__(self, bins: BinCounts) -> None:
        self._bins = bins

    def collect(self) -> Iterator[Any]:
        yield from self._bins.families({})


def texts(pages: Sequence[tuple[BinPage, Mapping[Key, int]]], generate: Generate) -> bytes:
    """Return the pages of several gates as one: each family once, with the lines of all."""
    if not pages:
        return b""
    written = [page.lines(total, generate) for page, total in pages]
    if len(written) == 1:
        return ("\n".join(written[0]) + "\n").encode()
    families: dict[str, list[str]] = {}
    for lines in written:
        family: list[str] = []
        for line in lines:
            if line.startswith("#"):
                family = families.setdefault(line.split(" ", 3)[2], [])
                if line in family[:3]:
                    continue
            family.append(line)
    return ("\n".join(line for family in families.values() for line in family) + "\n").encode()
