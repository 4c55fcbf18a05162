"""Metrics by OTLP: the names and numbers of `/metrics`, once for all workers, whatever the collector does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as plain

from guards.taxi import gate as taxi
from tests.serving.server import serving
from tests.serving.test_metrics import ROW, gate, one
from tests.tracing.sink import Received, attributes, receiving
from tests.waiting import until
from wardline import Settings
from wardline.serving import app
from wardline.serving.families import Families
from wardline.serving.metrics import Metrics
from wardline.serving.push import Push, push
from wardline.settings import TraceSettings
from wardline.testing import FakeClock

QUIET = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRIC_EXPORT_INTERVAL": "1000"}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


def to(monkeypatch: pytest.MonkeyPatch, url: str, **more: str) -> None:
    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **QUIET, **more}.items():
        monkeypatch.setenv(name, value)


def told(request: Any) -> dict[tuple[str, ...], Any]:
    """Every number of one export, by name and labels as `/metrics` has them."""
    found: dict[tuple[str, ...], Any] = {}
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            labels = tuple(
                value for name, value in sorted(attributes(point.attributes).items()) if name != "gate"
            )
            if kind == "histogram":
                found[f"{metric.name}_count", *labels] = point.count
                found[f"{metric.name}_sum", *labels] = point.sum
                below = 0
                for edge, rows in zip(
                    [*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True
                ):
                    below += rows
                    found[f"{metric.name}_bucket", str(edge), *labels] = below
            else:
                number = point.WhichOneof("value")
                found[metric.name, *labels] = float(getattr(point, number))
    return found


def page(text: str) -> dict[tuple[str, ...], float]:
    found = {}
    for family in plain(text):
        for each in family.samples:
            labels = {**each.labels}
            edge = [str(float(labels.pop("le")))] if "le" in labels else []
            rest = [value for name, value in sorted(labels.items()) if name != "gate"]
            found[(each.name, *edge, *rest)] = each.value
    return found


MOVING = ("wardline_reference_age_seconds", "wardline_metric_exports_total", "wardline_in_flight_requests",
          "wardline_responses_total", "wardline_requests_total", "wardline_log_total", "wardline_queue_depth",
          "wardline_traces_total", "wardline_record_lag_seconds")  # fmt: skip


def still(found: dict[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
    return {key: value for key, value in found.items() if key[0] not in MOVING}


def test_every_name_label_and_number_is_that_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taxi.close()
    example = dict(taxi.contract.examples[0])
    with receiving() as sink:
        to(monkeypatch, sink.url, OTEL_SERVICE_NAME="trips")
        with serving(app(taxi, Settings(home=tmp_path, traces=TraceSettings(sample=1.0)))) as client:
            for miles in (1.0, 2.0, 120.0):
                client.post("/predict", json={**example, "trip_distance": miles})
            here = page(client.get("/metrics").text)
            until(lambda: sink.metrics and still(told(sink.metrics[-1])) == still(here))
            there = told(sink.metrics[-1])
        last = told(sink.metrics[-1])  # what the server sends when it ends
    assert {key[0] for key in there} == {key[0] for key in here}
    assert last["wardline_log_total", "written"] == 3
    resource = attributes(sink.metrics[0].resource_metrics[0].resource.attributes)
    assert resource["service.name"] == "trips"
    assert resource["wardline.model.name"] == "taxi/1"
    assert "process.pid" not in resource


def test_sums_are_totals_since_the_server_began_with_exemplars_of_kept_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = time.time_ns()
    with receiving() as sink:
        to(monkeypatch, sink.url)
        with serving(app(gate(), Settings(home=tmp_path, traces=TraceSettings(sample=1.0)))) as client:
            trace = client.post("/predict", json=ROW).json()["trace_id"]
        request = sink.metrics[-1]
    by_name = {each.name: each for each in request.resource_metrics[0].scope_metrics[0].metrics}
    rows = by_name["wardline_rows_total"].sum
    assert rows.is_monotonic
    assert rows.aggregation_temporality == 2  # cumulative
    assert before <= rows.data_points[0].start_time_unix_nano <= rows.data_points[0].time_unix_nano
    stages = by_name["wardline_stage_seconds"]
    assert stages.unit == "s"
    seen = {each.trace_id.hex() for point in stages.histogram.data_points for each in point.exemplars}
    assert seen == {trace}
    assert by_name["wardline_breaker_workers"].WhichOneof("data") == "gauge"


def test_exemplars_stay_out_where_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as sink:
        to(monkeypatch, sink.url, OTEL_METRICS_EXEMPLAR_FILTER="always_off")
        with serving(app(gate(), Settings(home=tmp_path, traces=TraceSettings(sample=1.0)))) as client:
            client.post("/predict", json=ROW)
    metrics = sink.metrics[-1].resource_metrics[0].scope_metrics[0].metrics
    stages = next(each.histogram for each in metrics if each.name == "wardline_stage_seconds")
    assert sum(point.count for point in stages.data_points) == 6
    assert not [each for point in stages.data_points for each in point.exemplars]


def test_differences_add_up_to_the_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as sink:
        to(monkeypatch, sink.url, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta")
        with serving(app(gate(), Settings(home=tmp_path))) as client:
            for count in (1, 2):
                client.post("/predict", json=ROW)
                until(lambda count=count: rows_of(sink) >= count)  # type: ignore[misc] # its default is the number
            sink.status = 400  # refused: nothing of it may be lost
            client.post("/predict", json=ROW)
            refused = sink.refused
            until(lambda: sink.refused > refused + 1)
            sink.status = 200
        assert rows_of(sink) == 3
        point = by_rows(sink.metrics[-1])
    assert point.aggregation_temporality == 1
    assert point.data_points[0].start_time_unix_nano < point.data_points[0].time_unix_nano


def rows_of(sink: Received) -> float:
    return sum(told(each)["wardline_rows_total", "serve"] for each in list(sink.metrics))


def by_rows(request: Any) -> Any:
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    return next(each.sum for each in metrics if each.name == "wardline_rows_total")


@pytest.mark.parametrize(
    "trouble", [{"status": 500}, {"status": 400}, {"body": b"\xff\xfe nonsense"}, {"hold": threading.Event()}]
)  # fmt: skip
def test_a_collector_in_trouble_costs_requests_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: dict[str, Any]
) -> None:
    with receiving(**trouble) as sink:
        to(monkeypatch, sink.url, OTEL_EXPORTER_OTLP_TIMEOUT="60")
        took = []
        with serving(app(gate(), Settings(home=tmp_path))) as client:

            def asked() -> bool:
                began = time.perf_counter()
                assert client.post("/predict", json=ROW).status_code == 200
                took.append(time.perf_counter() - began)
                return sink.begun > 0

            until(asked)  # until an export is under way, and then some more
            for _ in range(20):
                asked()
            if trouble.get("status"):
                failed = 'wardline_metric_exports_total{gate="pair",what="failed"}'
                until(lambda: failed in client.get("/metrics").text)
            if sink.hold is not None:
                sink.hold.set()
    assert max(took) < 40.0  # who waited for one that never answers would have waited for a minute


def test_nobody_listening_costs_requests_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to(monkeypatch, "http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    began = time.monotonic()
    with serving(app(gate(), Settings(home=tmp_path))) as client:
        assert client.post("/predict", json=ROW).status_code == 200
    assert time.monotonic() - began < 60  # and the server ends


def test_grpc_sends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

    got: list[Any] = []

    class Service(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's own name
            got.append(request)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    to(monkeypatch, f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="grpc")
    with serving(app(gate(), Settings(home=tmp_path))) as client:
        client.post("/predict", json=ROW)
    server.stop(None).wait()
    assert told(got[-1])["wardline_rows_total", "serve"] == 1


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/v1/metrics"}, True),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXPORTER": "otlp"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, False),
    ],
)
def test_the_environment_says_whether(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], wanted: bool
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    gated = gate()
    made = push(tmp_path, gated.open(Settings(home=tmp_path)).schema)
    gated.close()
    assert (made is not None) is wanted
    if made is not None:
        made._folder = Path("/dev/null/nowhere")  # it may not send while it ends
        made._closed = True
        made._sender.shutdown()


class Sending:
    """An exporter that remembers, and takes as long as it is told."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.go = threading.Event()
        self.go.set()

    def export(self, metrics_data: Any) -> Any:
        from opentelemetry.sdk.metrics.export import MetricExportResult

        self.go.wait(120)
        self.got.append(metrics_data)
        return MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        self.go.set()


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[..., tuple[Push, Sending]]]:
    opened: list[tuple[Push, Sending]] = []

    def begin(clock: Callable[[], float]) -> tuple[Push, Sending]:
        sending = Sending()
        made = Push(tmp_path / "run", sending, {"service.name": "pair"}, {}, clock)
        opened.append((made, sending))
        return made, sending

    yield begin
    for each, sending in opened:
        sending.go.set()
        each.close(families)


