"""Opening a gate: everything that is loaded and checked once, so that the path need not."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import platform
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from wardline import golden
from wardline.bound import Bound
from wardline.chain import OpenChain
from wardline.errors import BundleError, DeclarationError, OpeningError
from wardline.guard import Guard, Prepares
from wardline.health import NAME, Pulse
from wardline.log.ship import shipper
from wardline.log.writer import LogWriter
from wardline.panel import Panel
from wardline.predictor import Site
from wardline.record import STAGES, RecordSchema
from wardline.reference import Golden, Reference, load
from wardline.settings import Settings
from wardline.tracing.tracer import Pictures, Tracer
from wardline.verdict import Coverage, Stage

if TYPE_CHECKING:
    from wardline.gate import Gate, OpenGate, Sink

log = logging.getLogger(__name__)

Parts = tuple[
    OpenChain, Panel, Panel, "Sink", RecordSchema, float | None, Reference | None, Pulse, Tracer | None
]

_MOVES_NUMBERS = ("numpy", "onnxruntime", "pydantic", "wardline")
"""Libraries whose version can change an answer; their versions' hash is in every record."""


def check_declaration(gate: Gate) -> None:
    """Refuse a gate that contradicts itself, when its module is imported."""
    if not gate.name.isidentifier():
        raise DeclarationError(f"a gate's name is used in files and metrics, {gate.name!r} is no identifier")
    for guard in gate.guards:
        if not isinstance(guard, Guard):
            raise DeclarationError(f"{guard!r} is no guard: it needs name, stage and check(inference)")
    names = [guard.name for guard in gate.guards]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DeclarationError(f"two guards are called {twice[0]!r}: give each its own name=")
    if gate.features.row is not gate.contract.row:
        raise DeclarationError(
            f"the features are of {gate.features.row.__name__}, the contract is {gate.contract.row.__name__}"
        )
    _check_private(gate)
    known = {*gate.contract.fields, *gate.features.schema.names}
    strange = [name for name in gate.slices if name not in known]
    if strange:
        raise DeclarationError(f"slice {strange[0]!r} is neither a field nor a feature")
    if gate.reference_dir is None and any(isinstance(guard, Prepares) for guard in gate.guards):
        raise DeclarationError("these guards judge by a reference: give the gate reference='models/NAME/1'")


def _check_private(gate: Gate) -> None:
    """A field about a person may not be written as a feature, nor split reports where it is dropped."""
    private = gate.contract.privacy.treatments
    for name in gate.features.schema.names:
        if name in private:
            raise DeclarationError(f"feature {name} is named as a field that is not to be written: rename it")
    for name in gate.slices:
        if private.get(name) == "drop":
            raise DeclarationError(
                f"slice {name!r} is a field that is to be dropped: hash it, or drop the slice"
            )


def open_parts(gate: Gate, settings: Settings, sink: Sink | None, *, golden_rows: bool = True) -> Parts:
    """Load reference and models, prepare the guards, open the log; OpeningError says what does not fit.

    Without `golden_rows` the gate is not held to what training had: whoever asks does that apart.
    """
    gate.contract.privacy.unlock(settings.keys.pii)
    reference = _reference(gate, settings)
    pins = {} if reference is None else {n: r.sha256 for n, r in reference.rungs.items() if r.sha256}
    chain = gate.chain.open(site(gate), pins)
    try:
        _check_columnar(gate)
        bound = Bound(settings.guard_s)
        inputs = Panel.seat(gate.guards, Stage.INPUT, reference, gate.risk, bound)
        outputs = Panel.seat(gate.guards, Stage.OUTPUT, reference, gate.risk, bound)
        if golden_rows and reference is not None and reference.golden is not None:
            _hold_to_golden(gate, reference.golden, chain, pins, settings.unchecked)
        schema = record_schema(gate, chain, reference, settings.unchecked)
        opened = sink or _log(gate, settings, schema)
    except Exception:
        chain.close()
        raise
    level = next((guard.level for guard in gate.guards if hasattr(guard, "level")), None)
    pulse = Pulse(settings.home / gate.name / NAME, gate.name)
    tracer = None if sink or not golden_rows else _tracer(gate, settings, schema)
    return chain, inputs, outputs, opened, schema, level, reference, pulse, tracer


def _tracer(gate: Gate, settings: Settings, schema: RecordSchema) -> Tracer:
    """Open what keeps traces; a gate whose records go elsewhere (a test's) keeps none."""
    remote = {each.name for each in gate.chain.predictors if getattr(each, "waits", False)}
    directory = settings.home / gate.name / "traces"
    personal = frozenset(gate.contract.privacy.treatments)
    pictures: Pictures | None = None
    if gate.contract.thumbnails and settings.traces.thumbnails_mb:
        from wardline.camera.glimpse import encoded, glimpse  # noqa: PLC0415 - tables need no OpenCV

        pictures = Pictures(glimpse, encoded)
    return Tracer(
        directory, schema, settings.traces, remote=frozenset(remote), personal=personal, pictures=pictures
    )


def _log(gate: Gate, settings: Settings, schema: RecordSchema) -> LogWriter:
    """Open the log, and what carries its sealed files on."""
    directory = settings.home / gate.name / "records"
    carrier = shipper(directory, gate.name, settings.store)
    try:
        return LogWriter(directory, schema, settings.log, shipper=carrier)
    except Exception:
        carrier.close(0.0)
        raise


def site(gate: Gate) -> Site:
    """Return what the gate tells its predictors."""
    return Site(gate.features.schema, gate.classes, gate.root, gate.contract.pictures)


