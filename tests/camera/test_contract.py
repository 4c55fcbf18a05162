"""The frame contract: what is refused, how, and what never happens however broken the bytes are."""

from __future__ import annotations

import base64
import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline import Timestamp
from wardline.camera import Frame, Frames, Limits
from wardline.errors import DeclarationError, PayloadError

BAD = Path(__file__).parents[2].parent / "shared" / "data" / "bad_images"
WHO = {"camera": "north", "firmware": "1.2"}
RNG = np.random.default_rng(1)
SCENE = np.clip(np.linspace(30, 220, 160)[None, :, None] + RNG.normal(0, 9, (120, 160, 3)), 0, 255).astype(
    np.uint8
)


def written(extension: str = ".jpg", pixels: Any = SCENE, *options: int) -> bytes:
    return cv2.imencode(extension, pixels, list(options))[1].tobytes()


JPEG = written()
CONTRACT = Frames(Frame, examples=[WHO])


def reasons(payload: Any, contract: Frames = CONTRACT, now: float | None = None) -> list[str]:
    return [finding.reason for finding in contract.admit(payload, now).rejects.get(0, ())]


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_a_whole_picture_of_each_format_is_admitted_and_decoded_once(extension: str) -> None:
    admitted = CONTRACT.admit({"picture": written(extension), **WHO})
    assert admitted.rejects == {}
    assert admitted.rows[0].pixels.shape == SCENE.shape
    assert (admitted.camera, admitted.firmware) == ("north", "1.2")
    assert admitted.rows[0].pixels is admitted.rows[0].pixels


