"""A gate with something changed: what serving code looks like after somebody touched it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from guards import taxi
from models.building import ROOT
from wardline import Gate, Settings
from wardline.launch import declared, rehearsal, reproduced
from wardline.launch.inspection import inspect
from wardline.launch.lines import Line
from wardline.reference import load, save

_MODELS = ("models/taxi", "models/taxi-linear", "docs/runbooks")


def variant(gate: Gate, *, function: Callable[[Any], Any] | None = None, **changes: Any) -> Gate:
    """Declare `gate` anew with `changes`; `function` replaces what its features compute."""
    declared: dict[str, Any] = {
        "contract": gate.contract,
        "features": gate.features,
        "chain": gate.chain,
        "guards": gate.guards,
        "reference": f"models/{gate.name}/1",
        "owner": gate.owner,
        "launch": gate.launch,
        "monitoring": gate.monitoring,
        "slices": gate.slices,
        "risk": gate.risk,
        "classes": gate.classes,
        "unit": gate.unit,
        "root": ROOT,
        **changes,
    }
    if function is not None:
        row = declared["contract"].row
        declared["features"] = dataclasses.replace(gate.features, function=function, row=row, columnar=False)
    return Gate(gate.name, **declared)


def line(gate: Gate, name: str, tmp_path: Path, source: Path | None = None, **kwargs: Any) -> Line:
    """Return one line of the checklist, and run only the part that makes it."""
    with inspect(gate, Settings(home=tmp_path / "home"), source) as found:
        parts = (declared.lines(found), reproduced.lines(found), rehearsal.lines(found, **kwargs))
        return next(each for part in parts for each in part if each.name == name)


def copied(tmp_path: Path, **changes: Any) -> Gate:
    """The taxi gate in a project of its own, whose files may be changed."""
    for folder in _MODELS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("data"))
    return variant(taxi.gate, root=tmp_path, **changes)


def rewritten(gate: Gate, **changes: Any) -> None:
    reference = load(gate.reference_dir)
    save(msgspec.structs.replace(reference, **changes), gate.reference_dir)
