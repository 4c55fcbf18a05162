"""A fleet larger than this machine: what a thousand replicas cost, from what a few really cost here.

What is measured: the page of one replica, a real Prometheus scraping and judging some dozens of replicas,
the monitor over real records, their bytes when sealed, and whole counts added up. What is not measured is
extrapolated linearly, and printed as such.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from bench.audit import WARDLINE, rows
from bench.serving import free_port
from guards.employment import gate
from wardline.log import LogWriter, batches
from wardline.log.columns import Columns
from wardline.monitor.ladder import Ladder
from wardline.monitor.plan import Plan, Watched
from wardline.serving.bins import BinCounts
from wardline.settings import LogSettings
from wardline.testing import MemorySink

FLEET, FEATURES, BINS = 1000, 30, 12
SHOWN = 40  # replicas that Prometheus really scrapes here
SCRAPE_S = 15  # a fleet's interval; here it is 1 s, so that seconds are enough
RUN_S = 40
ALONE = 10_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        opened = gate.open(sink=MemorySink())
        page, series = replica(opened)
        bytes_each = len(page) / series
        print(f"a replica's page: {series} series, {len(page) / 1e3:.0f} kB, {bytes_each:.0f} bytes a series")
        scraped = prometheus(home, page)
        merged()
        monitor_s, bytes_row = log_and_monitor(home)
        start_s, million_s = spark(home)
        gate.close()
    each = FEATURES * BINS * 2 + FEATURES * 2
    whole = each * FLEET
    ratio = whole / (series * SHOWN)
    print(f"\n{FLEET} replicas × {FEATURES} features × {BINS} bins, by extrapolation")
    print(f"  series                {whole:,} scraped, {FEATURES * BINS * 6:,} recorded")
    print(f"  a scrape              {each * bytes_each / 1e3:.0f} kB of each replica, "
          f"{each * bytes_each * FLEET / SCRAPE_S / 1e6:.1f} MB/s over all at {SCRAPE_S} s")  # fmt: skip
    print(f"  Prometheus            {scraped['memory_mb'] * ratio / 1e3:.1f} GB of memory, "
          f"{scraped['cpu'] * ratio / SCRAPE_S:.2f} cores beside its rules")  # fmt: skip
    print(f"  the rules of one gate {scraped['rules_s'] * ratio:.1f} s of every 30 s they have")
    for rate in (1_000, 10_000, 100_000):
        print(f"  {rate:7,} rows a second: {monitor_s * rate:5.2f} cores of monitors, "
              f"{bytes_row * rate * 86_400 / 1e9:7.1f} GB of sealed records a day, their audit by Spark "
              f"{(start_s + million_s * rate * 86_400 / 1e6) / 3600:6.1f} core hours")  # fmt: skip


def replica(opened: Any) -> tuple[bytes, int]:
    """Return the page of a replica that has answered some rows, and how many series it has."""
    counts: Counter[tuple[str, ...]] = Counter()
    counting = BinCounts(opened, counts)
    gate.batch([gate.contract.examples[0]] * 2000)
    counting.count([records.block for records in opened.sink.records if records.block is not None])

    class Page:
        def collect(self) -> Any:
            return counting.families(counts)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Page())
    page = generate_latest(registry)
    return page, sum(not line.startswith(b"#") for line in page.splitlines())


def prometheus(home: Path, page: bytes) -> dict[str, float]:
    """Let a real Prometheus scrape some dozens of replicas each second and judge them by the gate's rules."""
    files = home / "rules"
    subprocess.run([sys.executable, "-m", "wardline", "rules", "guards.employment", "--out", str(files),
                    "--window", "1m"], check=True, capture_output=True)  # fmt: skip
    pages, port = Pages(page), free_port()
    config = yaml.safe_load((files / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "5s"}
    config["alerting"] = {}
    config["scrape_configs"] = [
        {"job_name": f"r{place}", "metrics_path": f"/{place}",
         "static_configs": [{"targets": [f"127.0.0.1:{pages.port}"]}]}
        for place in range(SHOWN)
    ]  # fmt: skip
    (files / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = files / "wardline-employment.rules.yml"
    rules.write_text(rules.read_text().replace("interval: 30s", "interval: 5s"))
    command = ["prometheus", f"--config.file={files / 'prometheus.yml'}",
               f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={home / 'tsdb'}"]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process = psutil.Process(server.pid)
        time.sleep(10)
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(RUN_S)
        spent, passed = sum(process.cpu_times()[:2]) - before, time.monotonic() - began
        memory = process.memory_info().rss / 1e6
        lasted = ask(port, "sum(prometheus_rule_group_last_duration_seconds)", own=True)
        psis = ask(port, "count(wardline:psi:1m)")
    finally:
        server.terminate()
        server.wait(30)
        pages.close()
    print(f"Prometheus, {SHOWN} replicas each second: {spent / passed:.2f} cores, {memory:.0f} MB, "
          f"rules of one gate {lasted * 1e3:.0f} ms ({psis:.0f} PSIs)")  # fmt: skip
    return {"cpu": spent / passed, "memory_mb": memory, "rules_s": lasted}


def ask(port: int, expr: str, *, own: bool = False) -> float:
    if own:  # its own page tells what its rules took
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        name = "prometheus_rule_group_last_duration_seconds{"
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={expr}") as reply:
        return float(json.loads(reply.read())["data"]["result"][0]["value"][1])


class Pages:
    """The pages of all replicas, from one server; counters grow with time."""

    def __init__(self, page: bytes) -> None:
        head = []
        grows = []
        for line in page.decode().splitlines():
            if line.startswith("wardline_feature_bin_rows_total"):
                grows.append(line.rpartition(" ")[0])
            else:
                head.append(line)
        began = time.monotonic()

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                rows = int((time.monotonic() - began) * 100)
                body = "\n".join([*head, *(f"{line} {rows}" for line in grows), ""]).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()


def merged() -> None:
    """Add up the counts of a fleet, and of parts of it: the same whole numbers."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(40, (FLEET, FEATURES, BINS)).astype(np.int64)
    spent = least(lambda: counts.sum(axis=0))
    parts = sum(counts[start : start + 77].sum(axis=0) for start in range(0, FLEET, 77))
    assert (parts == counts.sum(axis=0)).all()
    print(f"counts of {FLEET} replicas added up: {spent * 1e3:.1f} ms, {counts.nbytes / 1e6:.1f} MB, "
          "the same from any parts")  # fmt: skip


def log_and_monitor(home: Path) -> tuple[float, float]:
    """Return a monitor's CPU seconds a row, and a sealed row's bytes, over real people's records."""
    table = pq.read_table(gate.root / "models/employment/data/split/held_back.parquet")
    people = [gate.contract.adopt(row) for row in table.select(list(gate.contract.fields)).to_pylist()]
    sink = MemorySink(limit=10**6)
    gate.close()
    opened = gate.open(sink=sink)
    for row in people[:ALONE]:  # a request each, as callers ask: an id and a trace of its own
        gate(row)
    writer = LogWriter(home / "records", opened.schema, LogSettings(queue_rows=10**6))
    for records in sink.records:
        writer.append(records)
    writer.close(60)
    size = sum(file.stat().st_size for file in (home / "records").glob("*.parquet"))
    read = list(batches(home / "records", rows=8192))
    total = sum(batch.num_rows for batch in read)
    known = Watched("employment", opened.reference, {c.name: c.kind for c in opened.schema.features.columns},
                    gate.chain.names, gate.classes, gate.slices)  # fmt: skip

    def follow() -> None:
        ladder = Ladder(Plan(known))
        for batch in read:
            ladder.add(Columns(pa.Table.from_batches([batch])))

    spent = least(follow, 3)
    print(f"monitor: {total / spent:,.0f} records a second on one core, {len(known.features)} features, "
          f"{len(gate.slices)} slice columns; {size / total:.0f} bytes a sealed row")  # fmt: skip
    return spent / total, size / total


def spark(home: Path) -> tuple[float, float]:
    """Return the CPU seconds of an audit on Spark: to answer at all, and for a million rows more."""
    one, some, many = (rows(home / f"{n}.parquet", n, 1) for n in (100_000, 1_000_000, 4_000_000))
    asked = [str(WARDLINE), "drift", "--engine", "spark", "--format", "json", str(one)]
    few_s, many_s = (tree_s([*asked, str(file)]) for file in (some, many))
    each = max(0.0, many_s - few_s) / 3
    print(f"Spark here: {few_s - each:.0f} s of CPU to start and answer, {each:.1f} s a million rows "
          f"of {FEATURES} features")  # fmt: skip
    return few_s - each, each


def tree_s(command: list[str]) -> float:
    """Return the CPU seconds of a process and all it starts: nobody waits for Spark's own."""
    spent: dict[int, float] = {}
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [process, *process.children(recursive=True)]:
                spent[each.pid] = sum(each.cpu_times()[:2])
        time.sleep(0.1)
    return sum(spent.values())


def least(call: Callable[[], Any], rounds: int = 5) -> float:
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        spent.append(time.process_time() - began)
    return min(spent)


if __name__ == "__main__":
    main()
