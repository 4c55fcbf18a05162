"""The guards over frames: each speaks of its own trouble, in one frame, and keeps quiet in changing light."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from wardline.camera import Frame, Frames
from wardline.camera.features import SCHEMA, measured
from wardline.cameras import FLEET, Cameras, Enrolment, load, save
from wardline.errors import BundleError
from wardline.guards import (
    DecodeHealth,
    Exposure,
    Fingerprint,
    Focus,
    NightMode,
    Occlusion,
    Processing,
    Unfamiliar,
)
from wardline.inference import Inference
from wardline.stats.image import view
from wardline.verdict import Severity

CONTRACT = Frames(Frame, examples=[{"camera": "a", "firmware": "1"}])
Pixels = NDArray[np.float32]


def yard(seed: int = 0) -> Pixels:
    """A fixed scene with edges and texture: the place that the camera looks at."""
    rng = np.random.default_rng(seed)
    place = np.zeros((240, 320, 3), np.float32)
    for scale, weight in ((60, 60), (20, 35), (6, 16), (2, 7)):
        coarse = rng.normal(0, weight, (240 // scale + 2, 320 // scale + 2)).astype(np.float32)
        place += cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)[..., None]
    for _ in range(25):
        x, y = rng.integers(0, 300), rng.integers(0, 220)
        cv2.rectangle(place, (int(x), int(y)), (int(x) + 18, int(y) + 14), rng.normal(0, 70, 3).tolist(), -1)
    return place + np.array([100, 118, 112], np.float32)


YARD = yard()


def taken(number: int, edit: Callable[[Pixels], Pixels] = lambda p: p, quality: int = 90) -> bytes:
    """Take the scene in the light of the moment, with fresh sensor noise."""
    rng = np.random.default_rng(1000 + number)
    pixels = YARD * np.float32(0.75 + 0.5 * rng.random()) + rng.normal(0, 3, YARD.shape).astype(np.float32)
    developed = np.clip(edit(np.clip(pixels, 0, 255)), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", developed, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def admitted(data: bytes, camera: str = "a", firmware: str = "1") -> Any:
    return CONTRACT.admit({"picture": data, "camera": camera, "firmware": firmware}).rows[0]


def seen(frame: Any) -> Inference:
    values = measured(frame)
    return Inference(frame, values, SCHEMA.names, np.array(values[:-1], np.float64))


@pytest.fixture(scope="module")
def reference() -> Any:
    enrolment = Enrolment("a")
    for number in range(40):
        frame = admitted(taken(number))
        enrolment.add(frame.statistics, frame.header, "1", view(frame.sampled))
    return SimpleNamespace(extra={"cameras": Cameras.learned([enrolment]).tree()})


ALL = (DecodeHealth(), Fingerprint(), Exposure(), Focus(), Occlusion(), NightMode(), Processing())


def found(reference: Any, data: bytes, **who: str) -> dict[str, str]:
    inference = seen(admitted(data, **who))
    prepared = [guard.prepare(reference) if hasattr(guard, "prepare") else guard for guard in ALL]
    findings = [guard.check(inference) for guard in prepared]
    return {each.guard: each.reason for each in findings if each.severity is not Severity.OK}


def test_the_same_scene_in_other_light_passes_every_guard(reference: Any) -> None:
    spoken = [found(reference, taken(number)) for number in range(100, 160)]
    assert [each for each in spoken if each] == []


def blurred(pixels: Pixels) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), 3.0)


def covered(pixels: Pixels) -> Pixels:
    pixels = pixels.copy()
    pixels[:, :230] = 60
    return pixels


def sharpened(pixels: Pixels) -> Pixels:
    return pixels + 1.5 * (pixels - cv2.GaussianBlur(pixels, (0, 0), 1.0))


@pytest.mark.parametrize(
    ("edit", "guard", "cause"),
    [
        (blurred, "focus", "optics.focus"),
        (covered, "occlusion", "optics.dirt"),
        (lambda p: np.roll(p, 50, axis=1), "occlusion", "geometry.view"),
        (lambda p: p * 0.25, "exposure", "exposure.level"),
        (lambda p: p.mean(axis=2, keepdims=True).repeat(3, axis=2), "night_mode", "light.night"),
        (sharpened, "processing", "isp.sharpening"),
        (lambda p: p * np.array([0.7, 1, 1.3], np.float32), "processing", "isp.white_balance"),
    ],
    ids=["blur", "cover", "turn", "dark", "mono", "sharpen", "white balance"],
)
def test_each_trouble_is_named_by_its_guard_in_one_frame(
    reference: Any, edit: Callable[[Pixels], Pixels], guard: str, cause: str
) -> None:
    assert found(reference, taken(200, edit)).get(guard) == cause


def test_overshoot_names_a_sharpening_and_is_none_by_itself(reference: Any) -> None:
    """In fog the few edges that are left may be those of one sharp thing."""
    guard, frame = Processing().prepare(reference), seen(admitted(taken(206)))

    def finding(**moved: float) -> Any:
        values = [moved.get(name, value) for name, value in zip(SCHEMA.names, frame.features, strict=True)]
        return guard.check(msgspec.structs.replace(frame, features=tuple(values)))

    assert finding(overshoot=5.0).severity is Severity.OK
    assert finding(overshoot=5.0, noise=90.0).reason == "isp.sharpening"
    assert finding(noise=90.0).reason == "sensor.noise"


def test_a_torn_frame_is_blocked(reference: Any) -> None:
    data = taken(201)
    torn = data[: len(data) // 2] + b"\xff\xd9"
    assert found(reference, torn)["decode_health"] == "decode.torn"


def test_the_fingerprint_knows_quality_firmware_and_size(reference: Any) -> None:
    assert found(reference, taken(202, quality=80))["fingerprint"] == "codec.requantised"
    assert found(reference, taken(203), firmware="2") == {"fingerprint": "identity.firmware"}
    wide = cv2.imdecode(np.frombuffer(taken(204), np.uint8), 1)[:200]
    smaller = cv2.imencode(".jpg", wide, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    assert found(reference, smaller)["fingerprint"] == "geometry.resolution"


def test_an_unknown_camera_is_judged_by_the_fleet_or_not_at_all(reference: Any) -> None:
    assert found(reference, taken(205, quality=80), camera="b") == {}
    fleet = {FLEET: {**reference.extra["cameras"]["a"], "camera": FLEET}}
    assert found(SimpleNamespace(extra={"cameras": fleet}), taken(205, quality=80), camera="b") != {}


def test_a_camera_takes_under_sixteen_kib(reference: Any) -> None:
    (known,) = Cameras.read(reference.extra).by_id.values()
    assert len(msgspec.msgpack.encode(known)) < 16 * 1024


def test_enrolled_cameras_survive_the_disk_and_a_broken_file_is_told(reference: Any, tmp_path: Any) -> None:
    path = tmp_path / "gate" / "cameras.json"
    save(path, Cameras.read(reference.extra))
    assert Cameras.read({"cameras": load(path)}) == Cameras.read(reference.extra)
    path.write_text('{"a": {"camera": 3}}')
    with pytest.raises(BundleError, match="build them anew"):
        load(path)


def test_unfamiliar_fires_at_most_at_its_declared_rate_and_on_what_is_strange() -> None:
    rng = np.random.default_rng(4)
    rung = SimpleNamespace(
        scores={"distance": np.sort(rng.normal(size=999)), "energy": np.sort(rng.normal(size=999))}
    )
    guard = Unfamiliar(warn=0.05).prepare(SimpleNamespace(rungs={"m": rung}))  # type: ignore[arg-type]

    def speaks(distance: float, energy: float) -> bool:
        scores = {"distance": distance, "energy": energy}
        finding = guard.check(Inference(None, (), (), np.zeros(0), rung="m", scores=scores))
        return finding.severity is not Severity.OK

    healthy = np.mean([speaks(*rng.normal(size=2)) for _ in range(4000)])
    assert 0.03 < healthy < 0.065
    assert speaks(6.0, 0.0)
    assert speaks(0.0, float("nan"))
