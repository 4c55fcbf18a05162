"""The edge loop: sources that end, stall and lie, a model that is slow, a network that is away."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from guards.leaf import gate as leaf
from tests.waiting import until
from wardline import Chain, Gate, LogSettings, Rule, Settings, health
from wardline.camera import Frame, Frames, frame_features
from wardline.camera.sources import Capture, Folder, Shot, SourceError, source_of
from wardline.cli import cli
from wardline.cli.beside import monitored
from wardline.edge import Loop, Slot
from wardline.log import read
from wardline.testing import MemorySink

RNG = np.random.default_rng(5)
PHOTOS = Path(__file__).parents[1] / "models" / "leaf" / "data" / "photos"


def scene(seed: int) -> Any:
    noise = np.random.default_rng(seed).normal(0, 8, (96, 128, 3))
    return np.clip(np.linspace(40, 200, 128)[None, :, None] + noise, 0, 255).astype(np.uint8)


def counting(answer: Callable[[Frame], float] = lambda _: 1.0, **limits: Any) -> Gate:
    def rule(frame: Frame) -> float:
        return answer(frame)

    return Gate(
        "edge", contract=Frames(Frame, examples=[{"camera": "a", "firmware": "1"}], **limits),
        features=frame_features(Frame), chain=Chain(Rule(rule)),
    )  # fmt: skip


class Flaky:
    """A live source that breaks off after every two frames, and then is gone for good."""

    live = True

    def __init__(self, breaks: int, done: Callable[[], Any]) -> None:
        self.opened, self._breaks, self._done = 0, breaks, done

    def frames(self, stop: Callable[[], bool]) -> Iterator[Shot]:
        self.opened += 1
        if self.opened > self._breaks:
            self._done()
            return
        for number in range(2):
            yield Shot(scene(10 * self.opened + number), f"{self.opened}.{number}")
        raise SourceError("the cable is out")


def test_a_folder_is_watched_to_its_end_and_every_frame_is_answered(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), scene(number))
    loop = Loop(counting(), Folder(tmp_path), Settings(home=tmp_path), "a", "1", drop="wait")
    names = [shot.name for shot, verdict in loop.run() if shot is not None and verdict is not None]
    assert names == [f"{number}.jpg" for number in range(5)]
    assert (loop.status.frames, loop.status.dropped, loop.status.state) == (5, 0, "ended")


def test_a_live_source_that_breaks_off_is_opened_again(tmp_path: Path) -> None:
    stop: list[Callable[[], None]] = []
    source = Flaky(2, lambda: [each() for each in stop])
    loop = Loop(counting(), source, Settings(home=tmp_path), "a", "1", drop="wait", backoff_s=0.01)
    stop.append(loop.stop)
    frames = sum(shot is not None for shot, _ in loop.run())
    assert (frames, source.opened) == (4, 3)
    assert loop.status.reconnects >= 2
    assert loop.status.last == "the cable is out"


@pytest.mark.parametrize(("drop", "kept", "dropped"), [("oldest", ["3", "4"], 3), ("newest", ["0", "1"], 3)])
def test_when_the_gate_is_slower_frames_give_by_the_declared_policy(
    drop: Any, kept: list[str], dropped: int
) -> None:
    slot = Slot(2, drop)
    for number in range(5):
        slot.put(Shot(b"", str(number)))
    slot.close()
    taken = [slot.take(0.0), slot.take(0.0)]
    assert ([shot.name for shot in taken if shot is not None], slot.dropped) == (kept, dropped)


def test_a_patient_source_waits_for_room_and_loses_nothing() -> None:
    slot = Slot(1, "wait")
    feeder = threading.Thread(target=lambda: [slot.put(Shot(b"", str(n))) for n in range(20)])
    feeder.start()
    taken = [slot.take(120.0) for _ in range(20)]
    feeder.join(120.0)
    assert [shot.name for shot in taken if shot is not None] == [str(n) for n in range(20)]
    assert (slot.dropped, len(slot)) == (0, 0)


class Silent:
    live = True

    def frames(self, stop: Callable[[], bool]) -> Iterator[Shot]:
        yield Shot(scene(1), "one")
        threading.Event().wait(0.6)


def test_silence_is_told_as_a_stall(tmp_path: Path) -> None:
    loop = Loop(counting(), Silent(), Settings(home=tmp_path), "a", "1", stall_s=0.1)
    for _ in loop.run():
        if loop.status.stalls:
            loop.stop()
    assert loop.status.stalls == 1


def ids_at(store: Path) -> list[str]:
    files = sorted(store.rglob("*.parquet"))
    return sorted(each for file in files for each in pq.read_table(file)["request_id"].to_pylist())


def test_records_are_kept_while_the_network_is_away_and_forwarded_when_it_is_back(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), scene(1))
    away = tmp_path / "share"
    away.write_text("no folder: the share is not mounted")
    home = tmp_path / "home" / "edge"

    def watched() -> Loop:
        settings = Settings(home=tmp_path / "home", log=LogSettings(segment_s=0.01))
        loop = Loop(counting(), Folder(tmp_path), settings, "a", "1", drop="wait", forward=str(away))
        list(loop.run())
        return loop

    assert watched().status.forwarded == 0
    assert list((home / "records").glob("*.parquet"))
    (home / "alerts.jsonl").write_text("{}\n")
    away.unlink()
    loop = watched()
    sent = list((away / "gate=edge").rglob("*"))
    assert loop.status.forwarded == sum(each.is_file() for each in sent) >= 3
    assert ids_at(away) == sorted(read(home / "records")["request_id"].to_pylist())
    assert len(ids_at(away)) == 2
    (home / "alerts.jsonl").write_text("{}\n{}\n")
    watched()
    assert (away / "gate=edge" / "alerts.jsonl").read_text() == "{}\n{}\n"


ENDLESS = """
import itertools, sys, time
from pathlib import Path
from tests.test_edge import Shot, counting, scene
from wardline import LogSettings, Settings
from wardline.edge import Loop

