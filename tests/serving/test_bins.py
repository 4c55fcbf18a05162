"""What a replica exports of its features adds up to what the reference's own profile would have counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from guards import employment, taxi
from wardline.monitor.plan import Binner
from wardline.reference import load
from wardline.serving.bins import BinCounts, critical_of
from wardline.stats.chi2 import survival
from wardline.testing import MemorySink


@pytest.mark.parametrize("gate", [taxi.gate, employment.gate], ids=lambda gate: gate.name)
def test_every_row_is_in_one_bin_of_each_feature_whoever_counted_it(gate):
    file = gate.root / f"models/{gate.name}/data/split/held_back.parquet"
    rows = pq.read_table(file).slice(0, 300)
    sink = MemorySink()
    opened = gate.open(sink=sink)
    try:
        fields = [name for name in gate.contract.fields if name in rows.column_names]
        adopted = [gate.contract.adopt(row) for row in rows.select(fields).to_pylist()]
        gate.batch(adopted)
        blocks = [records.block for records in sink.records if records.block is not None]
        whole, parts = Counter(), Counter()
        counting = BinCounts(opened, whole)
        counting.count(blocks)
        for block in blocks:
            half = len(block) // 2
            for some in (np.arange(half), np.arange(half, len(block))):
                BinCounts(opened, parts).count([block.take(some)])
        assert whole == parts
        reference = load(gate.reference_dir)
        answered = sum(len(block) for block in blocks)
        for name, profile in reference.features.items():
            size = Binner(profile).size
            assert sum(whole["bin", name, str(place)] for place in range(size)) == answered
    finally:
        gate.close()


def test_the_critical_value_is_exceeded_by_chance_within_the_budget():
    profile = load(taxi.gate.reference_dir).features["distance"]
    monitoring = taxi.gate.monitoring
    degrees = int((profile.counts > 0).sum()) - 1
    hourly = survival(critical_of(profile, monitoring, 15), degrees)
    pages = hourly * 15 * 24 * monitoring.days * 10
    assert pages == pytest.approx(monitoring.false_pages * monitoring.shares["drift"], rel=1e-6)
