"""What the checklist looks at: the gate's reference, its rungs opened apart, its golden rows recomputed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wardline import golden, opening
from wardline.errors import BundleError
from wardline.gate import Gate
from wardline.golden import Difference, Recomputed
from wardline.predictor import Opened
from wardline.reference import Golden, Reference, load
from wardline.settings import Settings


@dataclass(frozen=True)
class Inspection:
    """A gate laid open. What could not be had is missing, and says why."""

    gate: Gate
    settings: Settings
    source: Path | None
    """The file that declares the gate."""
    reference: Reference | None
    without_reference: str
    rungs: Mapping[str, Opened]
    broken: Mapping[str, str]
    """Rungs that do not open, and why."""
    seen: Recomputed | None
    features: tuple[Difference, ...] = ()
    answers: tuple[Difference, ...] = ()

    @property
    def golden(self) -> Golden | None:
        """The golden rows, where there is a reference that has them."""
        return None if self.reference is None else self.reference.golden

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that the golden rows show."""
        return (*self.features, *self.answers)


@contextmanager
def inspect(gate: Gate, settings: Settings, source: Path | None = None) -> Iterator[Inspection]:
    """Open what a gate consists of, each part alone, so that one broken part hides no other."""
    reference, why = _reference(gate)
    rungs: dict[str, Opened] = {}
    broken: dict[str, str] = {}
    site = opening.site(gate)
    for predictor in gate.chain.predictors:
        try:
            rungs[predictor.name] = predictor.open(site)
        except Exception as error:  # a model's loader may raise anything, and one broken rung is one line
            broken[predictor.name] = str(error) or type(error).__name__
    try:
        yield _looked(Inspection(gate, settings, source, reference, why, rungs, broken, None))
    finally:
        for opened in rungs.values():
            opened.close()


def _reference(gate: Gate) -> tuple[Reference | None, str]:
    if gate.reference_dir is None:
        return None, "the gate declares no reference="
    try:
        return load(gate.reference_dir, gate=gate.name), ""
    except BundleError as error:
        return None, str(error)


def _looked(found: Inspection) -> Inspection:
    """Recompute the golden rows; without any, the contract's examples stand in for answering."""
    gate, kept = found.gate, found.golden
    seen = golden.recompute(
        gate.contract.examples if kept is None else kept.inputs, gate.contract, gate.features
    )
    features: tuple[Difference, ...] = ()
    answers: tuple[Difference, ...] = ()
    if kept is not None and found.reference is not None and _comparable(found.reference, gate):
        features = tuple(golden.feature_differences(kept, gate.contract, gate.features, seen))
        if not features:
            pins = {name: rung.sha256 for name, rung in found.reference.rungs.items()}
            answers = tuple(golden.answer_differences(kept, found.rungs, pins, seen))
    return Inspection(
        gate, found.settings, found.source, found.reference, found.without_reference, found.rungs,
        found.broken, seen, features, answers,
    )  # fmt: skip


def _comparable(reference: Reference, gate: Gate) -> bool:
    return tuple(reference.features) == gate.features.schema.names


def identity(found: Inspection) -> dict[str, str]:
    """Return what a gate is exactly, also where its model does not open."""
    first = found.gate.chain.names[0]
    primary = found.rungs.get(first)
    model = f"{primary.version} {primary.sha256[:12]}" if primary else f"{first} does not open"
    return opening.identity(found.gate, model, found.reference)