class Endless:
    live = True
    def frames(self, stop):
        for number in itertools.count():
            yield Shot(scene(number), str(number))
            time.sleep(0.01)

home, away = map(Path, sys.argv[1:])
settings = Settings(home=home, log=LogSettings(segment_s=0.05, flush_s=0.01))
for _ in Loop(counting(), Endless(), settings, "a", "1", forward=str(away)).run():
    pass
"""


def test_a_loop_that_is_killed_while_it_forwards_loses_and_doubles_nothing(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "share"
    command = [sys.executable, "-c", ENDLESS, str(home), str(away)]
    loop = subprocess.Popen(command, cwd=PHOTOS.parents[3], stderr=subprocess.PIPE)
    try:
        until(lambda: len(list(away.rglob("*.parquet"))) > 3)
    finally:
        loop.kill()
        loop.communicate()
    cv2.imwrite(str(tmp_path / "last.jpg"), scene(1))
    list(
        Loop(
            counting(), Folder(tmp_path), Settings(home=home), "a", "1", drop="wait", forward=str(away)
        ).run()
    )
    kept = sorted(read(home / "edge" / "records")["request_id"].to_pylist())
    assert len(kept) == len(set(kept)) > 10
    assert ids_at(away) == kept


def test_an_unknown_camera_is_enrolled_by_its_first_frames(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for number in range(42):
        cv2.imwrite(str(tmp_path / f"{number:02}.jpg"), scene(number))
    loop = Loop(counting(), Folder(tmp_path), Settings(home=home), "new", "1", drop="wait")
    list(loop.run())
    known = json.loads((home / "edge" / "cameras.json").read_text())
    assert list(known) == ["new"]
    assert len(json.dumps(known)) < 16 * 1024


def test_a_camera_whose_repeats_are_refused_is_enrolled_all_the_same(tmp_path: Path) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), scene(number))
    gate = counting(repeats="refuse")
    loop = Loop(gate, Folder(tmp_path), Settings(home=tmp_path / "home"), "new", "1", drop="wait")
    list(loop.run())
    assert (loop.status.frames, loop.status.enrolled) == (2, 2)


def test_nothing_keeps_a_frame_once_it_is_answered(tmp_path: Path) -> None:
    """A writer that is behind may hold thousands of rows: never their pictures."""
    gate = counting(lambda frame: held.append(weakref.ref(frame.pixels)) or 1.0)  # type: ignore[func-returns-value]
    held: list[weakref.ref[Any]] = []
    with gate.open(sink=(sink := MemorySink())).gate:
        for number in range(3):
            gate(
                {"picture": cv2.imencode(".png", scene(number))[1].tobytes(), "camera": "a", "firmware": "1"}
            )
        gc.collect()
        assert len(sink.records) >= 3
        assert [ref() is None for ref in held[-3:]] == [True] * 3


class Clock:
    """A tenth of a second at each look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_the_rate_is_counted_and_never_what_the_source_says_of_itself(tmp_path: Path) -> None:
    file = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(file, cv2.VideoWriter_fourcc(*"MJPG"), 240, (128, 96))  # it says 240 a second
    for number in range(6):
        writer.write(scene(number))
    writer.release()
    loop = Loop(counting(), source_of(file), Settings(home=tmp_path), "a", "1", drop="wait", clock=Clock())
    list(loop.run())
    assert loop.status.frames == 6
    assert 0 < loop.status.rate < 11


