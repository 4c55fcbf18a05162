"""The contract of a camera frame: bytes or pixels in; a decoded, identified frame out, or the reasons."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pydantic_core
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from wardline.breaches import breach
from wardline.camera.frame import Frame, Picture
from wardline.camera.inspection import Limits, decode, extent, inspect
from wardline.contract import Admitted, Tabular
from wardline.errors import DeclarationError, PayloadError
from wardline.owner import Upstream
from wardline.stats import codec
from wardline.verdict import Finding

HEADERS = {"x-camera-id": "camera", "x-camera-firmware": "firmware"}
"""Headers that do not simply carry the name of their field."""

_NOWHERE = np.zeros(0, dtype=np.intp)
_CAMERAS, _FRAMES = 1024, 8  # remembered for repeats: cameras, and frames of each


class Frames(Tabular):
    """The contract of a gate over pictures: `Frames(Leaf, examples=[{"camera": "a1", "firmware": "1.2"}])`.

    `row` is Frame or a subclass. A payload is a mapping of its fields; bytes of a picture or an array of
    pixels alone stand for their `picture`. What the caller does not say is read from EXIF: the maker and
    model as `camera`, the software as `firmware`, `taken_at`. Everything is judged on the header, before
    anything is decoded; a picture is decoded once. `repeats="refuse"` refuses a picture that this worker has
    just seen from the same camera: choose it for a live stream, where one byte-equal frame means a frozen
    camera. `thumbnails=True` keeps a small picture beside each kept trace; a picture may show a person, so
    without it none is kept.
    """

    row: type[Frame]
    pictures = True
    golden_rows = 12  # whole pictures: a few say as much about skew as many numbers

    def __init__(
        self,
        row: type[Frame],
        *,
        examples: Sequence[Mapping[str, Any]],
        limits: Limits = Limits(),  # noqa: B008 - frozen
        repeats: Literal["take", "refuse"] = "take",
        thumbnails: bool = False,
        upstream: Upstream | None = None,
    ) -> None:
        if not issubclass(row, Frame):
            raise DeclarationError(f"{row.__name__} is no Frame: subclass wardline.camera.Frame")
        self.limits = limits
        self.repeats = repeats
        self.thumbnails = thumbnails
        self._recent: OrderedDict[str, deque[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        super().__init__(
            row, examples=[{"picture": _sample(), **each} for each in examples], upstream=upstream
        )
        self._recent.clear()
        if thumbnails and "picture" in self.privacy.treatments:
            raise DeclarationError("the picture is personal: thumbnails of it may not be kept")
        self.headers = {f"x-{name.replace('_', '-')}": name for name in self.fields if name != "picture"}
        self.headers |= {header: name for header, name in HEADERS.items() if name in self.fields}

    def afresh(self) -> Frames:
        """Return the contract without the frames it has seen: golden pictures are no repeats."""
        fresh = copy.copy(self)
        fresh._recent = OrderedDict()  # noqa: SLF001 - a copy of our own class
        return fresh

    def schema(self) -> dict[str, Any]:
        """Return the published form; the example's picture is left to the caller."""
        schema = self.row.model_json_schema()
        shown = [{**each, "picture": "base64 of a JPEG, PNG or WebP"} for each in self.examples]
        schema["examples"] = pydantic_core.to_jsonable_python(shown)
        schema["x-limits"] = pydantic_core.to_jsonable_python(vars(self.limits))
        schema["x-repeats"] = self.repeats
        return schema

    def admit(self, payload: Any, now: float | None = None) -> Admitted:
        """Admit one frame or `{"rows": [...]}`; raise PayloadError where there is nothing to judge."""
        if isinstance(payload, np.ndarray):
            return self._one({"picture": payload}, now)
        if isinstance(payload, str) or (isinstance(payload, bytes) and payload.lstrip()[:1] in (b"{", b"[")):
            try:
                payload = pydantic_core.from_json(payload)
            except ValueError as error:
                raise PayloadError(f"the body is not JSON: {error}") from None
        elif isinstance(payload, bytes):
            payload = {"picture": payload}
        return super().admit(payload, now)

    def admit_columns(self, columns: Mapping[str, Any], now: float | None = None) -> Admitted:
        """Pixels alone look like a column; they are one frame."""
        if set(columns) == {"picture"}:
            return self._one(columns, now)
        return super().admit_columns(columns, now)

    def adopt(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Read a row of a file: its pictures stay as they are."""
        picture = {"picture": record["picture"]} if "picture" in record else {}
        others = {name: value for name, value in record.items() if name != "picture"}
        return {**super().adopt(others), **picture}

    def _from_python(self, payload: Any) -> Any:
        return self._validator.validate_python(payload)

    def _one(self, payload: Any, now: float | None, validate: Any = None) -> Admitted:
        """Judge the picture by its header, then the fields; decode where nothing is broken."""
        if not isinstance(payload, Mapping):
            return super()._one(payload, now, self._from_python)
        payload = dict(payload)
        picture, header, findings = self._look(payload)
        admitted = super()._one(payload, now, self._from_python)
        findings += [
            each for each in admitted.rejects.get(0, ()) if each.subject != "picture" or not findings
        ]
        if not findings:
            findings = self._develop(admitted.rows[0], picture, header)
        if findings:
            return Admitted(1, False, (), _NOWHERE, {0: tuple(findings)}, admitted.unknown)
        frame = admitted.rows[0]
        admitted.camera = self.privacy.told("camera", frame.camera)
        admitted.firmware = self.privacy.told("firmware", frame.firmware)
        return admitted

    def _look(self, payload: dict[str, Any]) -> tuple[Any, codec.Header | None, list[Finding]]:
        """Inspect the payload's picture, and fill in what its EXIF knows."""
        try:
            picture = payload["picture"] = _ONLY.validate_python(payload["picture"])
        except (KeyError, ValidationError):
            return None, None, []  # the field's own validation says so
        if isinstance(picture, np.ndarray):
            return picture, None, _shaped(picture, self.limits)
        header, findings = inspect(picture, self.limits)
        if header is not None:
            for name, value in self._from_exif(header.exif).items():
                if value and payload.get(name) is None and name in self.fields:
                    payload[name] = value
        return picture, header, list(findings)

    def _from_exif(self, exif: codec.Exif) -> dict[str, Any]:
        stamp = self.stamps.get("taken_at")
        return {
            "camera": " ".join(filter(None, (exif.make, exif.model)))[:64],
            "firmware": exif.software[:64],
            "taken_at": _taken(exif, stamp.zone if stamp is not None else None),
        }

    def _develop(self, frame: Frame, picture: Any, header: codec.Header | None) -> list[Finding]:
        """Decode the frame; a finding where that fails, or where it was just here."""
        if self.repeats == "refuse" and self._again(frame.camera, picture):
            return [breach("contract.repeated", "picture", "the same bytes as before", "a new frame")]
        if header is None:
            frame.developed(picture, None)
            return []
        pixels = decode(picture, header)
        if isinstance(pixels, Finding):
            return [pixels]
        frame.developed(pixels, header)
        return []

    def _again(self, camera: str, picture: Any) -> bool:
        """Say whether this camera's picture was among its last ones, and remember it: bounded, by worker."""
        content = picture.tobytes() if isinstance(picture, np.ndarray) else picture
        digest = hashlib.blake2b(content, digest_size=16).digest()
        with self._lock:
            recent = self._recent.setdefault(camera, deque(maxlen=_FRAMES))
            self._recent.move_to_end(camera)
            if len(self._recent) > _CAMERAS:
                self._recent.popitem(last=False)
            seen = digest in recent
            recent.append(digest)
        return seen


_ONLY = TypeAdapter(Picture)


def _shaped(pixels: NDArray[Any], limits: Limits) -> list[Finding]:
    """Judge pixels that came as they are."""
    shape = " x ".join(map(str, pixels.shape))
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        return [breach("contract.colour", "picture", shape, "(height, width, 3) in BGR, or (height, width)")]
    height, width = pixels.shape[:2]
    return extent(width, height, limits)


def _taken(exif: codec.Exif, zone: str | None) -> datetime | None:
    """Read EXIF's time; without an offset in it, in the zone that the contract declares for such stamps."""
    try:
        naive = datetime.strptime(exif.taken, "%Y:%m:%d %H:%M:%S")
        if exif.offset:
            return datetime.fromisoformat(naive.isoformat() + exif.offset)
    except ValueError:
        return None
    return naive.replace(tzinfo=ZoneInfo(zone)) if zone else None


def _sample() -> NDArray[np.uint8]:
    """Draw the example: a slope with some noise, as much of a picture as warming up needs."""
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 200, 320)[None, :, None] + np.linspace(0, 30, 240)[:, None, None]
    return np.clip(slope + rng.normal(0, 4, (240, 320, 3)), 0, 255).astype(np.uint8)
