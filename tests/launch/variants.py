"""A gate with something changed: what serving code looks like after somebody touched it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from models.building import ROOT
from wardline import Gate


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
