"""Records as CloudEvents over HTTP: for a broker, where no object store and no Kafka is wanted.

Structured batches of CloudEvents 1.0 (`application/cloudevents-batch+json`), which Knative brokers and
KServe's loggers take. Delivered at least once: an event's `id` is its file and its place in it, so that a
receiver can leave out what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa

from wardline.errors import LogError
from wardline.log import parquet
from wardline.log.plain import objects

_TYPE = "wardline.record.v1"
_ROWS = 500  # events in one request
_HEADERS = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}


class Events:
    """Posts sealed files to a URL, `timeout_s` at most for each request."""

    name = "events"

    def __init__(self, url: str, gate: str, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise LogError(f"{url} is no address for events: it starts with http:// or https://")
        self._url, self._gate, self._timeout = url, gate, timeout_s

    def deliver(self, path: Path) -> None:
        """Post the rows of a sealed file in order; raises LogError at the first request that is refused."""
        with httpx.Client(timeout=self._timeout, headers=_HEADERS) as client:
            for events in self._batches(path):
                try:
                    client.post(self._url, content=msgspec.json.encode(events)).raise_for_status()
                except httpx.HTTPError as error:
                    raise LogError(f"{self._url} does not take the events of {path.name}: {error}") from error

    def _batches(self, path: Path) -> Iterator[list[dict[str, Any]]]:
        row, source = 0, f"/wardline/{self._gate}"
        with parquet.opened(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                events = []
                for data in objects(pa.Table.from_batches([batch])):
                    events.append({
                        "specversion": "1.0", "id": f"{path.stem}/{row}", "source": source, "type": _TYPE,
                        "time": data["time"], "subject": data.get("request_id"),
                        "datacontenttype": "application/json", "data": data,
                    })  # fmt: skip
                    row += 1
                yield events