def record_schema(
    gate: Gate, chain: OpenChain, reference: Reference | None, unchecked: str = ""
) -> RecordSchema:
    """Return what is the same in every record of the gate while it is open.

    `unchecked` is why it runs without having passed its check; a gate that passed has no such column.
    """
    primary = chain.rungs[0].opened
    return RecordSchema(
        gate=gate.name,
        features=gate.features.schema,
        slices=gate.slices,
        classes=gate.classes,
        rungs=gate.chain.names,
        coverage=tuple(_promised(reference, name) for name in gate.chain.names),
        stages=STAGES,
        models=tuple(rung.opened.version for rung in chain.rungs),
        constants={
            "model": primary.version,
            "model_sha256": primary.sha256,
            "features_version": gate.features.version,
            "features_hash": gate.features.source_hash,
            "reference": "" if reference is None else reference.id,
            "contract_hash": gate.contract.hash,
            "libraries": libraries_hash(),
            **({"unchecked": unchecked} if unchecked else {}),
        },
    )


def _hold_to_golden(
    gate: Gate, kept: Golden, chain: OpenChain, pins: Mapping[str, str], unchecked: str
) -> None:
    """Serving must compute what training had: refuse to open where it does not, unless that was decided.

    Rungs are held to their answers where they are what they were: a rule that was rewritten since is for
    `check` to judge.
    """
    seen = golden.recompute(kept.inputs, gate.contract, gate.features)
    found = golden.feature_differences(kept, gate.contract, gate.features, seen)
    if not found:
        same = {rung.name: rung.opened for rung in chain.rungs if rung.opened.sha256 == pins.get(rung.name)}
        found = list(golden.answer_differences(kept, same, pins, seen))
    if found and unchecked:
        log.warning("gate %s opens unchecked (%s), although %s", gate.name, unchecked, found[0])
    elif found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise OpeningError(
            f"serving does not compute what training had: {found[0]}{more}. `wardline check` lists all; mend "
            "what serving computes, or raise the features' version and build the reference anew"
        )


def identity(gate: Gate, model: str, reference: Reference | None) -> dict[str, str]:
    """Return what a gate is: its name, and what its model, features, reference and contract are exactly."""
    return {
        "gate": gate.name,
        "model": model,
        "features": f"version {gate.features.version} {gate.features.source_hash[:12]}",
        "reference": "none" if reference is None else reference.id,
        "contract": gate.contract.hash[:12],
    }


def told(gate: Gate, opened: OpenGate | None) -> str:
    """Say what a gate is exactly, and once it is open its model and its reference too."""
    if opened is None:
        parts = identity(gate, "not open", None)
    else:
        primary = opened.chain.rungs[0].opened
        parts = identity(gate, f"{primary.version} {primary.sha256[:12]}", opened.reference)
    return f"<Gate {', '.join(f'{what} {which}' for what, which in parts.items())}>"


def _promised(reference: Reference | None, rung: str) -> Coverage:
    if reference is None or rung not in reference.rungs:
        return Coverage.VOID
    return reference.rungs[rung].coverage


def libraries() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can move numbers."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _MOVES_NUMBERS},
    }


def libraries_hash() -> str:
    """Return a short hash of `libraries`."""
    return hashlib.sha256(repr(sorted(libraries().items())).encode()).hexdigest()[:12]


def _reference(gate: Gate, settings: Settings) -> Reference | None:
    if gate.reference_dir is None:
        return None
    reference = load(gate.reference_dir, gate=gate.name)
    if reference.features_version != gate.features.version:
        raise BundleError(
            f"the reference was built for features version {reference.features_version}, the gate has "
            f"{gate.features.version}: build it anew with `wardline reference`"
        )
    wanted, given = tuple(reference.features), gate.features.schema.names
    if wanted != given:
        raise BundleError(
            f"the reference profiles {wanted}, the feature function gives {given}: build it anew"
        )
    if reference.classes != gate.classes:
        raise BundleError(f"the reference knows the classes {reference.classes}, the gate {gate.classes}")
    if reference.features_hash != gate.features.source_hash:
        log.warning(
            "gate %s: the feature function changed since the reference was built, but its version is still "
            "%s: raise the version, or build the reference anew", gate.name, gate.features.version,
        )  # fmt: skip
    if gate.contract.pictures:  # cameras enrolled here know more of themselves than training did
        from wardline import cameras  # noqa: PLC0415 - tables need no OpenCV

        enrolled = cameras.load(settings.home / gate.name / "cameras.json")
        known = {**reference.extra.get("cameras", {}), **enrolled}
        read = cameras.Cameras.read({"cameras": known}).by_id  # once: the guards share what is read
        reference = msgspec.structs.replace(reference, extra={**reference.extra, "cameras": read})
    return reference


def _check_columnar(gate: Gate) -> None:
    """Features declared columnar must say the same of columns as of rows."""
    if not gate.features.columnar:
        return
    rows = [gate.contract.admit(example).rows[0] for example in gate.contract.examples] * 2
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name) for row in rows]) for name in gate.contract.fields
    }
    by_row = gate.features.of_rows(rows).matrix
    by_column = gate.features.of_columns(SimpleNamespace(**columns), len(rows)).matrix
    if not np.array_equal(by_row, by_column, equal_nan=True):
        name = gate.features.schema.names[int(np.flatnonzero((by_row != by_column).any(axis=0))[0])]
        raise OpeningError(
            f"feature {name} differs between a row and a column: drop columnar=True, or mend it"
        )
