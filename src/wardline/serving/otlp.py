"""Metric families as OpenTelemetry's metrics: the names, labels and numbers of `/metrics`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wardline.serving.families import Families
from wardline.tracing.trace import SCOPE, Value

Sent = dict[str, list[float]]
"""What was sent before, by series: a count, or a histogram's buckets with its sum at the end."""

_UNITS = {"_seconds": "s", "_ratio": "1"}


class Span(NamedTuple):
    """From when to when, in nanoseconds since the epoch: since the server began, or since the last time."""

    start: int
    end: int


def deltas(env: Mapping[str, str] | None = None) -> bool:
    """Say whether counts are wanted as differences (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE)."""
    env = os.environ if env is None else env
    wanted = env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    return wanted in {"delta", "lowmemory"}


def metrics(
    families: Families, resource: Mapping[str, Value], span: Span, before: Sent | None = None
) -> tuple[MetricsData, Sent]:
    """Return the families, and what to give as `before` the next time.

    With `before` counts are what came since; without it they are totals since the server began.
    """
    total: Sent = {}
    made = [metric for each in _all(families) for metric in _metric(each, span, before, total)]
    scope = ScopeMetrics(InstrumentationScope(SCOPE), made, "")
    return MetricsData([ResourceMetrics(Resource(dict(resource)), [scope], "")]), total


def _all(families: Families) -> Iterator[Any]:
    yield from families.collect()
    if families.bins is not None:
        yield from families.bins.families(families.counts)


def _metric(family: Any, span: Span, before: Sent | None, total: Sent) -> Iterator[Metric]:
    """Give one family; nothing where it has no sample."""
    if not family.samples:
        return
    unit = next((unit for end, unit in _UNITS.items() if family.name.endswith(end)), "")
    how = AggregationTemporality.CUMULATIVE if before is None else AggregationTemporality.DELTA
    name = family.name
    data: Sum | Histogram | Gauge
    if family.type == "counter":
        name = f"{family.name}_total"
        points = [_count(each, span, before, total) for each in family.samples if each.name == name]
        data = Sum(points, how, is_monotonic=True)
    elif family.type == "histogram":
        data = Histogram(list(_histograms(family.samples, span, before, total)), how)
    else:
        data = Gauge(
            [NumberDataPoint(each.labels, 0, span.end, float(each.value)) for each in family.samples]
        )
    yield Metric(name, family.documentation, unit, data)


def _count(sample: Any, span: Span, before: Sent | None, total: Sent) -> NumberDataPoint:
    (value,) = _since(_series(sample.name, sample.labels), [sample.value], before, total)
    return NumberDataPoint(sample.labels, span.start, span.end, int(value))


def _histograms(
    samples: Iterable[Any], span: Span, before: Sent | None, total: Sent
) -> Iterator[HistogramDataPoint]:
    """Put the cumulative buckets of each series back into counts by bucket."""
    grouped: dict[str, tuple[dict[str, str], list[Any], list[float]]] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        series = _series(sample.name.rpartition("_")[0], labels)
        _, buckets, sums = grouped.setdefault(series, (labels, [], []))
        if sample.name.endswith("_bucket"):
            buckets.append(sample)
        elif sample.name.endswith("_sum"):
            sums.append(sample.value)
    for series, (labels, buckets, sums) in grouped.items():
        heights = [0.0, *(each.value for each in buckets)]
        counts = [after - first for first, after in pairwise(heights)]
        *counted, summed = _since(series, [*counts, sum(sums)], before, total)
        exemplars = [_exemplar(each.exemplar) for each in buckets if each.exemplar and _wanted()]
        yield HistogramDataPoint(
            labels, span.start, span.end, int(sum(counted)), summed, [int(each) for each in counted],
            [float(each.labels["le"]) for each in buckets[:-1]],
            None, None, exemplars,  # type: ignore[arg-type] # the least and the most are optional in OTLP
        )  # fmt: skip


def _wanted() -> bool:
    """Say whether exemplars are (OTEL_METRICS_EXEMPLAR_FILTER); all of ours are of traces that are kept."""
    return os.environ.get("OTEL_METRICS_EXEMPLAR_FILTER", "").strip().lower() != "always_off"


def _exemplar(seen: Any) -> Exemplar:
    """Point to the trace of a kept request; which of its spans is not said."""
    return Exemplar({}, float(seen.value), int(seen.timestamp * 1e9), 0, int(seen.labels["trace_id"], 16))


def _series(name: str, labels: Mapping[str, str]) -> str:
    return "\0".join((name, *(f"{key}={value}" for key, value in sorted(labels.items()))))


def _since(series: str, now: list[float], before: Sent | None, total: Sent) -> list[float]:
    total[series] = now
    if before is None or len(before.get(series, ())) != len(now):
        return now
    return [new - old for new, old in zip(now, before[series], strict=True)]
