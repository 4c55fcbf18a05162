"""A folder of pictures sorted by class, dealt into the ones that fit and the ones that calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from wardline.camera.inspection import Limits, inspect
from wardline.cli.dataset import Dataset

LABEL = "label"
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
_UNKNOWN = "unknown"  # the camera of a picture whose EXIF does not say
_FEWEST = 10  # pictures of a class, below which nothing can be learned or calibrated
_CALIBRATION = 5


def prepare(folder: Path, out: Path, seed: int) -> Dataset:
    """Write `fit.parquet` and `calibration.parquet`: the files' bytes, unchanged, with camera and class."""
    found = {
        each.name: sorted(file for file in each.rglob("*") if file.suffix.lower() in _ENDINGS)
        for each in sorted(folder.iterdir())
        if each.is_dir()
    }
    found = {name: files for name, files in found.items() if files}
    if len(found) < 2:
        raise click.UsageError(
            f"{folder} has pictures of {len(found)} classes: put those of each class into a folder of its own"
        )
    few = [name for name, files in found.items() if len(files) < _FEWEST]
    if few:
        raise click.UsageError(f"class {few[0]} has {len(found[few[0]])} pictures, {_FEWEST} are the least")
    rng = np.random.default_rng(seed)
    fit: list[tuple[str, Path]] = []
    held: list[tuple[str, Path]] = []
    for name, files in found.items():
        order = rng.permutation(len(files))
        for place, file in enumerate(files):
            (held if order[place] % _CALIBRATION == 0 else fit).append((name, file))
    out.mkdir(parents=True, exist_ok=True)
    paths = out / "fit.parquet", out / "calibration.parquet"
    for path, part in zip(paths, (fit, held), strict=True):
        parquet.write_table(_table(part), path)
    usual = max(found, key=lambda name: len(found[name]))
    example = {"camera": "camera-1", "firmware": "1.0"}
    return Dataset(*paths, LABEL, (), tuple(found), usual, example, pictures=True)


def _table(part: Sequence[tuple[str, Path]]) -> pa.Table:
    pictures = [file.read_bytes() for _, file in part]
    makers = [_maker(data) for data in pictures]
    return pa.table(
        {
            "picture": pictures,
            "camera": [camera for camera, _ in makers],
            "firmware": [firmware for _, firmware in makers],
            LABEL: [name for name, _ in part],
        }
    )


def _maker(data: bytes) -> tuple[str, str]:
    """Return the camera and the software that EXIF names, as the contract would read them."""
    header = inspect(data, Limits()).header
    if header is None:
        return _UNKNOWN, _UNKNOWN
    camera: Any = " ".join(filter(None, (header.exif.make, header.exif.model)))[:64]
    return camera or _UNKNOWN, header.exif.software[:64] or _UNKNOWN