def families() -> Families:
    return Families(gate(), None, {("rows", "serve"): 1}, bins=None, gauges={}, exemplars={}, told=None)


def test_one_of_many_workers_sends_and_when_it_ends_another_goes_on(begun: Any) -> None:
    clock = FakeClock()
    (first, sent), (second, others) = begun(clock), begun(clock)
    assert not first.due()
    clock.advance(61.0)
    assert first.due()
    assert not second.due()
    first.give(families())
    until(lambda: first.sent == 1)
    first.close(families)
    assert len(sent.got) == 2
    assert second.due()
    second.give(families())
    until(lambda: second.sent == 1)
    assert len(others.got) == 1


def test_while_one_export_is_under_way_the_next_is_left_out_and_counted(begun: Any) -> None:
    clock = FakeClock()
    made, sending = begun(clock)
    sending.go.clear()
    clock.advance(61.0)
    assert made.due()
    made.give(families())
    until(lambda: made._busy)
    made.give(families())
    made.give(families())
    assert made.skipped == 2
    sending.go.set()
    until(lambda: made.sent == 1)


def test_a_worker_that_is_killed_leaves_the_lock(begun: Any, tmp_path: Path) -> None:
    child = (
        "import sys, time; from pathlib import Path; from tests.serving.test_push import Sending; "
        "from wardline.serving.push import Push; "
        "p = Push(Path(sys.argv[1]), Sending(), {}, {}, iter([0.0, 99.0, 99.0]).__next__); "
        "print(p.due(), flush=True); sys.stdin.read()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", child, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"True\n"
    clock = FakeClock()
    made, _ = begun(clock)
    clock.advance(61.0)
    assert not made.due()
    worker.kill()
    worker.communicate()
    until(made.due)


def test_counts_of_other_workers_are_in_what_one_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_RUN", "one")
    other = Metrics(gate(), tmp_path)
    other.observe(one())
    other.write()
    with receiving() as sink:
        to(monkeypatch, sink.url)
        with serving(app(gate(), Settings(home=tmp_path))) as client:
            client.post("/predict", json=ROW)
        assert told(sink.metrics[-1])["wardline_rows_total", "serve"] == 2
