"""What traces cost: on clean traffic at the usual settings, at 100 %, and beside eager spans of the SDK.

CPU time of the process with its threads, rounds alternating. The eager comparison makes the same tree with
the same attributes and events through the SDK's tracer and batch processor; both encode what they would send.
"""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from bench.path import Queue
from guards.employment import gate
from wardline.monitor import report
from wardline.monitor.signal import Signal, Standing
from wardline.record import RecordSchema
from wardline.serving import plain, watched
from wardline.serving.bin_page import texts
from wardline.serving.metrics import Metrics
from wardline.settings import TraceSettings
from wardline.telemetry import trace_context
from wardline.tracing.export import Exporter
from wardline.tracing.read import traces
from wardline.tracing.trace import Trace
from wardline.tracing.tracer import Tracer

ROUNDS, PAIRS, REQUESTS = 9, 31, 800


class Counting:
    """A receiver that takes everything at once."""

    def send(self, batch: Any) -> bool:
        batch.SerializeToString()
        return True

    def shutdown(self) -> None:
        pass


class Encoding(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def walked(body: bytes) -> Callable[[], Any]:
    opened = gate.open(sink=Queue())
    return lambda: opened.walk(lambda: gate.contract.admit(body, 0.0), "id", trace_context(None).trace_id)


def cpu_us(call: Callable[[], Any], finish: Callable[[], Any]) -> float:
    gc.collect()  # what others left is not this one's to clear away
    began = time.process_time()
    for _ in range(REQUESTS):
        call()
    finish()
    return (time.process_time() - began) / REQUESTS * 1e6


def eager(tracer: Any, tree: Trace) -> None:
    """Make the tree with the SDK, span by span, as instrumented code would."""
    root, *children = tree.spans
    with tracer.start_as_current_span(root.name) as span:
        for key, value in root.attributes.items():
            span.set_attribute(key, value)
        for child in children:
            with tracer.start_as_current_span(child.name) as below:
                for key, value in child.attributes.items():
                    below.set_attribute(key, value)
                for event in child.events:
                    below.add_event(event.name, event.attributes)


def compare(home: Path, schema: RecordSchema, body: bytes) -> None:
    opened, call = gate.open(), walked(body)
    exporter = Exporter(Counting())
    tracers = {
        "usual": Tracer(home / "usual", schema, TraceSettings()),
        "all": Tracer(home / "all", schema, TraceSettings(sample=1.0, queue=10**6), exporter=exporter),
    }
    for each in tracers.values():
        opened.tracer = each
        call()
        each.flush()
    tracers["all"].timed = ""  # each is the tree that the SDK makes, too
    tree = min(traces(home / "all"), key=lambda trace: len(trace.spans))
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Encoding(), max_queue_size=10**6))
    sdk = provider.get_tracer("bench")

    def settled() -> None:
        tracers["all"].flush()
        while exporter.waiting:
            time.sleep(0.001)

    spent: dict[str, list[float]] = {"none": [], "usual": [], "all": [], "eager": []}
    for number in range(PAIRS):  # side by side, and each first in turn: what drifts meanwhile meets both
        for name in ("none", "usual") if number % 2 else ("usual", "none"):
            opened.tracer = tracers.get(name)
            spent[name].append(cpu_us(call, tracers["usual"].flush))
    ratios = [usual / none for usual, none in zip(spent["usual"], spent["none"], strict=True)]
    for _ in range(ROUNDS):
        opened.tracer = tracers["all"]
        spent["all"].append(cpu_us(call, settled))
        opened.tracer = None
        spent["eager"].append(
            cpu_us(lambda: (call(), eager(sdk, tree)), lambda: provider.force_flush(60_000))
        )
    least = {name: min(each) for name, each in spent.items()}
    print(f"{len(tree.spans)} spans; µs CPU a request in process, lowest (median):")
    for name, each in spent.items():
        print(f"  {name:6} {least[name]:7.1f} ({statistics.median(each):7.1f})")
    extra = {name: least[name] - least["none"] for name in ("usual", "all", "eager")}
    print(f"  1 % and all interesting / none: {least['usual'] / least['none']:.3f}, "
          f"median of {PAIRS} pairs {statistics.median(ratios):.3f}")  # fmt: skip
    print(f"  100 % / eager spans of the SDK: {extra['all'] / extra['eager']:.2f}")
    for each in tracers.values():
        each.close()
    exporter.close()


def page(home: Path) -> None:
    """Render /metrics of 20 gates, each with 50 followed features by ten bins and what its monitor says."""
    opened = gate.open()
    names, now = gate.features.schema.names, time.time()
    signals = [Signal("drift.psi", name, effect=0.01, rows=5000, standing=Standing.OK) for name in names]
    said = report.made(gate.name, now, now + 3600, signals, report.Labels(100, 90, 80))
    pages = []
    for number in range(20):
        metrics = Metrics(gate, home / str(number))
        (home / str(number) / gate.name).mkdir(parents=True)
        report.save(said, home / str(number) / gate.name)
        metrics.open(opened)
        pages.append(metrics)
    features = len(names)
    for each in pages:  # a first page lays out what later ones only fill in
        each.render()
    whole = least_ms(lambda: [each.render() for each in pages])
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Watched(said))
    grows = least_ms(lambda: [texts([(each._page, each._counts)], plain.generate) for each in pages])  # noqa: SLF001 - a part that grows with features
    grows += least_ms(lambda: [plain.generate(registry) for _ in pages])
    print(f"  /metrics of 20 gates x {features} features: {whole:.1f} ms CPU, of it {grows:.1f} for them; "
          f"x 50 features: {whole + grows * (50 / features - 1):.1f}")  # fmt: skip


class Watched(Collector):
    """The drift of every feature alone."""

    def __init__(self, said: report.Report) -> None:
        self._said = said

    def collect(self) -> Any:
        return watched.families(gate.name, gate.features.schema.names, self._said, 0.0, pictures=False)


def least_ms(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(25):
        began = time.process_time()
        call()
        times.append((time.process_time() - began) * 1000)
    return min(times)


def main() -> None:
    body = json.dumps(gate.contract.examples[0]).encode()
    with tempfile.TemporaryDirectory() as folder:
        opened = gate.open(sink=Queue())
        compare(Path(folder), opened.schema, body)
        page(Path(folder))
        gate.close()


if __name__ == "__main__":
    main()
