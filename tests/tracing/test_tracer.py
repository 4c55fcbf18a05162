"""From a request to spans in a file and at a receiver, and what a receiver cannot do to requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import persons
from tests.examples import Crashing, Limit, declared_pair, doubling
from tests.tracing.sink import attributes, receiving
from tests.waiting import until
from wardline import Chain, Python, Risk, Rule, Settings
from wardline.gate import Gate
from wardline.settings import TraceSettings
from wardline.telemetry import CALLER, outgoing, trace_context
from wardline.tracing.store import Store
from wardline.tracing.trace import Trace, parse

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ALL = TraceSettings(sample=1.0)
INTERESTING = TraceSettings(sample=0)
HIGH = {"a": 30.0, "b": 2.0}


def chain() -> Chain:
    return Chain(
        Python(lambda: doubling, name="model"), Rule(lambda row: -1.0, answers_blocked=True), failures=3
    )


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER"):
        monkeypatch.delenv(name, raising=False)
    token = CALLER.set(None)
    yield
    CALLER.reset(token)


def traces(home: Path, gate: str = "pair") -> list[Trace]:
    return [parse(text) for file in sorted((home / gate / "traces").glob("*.jsonl"))
            for text in file.read_bytes().splitlines()]  # fmt: skip


def answered(
    home: Path, *rows: Any, settings: TraceSettings = ALL, guards: Any = (), **given: Any
) -> list[Trace]:
    gate = declared_pair(chain(), guards, **given)
    gate.open(Settings(home=home, traces=settings))
    for row in rows:
        gate.batch(row)
    gate.close()
    return traces(home)


def names(trace: Trace) -> list[str]:
    return [span.name for span in trace.spans]


def test_a_served_row_is_told_stage_by_stage(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {"a": 1.0, "b": 2.0})
    assert names(trace) == [
        "wardline.gate", "wardline.contract", "wardline.features", "wardline.guards input",
        "wardline.predict model", "wardline.guards output", "wardline.verdict",
    ]  # fmt: skip
    root, *children = trace.spans
    assert {span.parent_id for span in children} == {root.span_id}
    assert len({span.span_id for span in trace.spans}) == 7
    assert root.attributes["wardline.action"] == "serve"
    assert root.attributes["wardline.verdict"] == "ok"
    assert root.attributes["wardline.prediction"] == 6.0
    assert root.attributes["wardline.slice.a"] == "1.0"
    assert trace.spans[2].attributes["wardline.feature.total"] == 3.0
    assert trace.resource["wardline.gate.name"] == "pair"
    assert root.start <= children[0].start
    for before, after in pairwise(children):
        assert before.start <= before.end == after.start
    assert abs(children[-1].end - root.end) < 10  # six times rounded to whole nanoseconds


def test_a_fallback_names_the_guard_the_finding_and_the_rung_that_answered(tmp_path: Path) -> None:
    (trace,) = answered(
        tmp_path, {"a": 30.0, "b": 2.0}, guards=[Limit(5, 20)], settings=TraceSettings(sample=0)
    )
    assert trace.root.attributes["wardline.kept_because"] == "action"
    assert trace.root.attributes["wardline.action"] == "fallback"
    assert trace.root.attributes["wardline.verdict"] == "block"
    guard = next(span for span in trace.spans if span.name == "wardline.guard limit")
    assert guard.error == ""  # a guard that blocks is not an error
    (event,) = guard.events
    assert event.attributes["wardline.finding.reason"] == "limit.over"
    assert event.attributes["wardline.finding.score"] == 30.0
    assert [n for n in names(trace) if "predict" in n] == ["wardline.predict rule"]


def test_a_rung_that_fails_is_an_error_and_the_next_one_follows_it(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {"a": 60.0, "b": 2.0}, settings=TraceSettings(sample=0))
    model, rule = (span for span in trace.spans if "predict" in span.name)
    assert model.attributes["error.type"] == "ValueError"
    assert model.error
    assert model.end == rule.start > model.start
    assert not rule.error
    assert rule.end >= rule.start


def test_a_crashed_guard_is_an_error(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {"a": 1.0, "b": 2.0}, guards=[Crashing()], risk=Risk.OPEN)
    guard = next(span for span in trace.spans if span.name == "wardline.guard crashing")
    assert guard.error
    assert guard.attributes["error.type"]


def test_a_broken_contract_is_told_without_what_was_not_walked(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {"a": "x", "b": 2.0}, settings=TraceSettings(sample=0))
    assert names(trace) == ["wardline.gate", "wardline.contract", "wardline.verdict"]
    assert trace.spans[1].events[0].attributes["wardline.finding.reason"] == "contract.type"


def test_a_batch_is_one_trace_about_its_sternest_row(tmp_path: Path) -> None:
    rows = [{"a": 1.0, "b": 2.0}] * 30 + [{"a": 60.0, "b": 2.0}]
    (trace,) = answered(tmp_path, rows, settings=TraceSettings(sample=0))
    assert trace.root.attributes["wardline.actions"] == ["serve=30", "fallback=1"]
    assert trace.root.attributes["wardline.row"] == 30
    assert trace.spans[2].attributes["wardline.feature.a"] == 60.0


def test_no_attribute_is_the_prefix_of_another(tmp_path: Path) -> None:
    found = answered(tmp_path, {"a": 30.0, "b": 2.0}, {"a": "x", "b": 1}, {"a": 60.0, "b": 2.0},
                     guards=[Limit(5, 20)])  # fmt: skip
    spans = [span for trace in found for span in trace.spans]
    held = [
        each for span in spans for each in (span.attributes, *(event.attributes for event in span.events))
    ]
    keys = {key for each in held for key in each}
    for key in keys:
        assert not [other for other in keys if other.startswith(f"{key}.")]


def test_the_callers_trace_goes_on_to_our_spans_and_to_the_next_server(tmp_path: Path) -> None:
    context = trace_context(PARENT)._replace(tracestate="x=1", baggage="k=v")
    gate = declared_pair(chain())
    opened = gate.open(Settings(home=tmp_path, traces=TraceSettings(sample=0)))
    CALLER.set(context)
    opened.walk(lambda: gate.contract.admit({"a": 1.0, "b": 2.0}), "id", context.trace_id)
    headers = outgoing("model")
    gate.close()
    (trace,) = traces(tmp_path)
    assert trace.trace_id == context.trace_id
    assert trace.root.parent_id == "00f067aa0ba902b7"
    assert trace.root.span_id == context.span_id
    predict = next(span for span in trace.spans if span.name == "wardline.predict model")
    assert headers == {
        "traceparent": f"00-{context.trace_id}-{predict.span_id}-01", "tracestate": "x=1", "baggage": "k=v",
    }  # fmt: skip
    assert trace.tracestate == "x=1"


def test_personal_fields_stay_out_of_attributes(tmp_path: Path) -> None:
    gate = persons.declared()
    gate.open(Settings(home=tmp_path, traces=ALL, keys=persons.KEYS))
    gate(persons.ADA)
    gate(persons.BROKEN[1])
    gate.close()
    text = b"".join(file.read_bytes() for file in (tmp_path / "person" / "traces").iterdir())
    assert len(traces(tmp_path, gate.name)) == 2
    assert b'"contract.' in text
    assert not any(secret.encode() in text for secret in persons.SECRETS)


def export_to(monkeypatch: pytest.MonkeyPatch, url: str, **more: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    for name, value in more.items():
        monkeypatch.setenv(name, value)


def test_a_receiver_gets_what_the_store_has_and_nothing_is_lost_at_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as sink:
        export_to(monkeypatch, sink.url, OTEL_EXPORTER_OTLP_HEADERS="x-team=risk",
                  OTEL_EXPORTER_OTLP_COMPRESSION="gzip", OTEL_SERVICE_NAME="loans",
                  OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")  # fmt: skip
        kept = answered(tmp_path, *[{"a": float(i), "b": 2.0} for i in range(70)])
    assert len(kept) == 70
    ids = sorted(span.span_id for trace in kept for span in trace.spans)
    assert sorted(span.span_id.hex() for span in sink.spans) == ids
    assert sink.headers[0]["x-team"] == "risk"
    resource = attributes(sink.requests[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "loans"
    assert resource["deployment.environment.name"] == "test"
    root = next(span for span in sink.spans if span.name == "wardline.gate")
    assert attributes(root.attributes)["wardline.action"] in {"serve", "fallback"}


@pytest.mark.parametrize(
    "trouble",
    [{"status": 400}, {"status": 500}, {"status": 503}, {"body": b"\xff\xfe nonsense"}, {"status": 302},
     {"hold": threading.Event()}],
)  # fmt: skip
def test_a_receiver_in_trouble_costs_requests_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: dict[str, Any]
) -> None:
    with receiving(**trouble) as sink:
        patience = "1" if sink.hold is None else "60"
        export_to(monkeypatch, sink.url, OTEL_EXPORTER_OTLP_TIMEOUT=patience, OTEL_BSP_SCHEDULE_DELAY="20",
                  OTEL_BSP_MAX_QUEUE_SIZE="70")  # fmt: skip
        gate = declared_pair(chain())
        opened = gate.open(Settings(home=tmp_path, traces=ALL))
        took = []
        for i in range(200):
            began = time.perf_counter()
            assert gate({"a": 1.0, "b": float(i % 50)}).action == "serve"
            took.append(time.perf_counter() - began)
        assert opened.tracer is not None
        until(lambda: opened.tracer.stats().kept == 200)  # type: ignore[union-attr]
        if trouble.get("status", 200) not in (200, 302):
            until(lambda: opened.tracer.stats().unsent > 0)  # type: ignore[union-attr]
        if sink.hold is not None:
            sink.hold.set()
        gate.close()
        stats = opened.tracer.stats()
    assert max(took) < 40.0  # who waited for one that never answers would have waited for a minute
    assert len(traces(tmp_path)) == 200
    assert stats.sent + stats.unsent == 7 * 200


def test_nobody_listening_costs_requests_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_to(monkeypatch, "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert len(answered(tmp_path, *[{"a": 1.0, "b": 1.0}] * 20)) == 20


def test_grpc_sends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    got: list[Any] = []

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's own name
            got.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    export_to(monkeypatch, f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    kept = answered(tmp_path, *[{"a": 1.0, "b": 1.0}] * 5)
    server.stop(None).wait()
    spans = [
        s.span_id.hex() for r in got for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans
    ]
    assert sorted(spans) == sorted(span.span_id for trace in kept for span in trace.spans)


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    gate = declared_pair(chain())
    opened = gate.open(Settings(home=tmp_path, traces=TraceSettings(sample=1.0, queue=3)))
    tracer = opened.tracer
    assert tracer is not None
    with tracer._turn:  # the thread is held up
        for _ in range(20):
            gate({"a": 1.0, "b": 1.0})
    gate.close()
    stats = tracer.stats()
    assert stats.dropped >= 16
    assert stats.kept + stats.dropped == 20


def test_a_disk_that_refuses_costs_traces_and_no_request(tmp_path: Path) -> None:
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / "traces").write_text("a file where the folder should be")
    gate: Gate = declared_pair(chain())
    opened = gate.open(Settings(home=tmp_path, traces=ALL))
    assert gate({"a": 1.0, "b": 1.0}).action == "serve"
    gate.close()
    assert opened.tracer is not None
    assert opened.tracer.stats().errors == 1


def test_the_store_is_bounded_in_size_and_age(tmp_path: Path) -> None:
    now = [1_600_000_000.0]
    store = Store(tmp_path, keep_mb=0.1, keep_days=1, clock=lambda: now[0])
    for _ in range(400):
        store.write([b"x" * 999 + b"\n"])
        now[0] += 0.01
    whole = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert 60_000 < whole <= 0.1 * 1024 * 1024 + 8_000
    now[0] = time.time() + 3 * 86_400
    store.write([b"new\n"])
    store.close()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"new\n"]
