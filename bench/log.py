"""What the log costs: rows a CPU second into a segment, by rows a request, and the price of one append."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.log import LogWriter
from wardline.log.encoder import Encoder
from wardline.record import STAGES, Records, RecordSchema
from wardline.settings import LogSettings
from wardline.verdict import Coverage

FEATURES = FeatureSchema(tuple(Feature(f"f{i}", Kind.CONTINUOUS, "float64") for i in range(25)))
SCHEMA = RecordSchema(
    "bench", FEATURES, ("region",), (), ("gbm",), STAGES, ("gbm/1",),
    {"model": "gbm/1", "model_sha256": "a" * 64, "features_version": "1", "reference": "ab12"},
    (Coverage.VALID,),
)  # fmt: skip
ROWS = 60_000
REPEATS = 5


def request(rows: int, number: int) -> Records:
    chance = np.random.default_rng(number)
    return Records(
        time=number,
        request_id=f"{number:032x}",
        trace_id=f"{number:032x}",
        batch=rows > 1,
        actions=np.zeros(rows, np.int8),
        rungs=np.zeros(rows, np.int8),
        values=chance.normal(size=rows),
        admitted=np.arange(rows),
        block=FeatureBlock(FEATURES, chance.normal(size=(rows, 25)), {}),
        slices={"region": ["north"] * rows},
        findings={},
        stages_us=(3.0, 2.0, 20.0, 12.0, 8.0, 4.0),
        interval=chance.normal(size=(rows, 2)),
        ood_p=chance.random(rows),
        level=0.9,
    )


def encoding(rows: int) -> float:
    """Return microseconds a row to encode about a thousand rows."""
    encode = Encoder(SCHEMA)
    requests = [request(rows, number) for number in range(max(1, 1024 // rows))]
    times = []
    for _ in range(REPEATS * 10):
        began = time.process_time()
        encode(requests)
        times.append(time.process_time() - began)
    return min(times) / (rows * len(requests)) * 1e6


def writing(rows: int, directory: Path) -> tuple[float, float]:
    """Return rows a CPU second, from append to file, and microseconds an append."""
    requests = [request(rows, number) for number in range(ROWS // rows)]
    best, append = 0.0, float("inf")
    for _ in range(REPEATS):
        writer = LogWriter(directory, SCHEMA, LogSettings(flush_s=60.0, queue_rows=2 * ROWS))
        began, started = time.process_time(), time.thread_time()
        for records in requests:
            writer.append(records)
        appended = time.thread_time() - started
        assert writer.flush(60.0)
        best = max(best, rows * len(requests) / (time.process_time() - began))
        append = min(append, appended / len(requests) * 1e6)
        assert writer.stats().dropped == 0
        writer.close()
        shutil.rmtree(directory)
    return best, append


def main() -> None:
    print("rows a request   rows/CPU-s   µs/row   of it encoding   µs/append")
    with tempfile.TemporaryDirectory() as place:
        for rows in (1, 32, 1024):
            rate, append = writing(rows, Path(place) / "records")
            print(f"{rows:14d} {rate:12,.0f} {1e6 / rate:8.2f} {encoding(rows):16.2f} {append:11.2f}")


if __name__ == "__main__":
    main()
