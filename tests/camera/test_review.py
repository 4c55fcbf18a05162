"""Folders of frames: what is normal, what differs, from which frame on and until when."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.frames import Frame, jpeg, scene, shot
from wardline.camera.events import Review, explained, tree
from wardline.camera.folder import Refused, Seen, camera_of, frames, listed
from wardline.camera.grouping import groups, header_runs, majority
from wardline.camera.review import review

COUNT, AT, BACK = 30, 18, 26
PAINTED = scene(3, 240, 320)


def taken(index: int) -> Frame:
    """Take frame `index` of one yard: light wanders, nothing else happens."""
    return shot(PAINTED, index, light=1.0 + 0.08 * np.sin(index / 4))


def noisy(frame: Frame) -> Frame:
    rng = np.random.default_rng(int(frame.sum()) % 2**31)
    return np.clip(frame + rng.normal(0, 8, frame.shape), 0, 255).astype(np.uint8)


def folder(path: Path, change: Callable[[Frame], bytes] = jpeg, until: int = COUNT) -> Path:
    path.mkdir(parents=True)
    for index in range(COUNT):
        made = (change if AT <= index < until else jpeg)(taken(index))
        (path / f"yard_2026_05_{index + 1:02d}_120000.jpg").write_bytes(made)
    return path


def reviewed(path: Path, reference: Path | None = None) -> Review:
    normal = [] if reference is None else [
        each for each in frames(reference, listed(reference)) if isinstance(each, Seen)
    ]  # fmt: skip
    return review(list(frames(path, listed(path))), normal)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("frames") / "clean")


def test_an_unchanged_camera_is_ok_with_and_without_a_reference(clean: Path) -> None:
    assert (reviewed(clean).verdict, reviewed(clean).events) == ("ok", [])
    assert reviewed(clean, clean).verdict == "ok"


def test_a_re_encode_is_told_at_its_first_frame_and_when_it_ended(tmp_path: Path) -> None:
    told = tree(reviewed(folder(tmp_path / "a", lambda frame: jpeg(frame, 60), BACK)))
    (event,) = told["events"]
    assert told["verdict"] == "alert"
    assert (event["kind"], event["index"], event["until_index"]) == ("codec.requantised", AT, BACK)
    assert event["file"] == f"yard_2026_05_{AT + 1:02d}_120000.jpg"
    assert (event["at"], event["until"]) == ("2026-05-19T12:00:00", "2026-05-27T12:00:00")
    assert [each["frames"] for each in told["groups"]] == [COUNT - BACK + AT, BACK - AT]


def test_one_re_encoded_frame_is_enough(tmp_path: Path) -> None:
    (event,) = reviewed(folder(tmp_path / "a", lambda frame: jpeg(frame, 60), AT + 1)).events
    assert (event.kind, event.place, event.stop) == ("codec.requantised", AT, AT + 1)


def test_a_change_goes_on_after_one_frame_that_shows_yet_another(tmp_path: Path) -> None:
    def saved(frame: Frame) -> bytes:
        later = np.array_equal(frame, taken(AT + 3))
        return jpeg(frame, 60, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if later else ())

    found = reviewed(folder(tmp_path / "a", saved)).events
    assert [(each.place, each.stop) for each in found] == [(AT, COUNT), (AT + 3, AT + 4)]
    assert {each.kind for each in found} == {"codec.requantised"}


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (noisy, {"sensor.noise"}),
        (lambda frame: cv2.GaussianBlur(frame, (0, 0), 1.6), {"optics.focus", "geometry.resolution"}),
    ],
)
def test_what_only_pixels_show_is_found_within_a_frame_or_two(
    tmp_path: Path, change: Callable[[Frame], Frame], kinds: set[str]
) -> None:
    found = reviewed(folder(tmp_path / "a", lambda frame: jpeg(change(frame))))
    (event,) = [each for each in found.events if abs(each.place - AT) <= 2]
    assert event.kind in kinds
    assert event.p_value is not None
    assert event.p_value < 0.01
    assert event.instead is not None
    assert event.kind in tree(found)["events"][0]["kind"]
    assert event.evidence[0].subject in explained(event)


def by(model: str, frame: Frame) -> bytes:
    """Encode with EXIF that names a camera."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", model
    held = io.BytesIO()
    Image.fromarray(frame[:, :, ::-1]).save(held, "JPEG", quality=90, exif=exif)
    return held.getvalue()