def test_pixels_base64_and_bytes_are_the_same_frame() -> None:
    text = base64.b64encode(JPEG).decode()
    assert reasons(json.dumps({"picture": text, **WHO})) == []
    assert reasons({"picture": SCENE, **WHO}) == []
    batch = CONTRACT.admit({"rows": [{"picture": JPEG, **WHO}, {"picture": b"GIF89a", **WHO}]})
    assert (batch.count, list(batch.rejects)) == (2, [1])


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"picture": b"", **WHO}, ["contract.format"]),
        ({"picture": b"GIF89a" + bytes(99), **WHO}, ["contract.format"]),
        ({"picture": JPEG[: len(JPEG) // 2], **WHO}, ["contract.truncated"]),
        ({"picture": JPEG[:100], **WHO}, ["contract.damaged"]),
        ({"picture": written(".png", np.zeros((80, 80, 4), np.uint8)), **WHO}, ["contract.colour"]),
        ({"picture": written(".png", SCENE.astype(np.uint16) * 256), **WHO}, ["contract.colour"]),
        ({"picture": written(pixels=SCENE[:50]), **WHO}, ["contract.small"]),
        ({"picture": SCENE[..., :2], **WHO}, ["contract.colour"]),
        ({"picture": "no base64!", **WHO}, ["contract.type"]),
        ({"picture": JPEG}, ["contract.missing", "contract.missing"]),
        ({"picture": JPEG[:100]}, ["contract.damaged", "contract.missing", "contract.missing"]),
        (WHO, ["contract.missing"]),
    ],
)
def test_each_fault_has_its_reason_and_all_are_told_at_once(payload: Any, expected: list[str]) -> None:
    assert reasons(payload) == expected


def test_limits_are_judged_on_the_header_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardline.camera.contract.decode", lambda *_: pytest.fail("decoded"))
    bomb = bytearray(written(pixels=np.zeros((64, 64, 3), np.uint8)))
    place = bomb.index(b"\xff\xc0") + 5
    bomb[place : place + 4] = (16_000).to_bytes(2, "big") * 2
    assert reasons({"picture": bytes(bomb), **WHO}) == ["contract.size"]
    bomb[place : place + 4] = (5_000).to_bytes(2, "big") * 2
    assert reasons({"picture": bytes(bomb), **WHO}) == ["contract.decompression"]
    small = Frames(Frame, examples=[WHO], limits=Limits(most_bytes=500))
    assert reasons({"picture": JPEG, **WHO}, small) == ["contract.size"]


@pytest.mark.parametrize(("shape", "reason"), [((24, 32, 3), "small"), ((20, 200_000, 3), "size")])
def test_pixels_are_held_to_the_limits_of_files(shape: tuple[int, ...], reason: str) -> None:
    assert f"contract.{reason}" in reasons({"picture": np.zeros(shape, np.uint8), **WHO})


def exif(*entries: tuple[int, str]) -> bytes:
    """Make a metadata block of texts."""
    count, texts, directory = len(entries), b"", b""
    for tag, text in entries:
        value = text.encode() + b"\x00"
        place = 8 + 2 + 12 * count + 4 + len(texts)
        directory += tag.to_bytes(2, "little") + b"\x02\x00" + len(value).to_bytes(4, "little")
        directory += place.to_bytes(4, "little")
        texts += value
    block = b"II*\x00\x08\x00\x00\x00" + count.to_bytes(2, "little") + directory + bytes(4) + texts
    body = b"Exif\x00\x00" + block
    return JPEG[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + JPEG[2:]


class Timed(Frame):
    taken_at: Annotated[datetime, Timestamp(max_age_s=3600, zone="UTC")]


def test_identity_and_time_come_from_exif_where_the_caller_is_silent() -> None:
    contract = Frames(Timed, examples=[{**WHO, "taken_at": "2024-05-01T10:00:00+00:00"}])
    picture = exif((0x10F, "Acme"), (0x110, "Cam 3"), (0x131, "fw 7"), (0x9003, "2024:05:01 10:00:00"))
    taken = datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp()
    admitted = contract.admit(picture, taken + 60)
    assert (admitted.camera, admitted.firmware) == ("Acme Cam 3", "fw 7")
    assert reasons(picture, contract, taken + 7200) == ["contract.stale"]
    assert reasons({"picture": picture, "camera": "north"}, contract) == []


def test_a_repeated_picture_is_refused_only_where_that_was_declared() -> None:
    live = Frames(Frame, examples=[WHO], repeats="refuse")
    frame, other = {"picture": JPEG, **WHO}, {"picture": JPEG, **WHO, "camera": "south"}
    assert [reasons(each, live) for each in (frame, other, frame)] == [[], [], ["contract.repeated"]]
    assert [reasons(frame), reasons(frame)] == [[], []]
    assert reasons(frame, live.afresh()) == []  # golden pictures come again and again
    assert reasons(frame, live) == ["contract.repeated"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_happens_to_a_picture_it_is_refused_or_admitted(data: st.DataObject) -> None:
    broken = bytearray(data.draw(st.sampled_from([JPEG, written(".png"), written(".webp")])))
    for _ in range(data.draw(st.integers(0, 6))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 700)))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    try:
        admitted = CONTRACT.admit({"picture": cut, **WHO})
    except PayloadError:
        return
    assert len(admitted.rows) + len(admitted.rejects) == 1


@pytest.mark.skipif(not BAD.is_dir(), reason="the malformed files lie beside the repository, and do not")
def test_every_malformed_file_is_refused_and_odd_ones_that_decode_are_measured() -> None:
    rows = list(csv.DictReader((BAD / "index.csv").read_text().splitlines()))
    assert len(rows) > 80
    for row in rows:
        data = (BAD / row["file"]).read_bytes()
        assert reasons({"picture": data}), row["file"]  # nothing says who took it, or it is broken
        found = reasons({"picture": data, **WHO})
        assert found or row["class"] == "decodes", row["file"]


def test_a_contract_over_what_is_no_frame_is_refused_when_declared() -> None:
    with pytest.raises(DeclarationError, match="no Frame"):
        Frames(dict, examples=[WHO])  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="formats"):
        Limits(formats=("gif",))
