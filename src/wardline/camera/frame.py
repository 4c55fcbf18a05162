"""One frame as a row: its picture, who took it, and the pixels once they are decoded."""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from wardline.fields import Row
from wardline.stats.codec import Header
from wardline.stats.image import Sample, Statistics, sample, statistics

Pixels = NDArray[np.uint8]
_URL_SAFE = str.maketrans("-_", "+/")  # both alphabets of base64 are in use


def _picture(value: Any) -> Any:
    if isinstance(value, bytes) or (isinstance(value, np.ndarray) and value.dtype == np.uint8):
        return value
    if isinstance(value, str):
        try:
            return base64.b64decode(value.translate(_URL_SAFE), validate=True)
        except binascii.Error:
            pass
    raise PydanticCustomError("picture", "a picture is bytes, base64 text, or uint8 pixels")


def _text(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else b"").decode()


class _Picture:
    """How a picture travels: bytes of a file, base64 of them in JSON, or pixels in-process."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _picture, serialization=core_schema.plain_serializer_function_ser_schema(_text, when_used="json")
        )

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/jpeg"}


Picture = Annotated[Any, _Picture()]


class Film:
    """What the contract decoded of one frame, and what was made of it since."""

    __slots__ = ("fitted", "header", "pixels", "sample", "statistics")

    def __init__(self, pixels: Pixels | None, header: Header | None) -> None:
        self.pixels, self.header = pixels, header
        self.fitted: dict[tuple[int, int], Pixels] = {}
        self.sample: Sample | None = None
        self.statistics: Statistics | None = None


class Frame(Row):
    """A frame as a caller sends it. Subclass it to ask for more: each field is also a header `x-<field>`.

    `camera` and `firmware` come from the headers `x-camera-id` and `x-camera-firmware`, else from the
    picture's EXIF. A field `taken_at: Annotated[datetime, Timestamp(max_age_s=...)]` is filled from EXIF
    too, and makes old frames a broken contract.
    """

    heavy: ClassVar[bool] = True

    picture: Picture
    camera: Annotated[str, Field(min_length=1, max_length=64)]
    firmware: Annotated[str, Field(min_length=1, max_length=64)]

    @cached_property
    def film(self) -> Film:
        """What was decoded and measured; pydantic's private attributes would cost 4 µs a read."""
        return Film(None, None)

    def developed(self, pixels: Pixels, header: Header | None) -> Self:
        """Take what the contract decoded, once."""
        self.__dict__["film"] = Film(pixels, header)
        return self

    @property
    def pixels(self) -> Pixels:
        """The decoded picture, upright: uint8 (height, width, 3) BGR, or (height, width) grey."""
        if self.film.pixels is None:
            raise ValueError("this frame was not admitted by a Frames contract: nothing is decoded")
        return self.film.pixels

    @property
    def header(self) -> Header | None:
        """What the bytes say; `None` for a frame that came as pixels."""
        return self.film.header

    @property
    def sampled(self) -> Sample:
        """The tiles and the thumbnail that statistics are measured on, taken once."""
        film = self.film
        if film.sample is None:
            film.sample = sample(self.pixels)
        return film.sample

    @property
    def statistics(self) -> Statistics:
        """What the frame says of its camera, measured once."""
        film = self.film
        if film.statistics is None:
            film.statistics = statistics(self.sampled)
        return film.statistics

    def fitted(self, height: int, width: int) -> Pixels:
        """Return the picture in colour, resized for a model; each size is made once."""
        size = (height, width)
        fitted = self.film.fitted
        if size not in fitted:
            pixels = self.pixels
            if pixels.ndim == 2:
                pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
            smaller = pixels.shape[0] >= height and pixels.shape[1] >= width
            how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            fitted[size] = np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
        return fitted[size]
