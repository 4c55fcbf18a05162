"""What else can move a number: libraries, onnxruntime's providers, and what the processor can do."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path

from wardline import opening
from wardline.predictors.onnx import providers

_FURTHER = ("opencv-python-headless", "pandas", "scikit-learn", "scipy", "tzdata")
_FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve")
_CPU = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """Return versions and abilities of this machine, as the reference records them."""
    found = dict(opening.libraries())
    for name in _FURTHER:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["onnxruntime providers"] = ", ".join(providers())
    found["processor"] = " ".join([platform.machine(), *_abilities()])
    return found


def moved(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Say what differs, in words; what one side does not know is no difference."""
    return [
        f"{name} {recorded[name]} → {here[name]}"
        for name in recorded
        if name in here and recorded[name] != here[name]
    ]


def _abilities() -> list[str]:
    """Name the vector instructions, which decide in which order sums are taken; empty where unknown."""
    try:
        lines = _CPU.read_text().splitlines()
    except OSError:
        return []
    flags = next(
        (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))), []
    )
    return [flag for flag in _FLAGS if flag in flags]
