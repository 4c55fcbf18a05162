"""Which training rows become golden rows: a uniform sample, and rows picked for what they alone show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline import golden
from wardline.contract import Tabular
from wardline.features import FeatureBlock, Features, Kind
from wardline.predictor import Opened
from wardline.reference import Golden
from wardline.stats.reservoir import Reservoir

TYPICAL = 120
PICKED = 120
_CATEGORIES = 8  # of one feature, the values that came first
_NULLS = 3  # rows for each field that is null


class GoldenSampler:
    """Watches training rows go by in blocks and keeps the golden ones, in bounded memory.

    `typical` rows are drawn uniformly by `seed`; the others are the extremes of each continuous feature,
    the first row of each category, and rows with each field null, up to `picked` in all.
    """

    def __init__(self, *, seed: int = 0, typical: int = TYPICAL, picked: int = PICKED) -> None:
        self._typical = Reservoir(typical, np.random.default_rng(seed))
        self._most = picked
        self._extremes: dict[str, tuple[float, tuple[str, str]]] = {}
        self._firsts: dict[str, tuple[str, str]] = {}
        self._seen = 0

    def add(self, payloads: Sequence[Mapping[str, Any]], block: FeatureBlock) -> None:
        """Offer the rows of a block: raw inputs as a caller would send them, and their features."""
        ids = [str(self._seen + place) for place in range(len(payloads))]
        rows = np.empty(len(payloads), dtype=object)
        rows[:] = list(zip(ids, payloads, strict=True))
        self._typical.add(rows)
        self._seen += len(payloads)
        for column in block.schema.columns:
            values = block.column(column.name)
            if column.kind is Kind.CONTINUOUS:
                self._reach(column.name, np.asarray(values, np.float64), rows)
            else:
                self._first(column.name, values, rows)
        for place, payload in enumerate(payloads):
            for name, value in payload.items():
                if value is None:
                    self._keep_null(name, rows[place])

    def finish(self, contract: Tabular, features: Features, rungs: Mapping[str, Opened]) -> Golden:
        """Compute what training has for the rows that were kept: their features, and every rung's answers."""
        typical = sorted(self._typical.columns[0].tolist(), key=lambda row: int(row[0]))
        mask, example = contract.privacy.masked, contract.examples[0]
        typical = [(row_id, mask(payload, example)) for row_id, payload in typical]
        kept = {row[0]: (row[0], golden.as_sent(row[1]), "typical") for row in typical}
        for stratum, (row_id, payload) in self._picked():
            kept.setdefault(row_id, (row_id, golden.as_sent(mask(payload, example)), stratum))
        rows = [*kept.values(), *_left_out(contract, typical)]
        seen = golden.recompute([text for _, text, _ in rows], contract, features)
        rows = [rows[place] for place in seen.places]
        return Golden(
            ids=tuple(row_id for row_id, _, _ in rows),
            inputs=tuple(text for _, text, _ in rows),
            strata=tuple(stratum for _, _, stratum in rows),
            typical=sum(stratum == "typical" for _, _, stratum in rows),
            features=seen.block.matrix,
            text={name: tuple(column) for name, column in seen.block.text.items()},
            answers={name: golden.answers(rung, seen.batch) for name, rung in rungs.items()},
        )

    def _picked(self) -> list[tuple[str, Any]]:
        extremes = [(stratum, row) for stratum, (_, row) in self._extremes.items()]
        firsts = sorted(self._firsts.items(), key=lambda each: not each[0].startswith("null"))
        return [*extremes, *firsts][: self._most]

    def _reach(self, name: str, values: NDArray[np.float64], rows: NDArray[Any]) -> None:
        if not np.isfinite(values).any():
            return
        for side, sign in (("smallest", -1.0), ("largest", 1.0)):
            place = int(np.nanargmax(np.where(np.isfinite(values), sign * values, np.nan)))
            reached, stratum = float(sign * values[place]), f"{side} {name}"
            if stratum not in self._extremes or reached > self._extremes[stratum][0]:
                self._extremes[stratum] = reached, rows[place]

    def _first(self, name: str, values: Any, rows: NDArray[Any]) -> None:
        known = sum(stratum.startswith(f"{name} = ") for stratum in self._firsts)
        for value in _distinct(values):
            stratum = f"{name} = {value}"
            if known < _CATEGORIES and stratum not in self._firsts:
                self._firsts[stratum] = rows[_place(values, value)]
                known += 1

    def _keep_null(self, name: str, row: Any) -> None:
        for number in range(_NULLS):
            if f"null {name} {number}" not in self._firsts:
                self._firsts[f"null {name} {number}"] = row
                return


def _left_out(contract: Tabular, typical: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
    """A copy of the first row without each field that has a default: only that shows what the default is."""
    if not typical:
        return
    row_id, payload = typical[0]
    for name, field in contract.row.model_fields.items():
        if not field.is_required():
            without = {key: value for key, value in payload.items() if key != name}
            yield f"{row_id} without {name}", golden.as_sent(without), f"left out {name}"


def _distinct(values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        return list(np.unique(values[np.isfinite(values)]).tolist())
    return sorted({value for value in values if value is not None})


def _place(values: Any, value: Any) -> int:
    return int(np.flatnonzero(values == value)[0]) if isinstance(values, np.ndarray) else values.index(value)
