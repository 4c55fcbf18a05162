"""What the camera gate costs beside decoding: header, features and guards against `cv2.imdecode`."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from guards.leaf import gate
from wardline.camera import Frame, Frames
from wardline.camera.features import measured
from wardline.cameras import Cameras, Enrolment
from wardline.guards import DecodeHealth, Exposure, Fingerprint, Focus, NightMode, Occlusion, Processing
from wardline.inference import Inference
from wardline.stats import codec
from wardline.stats.image import view

WHO = {"camera": "a", "firmware": "1"}
SIZES = {"1920x1080": (1080, 1920, 0.10), "640x480": (480, 640, 0.30)}
ROUNDS, EACH = 15, 8


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


def judged(frame: Frame, cameras: Cameras) -> Callable[[], object]:
    """Return a call of every guard over frames, as the panel makes it for one row."""
    made = (DecodeHealth(), Fingerprint(), Exposure(), Focus(), Occlusion(), NightMode(), Processing())
    guards = [made[0], *(type(guard)(_cameras=cameras) for guard in made[1:])]  # type: ignore[call-arg]
    names = gate.features.schema.names
    values = measured(frame)
    numbers = np.array(values[:-1], np.float64)
    inference = Inference(frame, values, names, numbers)
    return lambda: [guard.check(inference) for guard in guards]


def main() -> None:
    cv2.setNumThreads(1)
    contract = Frames(Frame, examples=[WHO])
    for name, (height, width, allowed) in SIZES.items():
        data = scene(height, width)
        frame = contract.admit({"picture": data, **WHO}).rows[0]
        enrolment = Enrolment("a")
        for _ in range(12):
            enrolment.add(frame.statistics, frame.header, "1", view(frame.sampled))
        guards = judged(frame, Cameras({"a": enrolment.reference()}))

        def features(frame: Frame = frame, data: bytes = data) -> object:
            fresh = Frame.model_construct(picture=data, **WHO).developed(frame.pixels, frame.header)
            return measured(fresh)

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
    import msgspec  # noqa: PLC0415 - only to weigh

    size = len(msgspec.msgpack.encode(enrolment.reference()))
    print(f"one camera's reference: {size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