class Broken:
    """What OpenCV gives for a stream that opens and then has nothing."""

    def __init__(self, *_: Any) -> None:
        self.left = 3

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (True, scene(self.left)) if self.left >= 0 else (False, None)

    def release(self) -> None: ...


def test_the_end_of_a_stream_is_a_fault_and_the_end_of_a_file_its_end() -> None:
    with pytest.raises(SourceError, match="after 3 frames"):
        list(Capture("rtsp://x", open=Broken).frames(lambda: False))
    assert len(list(Capture("x.avi", live=False, open=Broken).frames(lambda: False))) == 3


def test_a_video_file_is_read_by_the_real_decoder(tmp_path: Path) -> None:
    file = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(file, cv2.VideoWriter_fourcc(*"MJPG"), 5, (128, 96))
    for number in range(6):
        writer.write(scene(number))
    writer.release()
    assert len(list(source_of(file).frames(lambda: False))) == 6


def test_watch_prints_a_line_a_frame_and_a_summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    leaf.close()
    options = ["watch", "guards.leaf", "--source", str(PHOTOS), "--camera", "field-1", "--firmware", "1.0"]
    result = CliRunner().invoke(cli, [*options, "--format", "json"])
    lines = [json.loads(line) for line in result.output.splitlines()]
    lines = [line for line in lines if "event" not in line]
    assert lines[-1]["summary"]["frames"] == len(lines) - 1 == 20
    assert result.exit_code == (1 if lines[-1]["summary"]["blocked"] else 0)
    table = CliRunner().invoke(cli, options)
    assert "frames" in table.output
    wrong = CliRunner().invoke(cli, ["watch", "guards.taxi", "--source", str(PHOTOS), "--camera", "a"])
    assert wrong.exit_code == 2
    assert "not over frames" in wrong.output


def test_the_monitor_runs_in_the_same_process_and_names_the_camera_that_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frames, home = tmp_path / "frames", tmp_path / "home"
    frames.mkdir()
    photos = sorted(PHOTOS.rglob("*.jpg"))
    for number in range(24):  # from the thirteenth frame on somebody's proxy compresses them again
        picture = cv2.imread(str(photos[number % len(photos)]))
        quality = 95 if number < 12 else 30
        cv2.imwrite(str(frames / f"{number:02d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    monkeypatch.setenv("WARDLINE_HOME", str(home))
    leaf.close()
    options = ["watch", "guards.leaf", "--source", str(frames), "--camera", "field-1", "--firmware", "1.0"]
    result = CliRunner().invoke(cli, [*options, "--format", "json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    fired = next(line["event"] for line in lines if "event" in line and line["event"]["to"] == "firing")
    assert fired["alert"]["signals"] == ["camera.codec.requantised/camera=field-1"]
    assert (fired["alert"]["owner"], fired["alert"]["runbook"]) == ("crop-ml", "docs/runbooks/leaf.md")
    kept = (home / "leaf" / "alerts.jsonl").read_text().splitlines()
    assert fired in [json.loads(line) for line in kept]
    told = health.load(home / "leaf" / health.NAME)
    assert told is not None
    assert (told.records, told.alerts["firing"]) == (24, 1)
    assert "firing: camera.codec" in " ".join(lines[-1]["summary"]["alerts"])

    quiet = CliRunner().invoke(cli, [*options, "--no-monitor"])
    assert "no alerts" in quiet.output


def test_a_home_that_is_monitored_already_keeps_its_monitor(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with monitored(leaf, settings, id) as why:
        assert why == ""
        with monitored(leaf, settings, id) as other:
            assert "already works" in other
    with monitored(counting(), settings, id) as none:
        assert "no reference" in none
