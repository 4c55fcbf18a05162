"""The page is the library's, byte for byte: also where labels and helps hold what must be escaped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from guards.taxi import gate as taxi
from wardline import Settings
from wardline.serving import plain
from wardline.serving.metrics import Metrics


class Some(Collector):
    def __init__(self, *families: Any) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        yield from self._families


TEXTS = st.text(max_size=12) | st.sampled_from(['a"b', "a\\b", "a\nb", "\u2028", "é{}", "", 'x="y",'])
NUMBERS = st.floats() | st.integers(0, 2**53).map(float)


@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), max_size=5), TEXTS)
def test_whatever_labels_and_numbers_there_are(rows: list[tuple[str, str, float]], words: str) -> None:
    gauge = GaugeMetricFamily("wardline_any", words, labels=["zone", "about"])
    counter = CounterMetricFamily("wardline_some", words, labels=["about"])
    spread = HistogramMetricFamily("wardline_seconds", words, labels=["about"])
    for zone, about, number in rows:
        gauge.add_metric([zone, about], number)
        counter.add_metric([about], number)
        spread.add_metric([about], [("0.1", 1.0), ("+Inf", 2.0)], number)
    families = Some(gauge, counter, spread, GaugeMetricFamily("wardline_bare", "none", value=1.5))
    assert plain.generate(families) == generate_latest(families)


def test_a_whole_page_twice_with_other_numbers(tmp_path: Path) -> None:
    taxi.close()
    metrics = Metrics(taxi, tmp_path)
    opened = taxi.open(Settings(home=tmp_path))
    metrics.open(opened)
    for _ in range(2):
        metrics.observe(opened.walk(lambda: taxi.contract.admit(taxi.contract.examples[0]), "id", "a" * 32))
        metrics.responded(200, "serve")
        registry = CollectorRegistry(auto_describe=False)
        families = metrics.families()
        still = Some(*list(families.collect()))  # ages are told once
        registry.register(still)
        assert plain.generate(registry) == generate_latest(registry)
    taxi.close()


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_MOST", 10)
    gauge = GaugeMetricFamily("wardline_many", "many", labels=["i"])
    for i in range(100):
        gauge.add_metric([str(i)], i)
    assert plain.generate(Some(gauge)) == generate_latest(Some(gauge))
    assert len(plain._begins) <= 10
