"""A small picture beside a kept frame's trace: only where declared, bounded, and off the request's thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import cv2
import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from tests.frames import jpeg, scene, shot
from tests.serving.server import serving
from wardline import Chain, Gate, Rule, Settings
from wardline.camera import Frame, Frames, frame_features
from wardline.camera.frame import Picture
from wardline.errors import DeclarationError
from wardline.fields import Pii
from wardline.record import Records
from wardline.serving import app
from wardline.settings import TraceSettings
from wardline.tracing import frames as kept_frames
from wardline.tracing.frames import ATTRIBUTE, picture
from wardline.tracing.read import traces
from wardline.tracing.trace import Trace

PAINTED = scene(3)
WHO = {"camera": "north", "firmware": "1.2"}
ALL = TraceSettings(sample=1.0)


def yard(**given: Any) -> Gate:
    return Gate(
        "yard", contract=Frames(Frame, examples=[WHO], **given), features=frame_features(Frame),
        chain=Chain(Rule(lambda row: 1.0)),
    )  # fmt: skip


def frame(seed: int = 0, camera: str = "north") -> dict[str, Any]:
    return {"picture": jpeg(shot(PAINTED, seed)), "camera": camera, "firmware": "1.2"}


def answered(
    home: Path, *payloads: Any, gate: Gate | None = None, settings: TraceSettings = ALL
) -> list[Trace]:
    gate = gate or yard(thumbnails=True)
    gate.open(Settings(home=home, traces=settings))
    for payload in payloads:
        gate.batch(payload)
    gate.close()
    return list(traces(home / "yard" / "traces"))


def likeness(found: bytes | None, pixels: Any) -> float:
    """Correlate a kept picture with a frame."""
    assert found is not None
    small = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_GRAYSCALE)
    whole = cv2.resize(
        cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), small.shape[::-1], interpolation=cv2.INTER_AREA
    )
    return float(np.corrcoef(small.ravel(), whole.ravel())[0, 1])


def test_a_kept_frame_is_there_to_be_seen(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, frame(5))
    found = picture(tmp_path / "yard" / "traces", trace.root.attributes[ATTRIBUTE])
    assert likeness(found, shot(PAINTED, 5)) > 0.9
    assert len(found or b"") < 16_000
    assert trace.root.attributes[ATTRIBUTE] == f"{trace.trace_id}-{trace.root.span_id}.jpg"


def test_nothing_is_kept_where_that_was_not_declared(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, frame(), gate=yard())
    assert ATTRIBUTE not in trace.root.attributes
    assert not (tmp_path / "yard" / "traces" / "frames").exists()


def test_an_operator_may_say_no(tmp_path: Path) -> None:
    none = TraceSettings(sample=1.0, thumbnails_mb=0)
    (trace,) = answered(tmp_path, frame(), settings=none)
    assert ATTRIBUTE not in trace.root.attributes
    assert Settings.from_env({"WARDLINE_TRACES_THUMBNAILS_MB": "0"}).traces.thumbnails_mb == 0


class Face(Frame):
    picture: Annotated[Picture, Pii("drop")]


def test_a_personal_picture_cannot_be_declared_to_be_kept() -> None:
    Frames(Face, examples=[WHO])
    with pytest.raises(DeclarationError, match="personal"):
        Frames(Face, examples=[WHO], thumbnails=True)


def test_a_frame_that_is_not_kept_leaves_no_picture(tmp_path: Path) -> None:
    assert answered(tmp_path, frame(), settings=TraceSettings(sample=0, slowest=0)) == []
    assert not (tmp_path / "yard" / "traces").exists()


def test_a_frame_that_broke_its_contract_has_none(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {**frame(), "picture": b"GIF89a"})
    assert ATTRIBUTE not in trace.root.attributes


def test_of_a_batch_the_sternest_is_shown(tmp_path: Path) -> None:
    (trace,) = answered(tmp_path, {"rows": [frame(1), frame(2)]})
    found = picture(tmp_path / "yard" / "traces", trace.root.attributes[ATTRIBUTE])
    assert likeness(found, shot(PAINTED, 1)) > 0.9


def test_the_picture_is_encoded_by_another_thread_and_holds_nothing_of_the_frame(tmp_path: Path) -> None:
    gate = yard(thumbnails=True)
    opened = gate.open(Settings(home=tmp_path, traces=ALL))
    tracer = opened.tracer
    assert tracer is not None
    assert tracer._pictures is not None
    encoders: list[int] = []
    encode = tracer._pictures.encode
    tracer._pictures = tracer._pictures._replace(
        encode=lambda small: (encoders.append(threading.get_ident()), encode(small))[1]
    )
    with tracer._turn:  # the thread is held up
        gate(frame())
        (waiting,) = tracer._queue
        assert waiting.small.size <= 16_000 * 3 * 1.2
        assert waiting.small.base is None  # no view of the whole picture
        assert encoders == []
    gate.close()
    assert encoders
    assert threading.get_ident() not in encoders


def test_no_more_pictures_wait_than_may(tmp_path: Path) -> None:
    gate = yard(thumbnails=True)
    tracer = gate.open(Settings(home=tmp_path, traces=ALL)).tracer
    assert tracer is not None
    payload = frame()
    with tracer._turn:
        for _ in range(70):
            gate(payload)
        assert sum(waiting.small is not None for waiting in tracer._queue) == 64
    gate.close()
    found = list(traces(tmp_path / "yard" / "traces"))
    assert len(found) == 70
    assert sum(ATTRIBUTE in trace.root.attributes for trace in found) == 64
    assert tracer._room._value == 64  # all the room came back


def test_pictures_are_bounded_in_size_and_age(tmp_path: Path) -> None:
    now = [1_600_000_000.0]
    store = kept_frames.Frames(tmp_path, keep_mb=0.1, keep_days=1, clock=lambda: now[0])
    for i in range(300):
        store.write(f"{i:032x}", "a" * 16, b"x" * 100)
    store.prune()
    whole = [path.stat().st_size for path in (tmp_path / "frames").glob("*.jpg")]
    assert sum(whole) == 30_000
    for i in range(300):
        store.write(f"{i:032x}", "b" * 16, b"x" * 1000)
        assert sum(path.stat().st_size for path in (tmp_path / "frames").glob("*.jpg")) < 0.1 * 2**20 + 64_000
    store.prune()
    assert sum(path.stat().st_size for path in (tmp_path / "frames").glob("*.jpg")) <= 0.1 * 2**20
    now[0] = 1e10
    store.prune()
    assert list((tmp_path / "frames").glob("*.jpg")) == []


def test_a_disk_that_refuses_costs_the_picture_only(tmp_path: Path) -> None:
    (tmp_path / "yard" / "traces").mkdir(parents=True)
    (tmp_path / "yard" / "traces" / "frames").write_text("a file where the folder should be")
    (trace,) = answered(tmp_path, frame())
    assert ATTRIBUTE not in trace.root.attributes


@pytest.mark.parametrize("name", ["../../secret.jpg", "", None, 3, "a" * 32 + ".jpg", "/etc/passwd"])
def test_a_name_that_is_none_of_ours_is_not_opened(tmp_path: Path, name: object) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "traces" / "frames").mkdir(parents=True)
    assert picture(tmp_path / "traces", name) is None


@contextmanager
def pages(home: Path) -> Iterator[tuple[httpx.Client, Gate]]:
    gate = yard(thumbnails=True)
    with serving(app(gate, Settings(home=home, traces=ALL))) as client:
        yield client, gate


def test_the_page_shows_it_and_leads_to_the_neighbours_of_its_camera(tmp_path: Path) -> None:
    with pages(tmp_path) as (client, gate):
        headers = {"content-type": "image/jpeg", "x-camera-firmware": "1"}
        for place, camera in enumerate(("north", "south", "north", "south", "north")):
            body = jpeg(shot(PAINTED, place))
            reply = client.post("/predict", content=body, headers={**headers, "x-camera-id": camera})
            assert reply.status_code == 200, reply.text
        gate.open().tracer.flush()  # type: ignore[union-attr] # a served gate has one
        of_north = [
            t for t in traces(tmp_path / "yard" / "traces") if t.root.attributes["wardline.camera"] == "north"
        ]
        assert len(of_north) == 3
        newest, middle, oldest = of_north
        text = client.get(f"/ui/traces/{middle.trace_id}").text
        assert 'src="data:image/jpeg;base64,' in text
        assert "older of camera north" in text
        assert f"/ui/traces/{oldest.trace_id}" in text
        assert f"/ui/traces/{newest.trace_id}" in text


def test_the_terminal_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from guards.leaf import gate as leaf
    from wardline.cli import cli

    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    leaf.close()
    leaf.open(Settings(home=tmp_path, traces=ALL))
    leaf({"picture": jpeg(shot(PAINTED)), **WHO})
    leaf.close()
    (trace,) = traces(tmp_path / "leaf" / "traces")
    text = CliRunner().invoke(cli, ["traces", "guards.leaf", trace.trace_id]).stdout
    shown = text.split("the frame, made small: ")[1].split("\n")[0]
    assert Path(shown).read_bytes()[:2] == b"\xff\xd8"


def test_records_that_are_no_frames_have_no_picture(tmp_path: Path) -> None:
    gate = yard(thumbnails=True)
    tracer = gate.open(Settings(home=tmp_path, traces=ALL)).tracer
    assert tracer is not None
    empty = Records.begin(gate.contract.admit_rows([{"picture": b"x"}]), 0, "id", "a" * 32)
    assert tracer._glimpse(empty, ()) is None
    gate.close()
