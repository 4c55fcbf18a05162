"""The fingerprint: read from bytes alone, the same for one encoder, another for every other."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from wardline.stats import codec

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i % 8 if (i // 8 + i % 8) % 2 == 0 else i // 8))
RNG = np.random.default_rng(3)
SCENE = np.clip(np.linspace(20, 230, 320)[None, :, None] + RNG.normal(0, 12, (240, 320, 3)), 0, 255).astype(
    np.uint8
)


def jpeg(quality: int, *options: int) -> bytes:
    return cv2.imencode(".jpg", SCENE, [cv2.IMWRITE_JPEG_QUALITY, quality, *options])[1].tobytes()


def pillow(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(SCENE).save(file, "JPEG", **options)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("quality", [5, 40, 50, 75, 90, 95])
def test_quality_of_reads_libjpegs_own_scale_back(quality: int) -> None:
    header = codec.read(jpeg(quality))
    assert codec.quality_of(header.tables[0]) == quality
    assert (header.width, header.height, header.channels) == (320, 240, 3)


def test_the_tables_and_the_layout_are_those_another_reader_finds() -> None:
    for options in ({"quality": 80}, {"quality": 80, "subsampling": 0}, {"quality": 60, "progressive": True}):
        data = pillow(**options)
        header, theirs = codec.read(data), Image.open(io.BytesIO(data))
        assert [list(table) for table in header.tables] == [
            [table[place] for place in ZIGZAG]
            for table in theirs.quantization.values()  # type: ignore[attr-defined]
        ]
        assert header.progressive == bool(theirs.info.get("progressive"))
        assert header.subsampling == ("4:4:4" if "subsampling" in options else "4:2:0")


def test_rate_control_is_learned_and_a_re_encode_is_seen_in_one_frame() -> None:
    moving = codec.learn(codec.read(jpeg(quality)) for quality in (80, 84, 88, 90, 82, 86))
    assert codec.novelty(moving, codec.read(jpeg(85))) == []
    assert [each.cause for each in codec.novelty(moving, codec.read(jpeg(40)))] == ["codec.requantised"]
    steady = codec.learn(codec.read(jpeg(90)) for _ in range(10))
    assert codec.novelty(steady, codec.read(jpeg(90))) == []
    assert [each.cause for each in codec.novelty(steady, codec.read(jpeg(85)))] == ["codec.requantised"]


@pytest.mark.parametrize(
    "change",
    [{"subsampling": 0}, {"progressive": True}, {"optimize": True}, {"icc_profile": b"x" * 200}],
    ids=lambda change: next(iter(change)),
)
def test_every_habit_of_an_encoder_is_part_of_its_fingerprint(change: dict[str, object]) -> None:
    known = codec.learn(codec.read(pillow(quality=90)) for _ in range(3))
    assert "codec.requantised" in [
        e.cause for e in codec.novelty(known, codec.read(pillow(quality=90, **change)))
    ]


def test_tables_scaled_are_one_shape_and_another_camera_s_are_not() -> None:
    own = [min(255, 3 + place // 3) for place in range(64)]
    natural = [pillow(qtables=[[max(1, round(v * s)) for v in own]] * 2) for s in (1.0, 1.5, 2.0, 1.2)]
    known = codec.learn(codec.read(data) for data in natural)
    assert len(known.shapes) == 1
    assert codec.novelty(known, codec.read(pillow(quality=90)))[-1].subject == "tables"


def test_what_is_known_of_a_camera_is_bounded() -> None:
    known = codec.Known()
    for quality in range(1, 100):
        sized = codec.read(jpeg(quality))._replace(width=100 + quality)
        known = codec.learn([sized], known)
    assert (len(known.sizes), len(known.shapes), known.frames) == (16, 1, 99)
    assert "geometry.resolution" not in [each.cause for each in codec.novelty(known, sized)]


def test_nothing_known_means_nothing_new() -> None:
    assert codec.novelty(codec.Known(), codec.read(jpeg(50))) == []


@pytest.mark.parametrize("extension", [".png", ".webp"])
def test_other_formats_say_their_size_and_are_found_truncated(extension: str) -> None:
    data = cv2.imencode(extension, SCENE)[1].tobytes()
    header = codec.read(data)
    assert (header.width, header.height, header.faults) == (320, 240, ())
    assert codec.read(data[:-20]).faults == ("truncated",)
