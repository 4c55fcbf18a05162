"""What is fuzzed: everything that reads bytes which somebody else may have written.

A target takes bytes and raises where a promise is broken: a 5xx, a traceback in an answer, an answer that is
no JSON, a reader that crashes, or that gives rows which were never written.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tests.cli import yard
from tests.examples import EXAMPLE_PAIR, declared_pair, doubling
from tests.frames import jpeg, scene, shot
from tests.fuzzing.server import Server
from tests.log.samples import PATIENT, REGRESSION, request
from wardline import Chain, Python, Rule, health
from wardline.cli.engines import parquet_of_log
from wardline.errors import LogError, PayloadError
from wardline.log import LogWriter, parquet, read
from wardline.log.encoder import Encoder
from wardline.log.follow import Follower
from wardline.log.segment import Segment

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Target:
    """Bytes that are fine to begin with, and what any bytes are given to."""

    name: str
    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], object]


def close() -> None:
    """Close every server that was opened; the next to ask opens a fresh one."""
    for made in (pair, yards):
        if made.cache_info().currsize:
            made().close()
            made.cache_clear()


@cache
def pair() -> Server:
    """The tabular server."""
    return Server(declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0))))


@cache
def yards() -> Server:
    """The server of pictures."""
    return Server(yard.gate)


def asked(
    server: Callable[[], Server], path: str, *headers: tuple[bytes, bytes], prefixed: bool = False
) -> Callable[[bytes], int]:
    """Return what sends bytes there; `prefixed` ones begin with the length of the JSON before binary data."""

    def run(data: bytes) -> int:
        more = headers
        if prefixed:
            length, data = int.from_bytes(data[:2], "big"), data[2:]
            more = (*headers, (b"inference-header-content-length", str(length or len(data)).encode()))
        status, answer = server().ask(path, data, *more)
        assert status < 500, (status, answer[:500])
        assert b"Traceback" not in answer, answer[:2000]
        if status >= 400:
            assert json.loads(answer)["error"], answer[:500]
        return status

    return run


_JSON = (b"content-type", b"application/json")
_JPEG = (b"content-type", b"image/jpeg")
_FORM = (b"content-type", b"multipart/form-data; boundary=edge")
_CAMERA = ((b"x-camera-id", b"yard-1"), (b"x-camera-firmware", b"1"))
_V2: dict[str, Any] = {
    "id": "1",
    "inputs": [
        {"name": "a", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]},
        {"name": "b", "shape": [2], "datatype": "FP64", "data": [0.5, 60.0]},
    ],
    "outputs": [{"name": "prediction"}],
}


def rows() -> list[bytes]:
    """Rows and batches, sound and broken."""
    some: list[Any] = [
        EXAMPLE_PAIR,
        {"rows": [EXAMPLE_PAIR] * 3},
        {"a": 60.0, "b": 1.0},
        {"a": 1e308, "b": None},
    ]
    return [json.dumps(each).encode() for each in some]


def tensors() -> list[bytes]:
    """V2 requests in JSON."""
    return [json.dumps(_V2).encode(), json.dumps({**_V2, "parameters": {"x": [1]}}).encode()]


def binary() -> list[bytes]:
    """V2 requests with binary tensors, after the length of their JSON."""
    found = []
    for dtype, size in (("FP64", "<f8"), ("FP32", "<f4"), ("INT64", "<i8")):
        inputs = [
            {
                "name": name,
                "shape": [2],
                "datatype": dtype,
                "parameters": {"binary_data_size": 2 * int(size[2])},
            }
            for name in ("a", "b")
        ]
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        body = np.array([1, 2], dtype=size).tobytes() + np.array([3, 4], dtype=size).tobytes()
        found.append(struct.pack(">H", len(head)) + head + body)
    return found


@cache
def pixels() -> list[bytes]:
    """V2 requests about a picture: its pixels in JSON and in binary, and its file in binary."""
    small = shot(scene(1, 64, 64))
    described = {"name": "picture", "shape": list(small.shape), "datatype": "UINT8"}
    names = [{"name": "camera", "shape": [1], "datatype": "BYTES", "data": ["yard-1"]},
             {"name": "firmware", "shape": [1], "datatype": "BYTES", "data": ["1"]}]  # fmt: skip
    in_json = json.dumps({"inputs": [{**described, "data": small.ravel().tolist()}, *names]}).encode()
    found = [struct.pack(">H", 0) + in_json]
    file = pictures()[0]
    framed = struct.pack("<I", len(file)) + file
    for tensor, content in (
        (described, small.tobytes()),
        ({**described, "shape": [2, *small.shape]}, small.tobytes() * 2),
        ({"name": "picture", "shape": [1], "datatype": "BYTES"}, framed),
    ):
        sized = {**tensor, "parameters": {"binary_data_size": len(content)}}
        rows = tensor["shape"][0] if len(tensor["shape"]) == 4 else 1
        others = [{**each, "shape": [rows], "data": each["data"] * rows} for each in names]
        head = json.dumps({"inputs": [*others, sized]}).encode()
        found.append(struct.pack(">H", len(head)) + head + content)
    return found


def labels() -> list[bytes]:
    """Labels."""
    entry = {"request_id": "r1", "label": 4.5, "observed_at": "2018-07-01T12:00:00Z"}
    return [json.dumps([entry]).encode(), json.dumps([entry, {**entry, "label": "paid"}]).encode()]


def figures() -> list[bytes]:
    """Business figures."""
    return [json.dumps([{"metric": "refunds", "value": 3.5, "at": "2018-07-01T12:00:00Z"}]).encode()]


@cache
def pictures() -> list[bytes]:
    """Pictures in each format."""
    import cv2

    frame = shot(scene(1, 96, 128))
    others = [bytes(cv2.imencode(kind, frame)[1]) for kind in (".png", ".webp")]
    return [jpeg(frame), *others, jpeg(frame, 30)]


def forms() -> list[bytes]:
    """A picture in a form, as browsers send it."""
    head = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    part = b'--edge\r\ncontent-disposition: form-data; name="camera"\r\n\r\nyard-2\r\n'
    return [part + head + picture + b"\r\n--edge--\r\n" for picture in pictures()]


_WRITTEN = [request(number, rows=1 + number % 2) for number in range(6)]
_IDS = {records.id_of(place) for records in _WRITTEN for place in range(len(records))}


@cache
def segments() -> list[bytes]:
    """A segment that is being written, and one that was closed."""
    encode, found = Encoder(REGRESSION), []
    with tempfile.TemporaryDirectory() as folder:
        for closed in (False, True):
            segment = Segment(Path(folder) / f"{closed}.arrow", encode.arrow)
            for start in range(0, 6, 2):
                segment.write(encode(_WRITTEN[start : start + 2]))
            segment.close() if closed else segment._file.close()
            found.append(segment.path.read_bytes())
    return found


@cache
def sealed() -> list[bytes]:
    """Sealed files of some sizes. The kept cases have no checksum: each costs a process that tries it."""
    found = []
    for count in range(1, len(_WRITTEN) + 1):
        with tempfile.TemporaryDirectory() as folder:
            writer = LogWriter(Path(folder), REGRESSION, PATIENT)
            for records in _WRITTEN[:count]:
                writer.append(records)
            writer.close()
            (path,) = Path(folder).glob("*.parquet")
            found.append(path.read_bytes())
    return found


def logged(suffix: str) -> Callable[[bytes], int]:
    """Return what reads a log that holds these bytes: the reader, the follower, DuckDB and the sealer.

    What has checksums gives no row that was not written; a sealed file without any may say what it likes.
    """

    def run(data: bytes) -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"20180301T000000.000000-host-1-0{suffix}"
            path.write_bytes(data)
            problems: list[str] = []
            found = read(path.parent, on_problem=problems.append)
            believed = suffix == ".arrow" or _checked(path)
            if believed and found.num_rows:
                assert set(found["request_id"].to_pylist()) <= _IDS
            followed = sum(
                piece.table.num_rows for piece in Follower([path.parent], on_problem=problems.append).poll()
            )
            if suffix == ".parquet":
                _count(path.parent)
            if believed:
                assert followed <= sum(len(records) for records in _WRITTEN)
            LogWriter(path.parent, REGRESSION, PATIENT).close()  # opens, and seals what it finds
            return found.num_rows

    return run


def _checked(path: Path) -> bool:
    try:
        return parquet.check(path)
    except LogError:
        return False


def _count(directory: Path) -> None:
    """Have DuckDB read every value of a log."""
    with parquet_of_log(directory) as files:
        if files:
            try:
                duckdb.from_parquet([str(file.path) for file in files]).fetchall()
            except duckdb.Error:  # a type it has no name for
                return


def _admit(data: bytes) -> int:
    try:
        return pair().gate.contract.admit(data, 0.0).count
    except PayloadError:
        return 0


def snapshots() -> list[bytes]:
    """A health snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        health.save(health.Health("pair", at=1.0, until=2.0, holds=(health.Held("a", "a1"),)), Path(folder))
        return [(Path(folder) / "pair" / health.NAME).read_bytes()]


def _snapshot(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / health.NAME
        path.write_bytes(data)
        found = health.load(path)
        return found is not None and found.stale(1.5)


TARGETS = {
    target.name: target
    for target in (
        Target("contract", rows, _admit),
        Target("predict", rows, asked(pair, "/predict", _JSON)),
        Target("v2", tensors, asked(pair, "/v2/models/pair/infer", _JSON)),
        Target("v2_binary", binary, asked(pair, "/v2/models/pair/infer", prefixed=True)),
        Target("pixels", pixels, asked(yards, "/v2/models/yard/infer", prefixed=True)),
        Target("labels", labels, asked(pair, "/labels", _JSON)),
        Target("figures", figures, asked(pair, "/metrics-business", _JSON)),
        Target("picture", pictures, asked(yards, "/predict", _JPEG, *_CAMERA)),
        Target(
            "form",
            forms,
            asked(yards, "/predict", _FORM, *_CAMERA),
        ),
        Target("segment", segments, logged(".arrow")),
        Target("sealed", sealed, logged(".parquet")),
        Target("health", snapshots, _snapshot),
    )
}
