"""A loopback OTLP receiver made of the official protobuf classes; it can be told to misbehave."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Received:
    url: str
    status: int = 200
    body: bytes = b""
    hold: threading.Event | None = None
    begun: int = 0
    refused: int = 0
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        return [span for each in self.requests for resource in each.resource_spans
                for scope in resource.scope_spans for span in scope.spans]  # fmt: skip


@contextmanager
def receiving(**given: Any) -> Iterator[Received]:
    """Serve OTLP/HTTP on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.begun += 1
            if received.hold is not None:
                received.hold.wait(120)
            status, text = received.status, self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                text = gzip.decompress(text)
            received.headers.append(self.headers)
            if status != 200:
                received.refused += 1
            elif self.path.endswith("/metrics"):
                received.metrics.append(ExportMetricsServiceRequest.FromString(text))
            else:
                received.requests.append(ExportTraceServiceRequest.FromString(text))
            self.send_response(status)
            self.send_header("content-length", str(len(received.body)))
            self.end_headers()
            self.wfile.write(received.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received = Received(f"http://127.0.0.1:{server.server_port}", **given)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(proto: Any) -> dict[str, Any]:
    """Read protobuf attributes as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in proto}
