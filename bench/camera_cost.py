"""What the camera gate costs beside decoding: header, features and guards against `cv2.imdecode`.

Twice: each part by itself, over and over, as the limits were declared; and frame after frame, as a camera
sends them, where decoding has just emptied the processor's caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import msgspec
import numpy as np

from guards.leaf import gate
from wardline.camera import Frame, Frames
from wardline.camera.features import measured
from wardline.cameras import Cameras, Enrolment
from wardline.guards import DecodeHealth, Exposure, Fingerprint, Focus, NightMode, Occlusion, Processing
from wardline.inference import Inference
from wardline.stats import codec
from wardline.stats.image import view
from wardline.verdict import Finding

WHO = {"camera": "a", "firmware": "1"}
SIZES = {"1920x1080": (1080, 1920, 0.10), "640x480": (480, 640, 0.30)}
ROUNDS, EACH, FRAMES = 15, 8, 100


def scene(height: int, width: int) -> bytes:
    """A picture with the detail of a real one: smooth noise of every scale, compressed at quality 90."""
    rng = np.random.default_rng(1)
    pixels = np.full((height, width, 3), 110.0, np.float32)
    for scale in (1, 2, 4, 16, 64):
        coarse = rng.normal(0, 7 + 6 * (scale > 4), (height // scale + 1, width // scale + 1, 3))
        pixels += cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    options = [cv2.IMWRITE_JPEG_QUALITY, 90]
    return cv2.imencode(".jpg", np.clip(pixels, 0, 255).astype(np.uint8), options)[1].tobytes()


def timed(*calls: Callable[[], object]) -> list[float]:
    """Return the least milliseconds of each, taken in turns: what disturbs one disturbs all."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for place, call in enumerate(calls):
            began = time.process_time()
            for _ in range(EACH):
                call()
            best[place] = min(best[place], (time.process_time() - began) / EACH * 1e3)
    return best


class Judge:
    """Every guard over frames, as the panel calls it for one row."""

    def __init__(self, cameras: Cameras) -> None:
        known = (Fingerprint, Exposure, Focus, Occlusion, NightMode, Processing)
        self.guards: list[Any] = [DecodeHealth(), *(guard(_cameras=cameras) for guard in known)]  # type: ignore[call-arg]

    def __call__(self, frame: Frame, values: tuple[Any, ...]) -> list[Finding]:
        inference = Inference(frame, values, gate.features.schema.names, np.array(values[:-1], np.float64))
        return [guard.check(inference) for guard in self.guards]


def stream(data: bytes, judge: Judge) -> tuple[float, float]:
    """Return the median milliseconds of decoding and of all the rest, frame after frame."""
    array, parts = np.frombuffer(data, np.uint8), []
    for _ in range(FRAMES):
        frame = Frame.model_construct(picture=data, **WHO)
        began = time.perf_counter()
        pixels = np.asarray(cv2.imdecode(array, cv2.IMREAD_COLOR), np.uint8)
        decoded = time.perf_counter()
        frame.developed(pixels, codec.read(data))
        judge(frame, measured(frame))
        parts.append((decoded - began, time.perf_counter() - decoded))
    decode, rest = np.median(parts, axis=0) * 1e3
    return float(decode), float(rest)


def main() -> None:
    cv2.setNumThreads(1)
    contract = Frames(Frame, examples=[WHO])
    for name, (height, width, allowed) in SIZES.items():
        data = scene(height, width)
        frame = contract.admit({"picture": data, **WHO}).rows[0]
        enrolment = Enrolment("a")
        for _ in range(12):
            enrolment.add(frame.statistics, frame.header, "1", view(frame.sampled))
        judge, values = Judge(Cameras({"a": enrolment.reference()})), measured(frame)

        fresh = [
            Frame.model_construct(picture=data, **WHO).developed(frame.pixels, frame.header)
            for _ in range(ROUNDS * EACH)
        ]  # a frame measures itself once; admitting it is the contract's work

        def features(fresh: list[Frame] = fresh) -> object:
            return measured(fresh.pop())  # and is let go of, as after a request

        def guards(judge: Judge = judge, frame: Frame = frame, values: Any = values) -> object:
            return judge(frame, values)

        array = np.frombuffer(data, np.uint8)
        decode, read, vector, check = timed(
            lambda array=array: cv2.imdecode(array, cv2.IMREAD_COLOR),
            lambda data=data: codec.read(data), features, guards,
        )  # fmt: skip
        share = (read + vector + check) / decode
        verdict = "within" if share <= allowed else "OVER"
        print(
            f"{name} ({len(data) / 1e3:.0f} kB): decode {decode:.2f} ms; header {read * 1e3:.0f} µs, "
            f"features {vector:.2f} ms, guards {check:.2f} ms; {share:.3f} of it ({verdict} {allowed:.2f})"
        )
        decode, rest = stream(data, judge)
        print(
            f"{name}, frame after frame: decode {decode:.2f} ms, the rest {rest:.2f} ms; "
            f"{rest / decode:.3f} of it"
        )
    size = len(msgspec.msgpack.encode(enrolment.reference()))
    print(f"one camera's reference: {size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