def swapped(path: Path, other: Callable[[Frame], Frame]) -> Review:
    path.mkdir()
    for index in range(48):
        frame = taken(index)
        made = by("A", frame) if index < 24 else by("B", other(frame))
        (path / f"{index:02d}.jpg").write_bytes(made)
    return reviewed(path)


def test_another_camera_is_told_with_its_lens_and_its_colours(tmp_path: Path) -> None:
    def other(frame: Frame) -> Frame:
        soft = cv2.GaussianBlur(frame, (0, 0), 1.2).astype(np.float32)
        return np.clip(soft * (0.8, 1.0, 1.15), 0, 255).astype(np.uint8)

    found = swapped(tmp_path / "swap", other)
    told = {event.kind: event for event in found.events}
    assert {"identity.model", "optics.focus", "isp.white_balance"} <= told.keys()
    assert {event.place for event in told.values()} == {24}
    assert told["isp.white_balance"].sure <= 0.5  # the place may have changed with the camera
    assert found.verdict == "alert"


def test_another_name_on_the_same_pictures_is_another_name_only(tmp_path: Path) -> None:
    found = swapped(tmp_path / "swap", lambda frame: frame)
    assert [(event.kind, event.place) for event in found.events] == [("identity.model", 24)]


def test_another_size_is_told(tmp_path: Path) -> None:
    found = reviewed(folder(tmp_path / "a", lambda frame: jpeg(cv2.resize(frame, (256, 192)))))
    assert [(each.kind, each.place) for each in found.events if each.p_value is None] == [
        ("geometry.resolution", AT)
    ]


def test_night_mode_is_told_and_no_alarm(tmp_path: Path) -> None:
    def infrared(frame: Frame) -> bytes:
        return jpeg(np.repeat(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2))

    found = reviewed(folder(tmp_path / "a", infrared, BACK))
    assert [(each.kind, each.place, each.stop) for each in found.events] == [("light.night", AT, BACK)]
    assert found.verdict == "ok"


def test_against_a_reference_the_whole_folder_may_differ(clean: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in listed(clean)[:15]:
        (other / file.name).write_bytes(jpeg(noisy(cv2.imread(str(file))), 60))
    found = reviewed(other, clean)
    assert found.events[0].kind == "codec.requantised"
    assert {each.place for each in found.events} == {0}


def test_few_frames_are_insufficient_unless_their_headers_speak(clean: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for file in listed(clean)[:5]:
        (few / file.name).write_bytes(file.read_bytes())
    assert reviewed(few).verdict == "insufficient"
    (few / "z.jpg").write_bytes(jpeg(taken(0), 40))
    assert reviewed(few, clean).verdict == "alert"


def test_files_that_are_no_frames_are_refused_by_name(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "b.jpg").write_bytes(listed(clean)[0].read_bytes()[:400])
    (tmp_path / "c.txt").write_bytes(b"not asked")
    found = list(frames(tmp_path, listed(tmp_path)))
    assert [(each.file, isinstance(each, Refused)) for each in found] == [("a.jpg", True), ("b.jpg", True)]
    assert review(found).verdict == "insufficient"


def test_rate_control_and_crops_of_any_size_are_one_group(tmp_path: Path) -> None:
    for index in range(24):
        height = 200 + 2 * index
        (tmp_path / f"{index:02d}.jpg").write_bytes(jpeg(taken(index)[:height], 70 + index))
    seen = [each for each in frames(tmp_path, listed(tmp_path)) if isinstance(each, Seen)]
    headers = [each.header for each in seen]
    assert [each.frames for each in groups(headers)] == [24]
    assert header_runs(headers, majority(headers)) == []
    assert camera_of(seen[0]) == set()
