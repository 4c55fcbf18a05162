"""Labels: the ledger of late truth. Every label that ever came is kept; the one observed last counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.log.ledger import Ledger, entries, ledger_schema
from wardline.log.schema import TIME
from wardline.log.segment import Opener, create
from wardline.settings import LogSettings
from wardline.truth import Label

log = logging.getLogger(__name__)

FOLDER = "labels"
"""Below the gate's folder, beside `records`."""


def label_schema(*, classes: bool) -> pa.Schema:
    """Return the columns of a gate's labels: names for classes, else numbers."""
    kind = pa.string() if classes else pa.float64()
    return ledger_schema({"request_id": pa.string(), "label": kind, "observed_at": TIME})


class LabelLog:
    """Where labels of one gate are put, from one process; each is on the disk once `append` returned."""

    def __init__(
        self,
        directory: Path,
        *,
        classes: bool,
        settings: LogSettings | None = None,
        clock: Callable[[], float] = time.time,
        opener: Opener = create,
    ) -> None:
        self._ledger = Ledger(directory, label_schema(classes=classes), settings, clock=clock, opener=opener)

    def append(self, labels: Sequence[Label]) -> int:
        """Keep labels, all or none, and return how many; LogError where the disk refuses."""
        return self._ledger.append(
            {name: [getattr(label, name) for label in labels] for name in Label._fields}
        )

    def close(self, timeout: float = 10.0) -> None:
        """Seal what was written, or leave that after `timeout` seconds to whoever opens it next."""
        self._ledger.close(timeout)


class Labels(NamedTuple):
    """The label that counts of each id, and what is known of its history. Times are nanoseconds."""

    ids: pa.Array
    label: pa.Array
    observed_at: NDArray[np.int64]
    first_came: NDArray[np.int64]
    times: NDArray[np.int64]
    """How many labels came for the id: more than one is a repetition or a correction."""
    corrected: NDArray[np.bool_]
    newest: int
    """When the last label came at all; 0 where none did."""

    def __len__(self) -> int:
        return len(self.ids)


def read_labels(
    directory: Path,
    *,
    classes: bool,
    until: int | None = None,
    on_problem: Callable[[str], None] = log.warning,
) -> Labels:
    """Return the labels that count: of each id the one observed last, of two such the one that came last.

    `until` leaves out what came after that time: the labels as they were known then.
    """
    table = entries(directory, label_schema(classes=classes), on_problem)
    if until is not None:
        table = table.filter(pc.less_equal(table["time"].cast(pa.int64()), until))
    return counting(table, classes=classes)


def counting(table: pa.Table, *, classes: bool) -> Labels:
    """Return the labels that count among some entries of the ledger, in the order they came."""
    if not table.num_rows:
        none = np.zeros(0, np.int64)
        kind = pa.string() if classes else pa.float64()
        return Labels(pa.array([], pa.string()), pa.array([], kind), none, none, none, none > 0, 0)
    table = table.combine_chunks()
    coded = table["request_id"].chunk(0).dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    came = table["time"].cast(pa.int64()).to_numpy()
    observed = table["observed_at"].cast(pa.int64()).to_numpy()
    order = np.lexsort((came, observed))  # stable: of two alike the one that stands later counts
    last = np.zeros(len(coded.dictionary), np.intp)
    last[codes[order]] = order  # of repeated places the last assignment stays
    times = np.bincount(codes, minlength=len(last))
    first = came[last]
    corrected = np.zeros(len(last), np.bool_)
    values = table["label"].chunk(0)
    label = values.take(pa.array(last))
    if len(codes) > len(last):  # only where some id came more than once
        np.minimum.at(first, codes, came)
        same = pc.equal(values, label.take(pa.array(codes))).to_numpy(zero_copy_only=False)
        corrected[codes[~same.astype(np.bool_)]] = True
    return Labels(coded.dictionary, label, observed[last], first, times, corrected, int(came.max()))
