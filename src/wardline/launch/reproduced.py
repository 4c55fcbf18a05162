"""Lines about the reference: is it this gate's, does serving reproduce it, what moved since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wardline.golden import Difference
from wardline.launch.environment import environment, moved
from wardline.launch.inspection import Inspection
from wardline.launch.lines import Line, failed, passed, warned
from wardline.reference import Reference
from wardline.verdict import Coverage

FEWEST, FEW = 200, 1000
"""Rows below which a reference says too little (a window of the monitor has 200), or little."""

_ANEW = "build the reference anew with `wardline reference`"


def lines(found: Inspection) -> Iterator[Line]:
    """Check reference, features version, golden rows, environment and slices."""
    if found.reference is None:
        yield failed("reference", found.without_reference, _ANEW, ["reference"])
        return
    yield _matches(found, found.reference)
    yield _version(found, found.reference)
    yield _golden(found)
    yield _environment(found, found.reference)
    yield _slices(found, found.reference)


def _matches(found: Inspection, reference: Reference) -> Line:
    """The reference was made of these features, these models and this contract, from enough rows."""
    gate = found.gate
    wrong: list[tuple[str, str]] = []
    if reference.features_version != gate.features.version:
        wrong.append(("features", f"it was built for features version {reference.features_version}, the gate "
                                  f"has {gate.features.version}"))  # fmt: skip
    if tuple(reference.features) != gate.features.schema.names:
        strange = sorted(set(reference.features) ^ set(gate.features.schema.names)) or ["their order"]
        wrong.append((strange[0], f"it profiles other features: {', '.join(strange)}"))
    if reference.classes != gate.classes:
        wrong.append(("classes", f"it knows the classes {reference.classes}, the gate {gate.classes}"))
    for name, rung in found.rungs.items():
        profile = reference.rungs.get(name)
        if profile is None:
            wrong.append((name, f"it never saw rung {name}"))
        elif profile.sha256 and profile.sha256 != rung.sha256 and not _instant(found, name):
            wrong.append((name, f"model {name} is {rung.sha256[:12]}, it was built for "
                                f"{profile.sha256[:12]}: an older or newer model file"))  # fmt: skip
    few = f"it has {reference.rows} rows, {FEWEST} are the least"
    if not wrong and reference.rows < FEWEST:
        return failed("reference", few, "give it more training rows", ["rows"])
    if wrong:
        do = f"restore the model that belongs to it, or {_ANEW}"
        return failed("reference", "; ".join(says for _, says in wrong), do, [who for who, _ in wrong])
    return _doubtful(found, reference)


def _doubtful(found: Inspection, reference: Reference) -> Line:
    rules = [name for name, rung in found.rungs.items() if _instant(found, name)
             and reference.rungs[name].sha256 not in ("", rung.sha256)]  # fmt: skip
    primary = reference.rungs[found.gate.chain.names[0]]
    states = any(hasattr(guard, "level") for guard in found.gate.guards)
    if reference.contract_hash != found.gate.contract.hash:
        return warned("reference", "the contract changed since it was built", _ANEW, ["contract"])
    if rules:
        return warned("reference", f"the rule {rules[0]} changed since it was measured", _ANEW, rules)
    if states and primary.coverage is Coverage.VOID:
        says = f"no interval or set holds its level: {primary.coverage_reason}"
        return warned("reference", says, "give held-out rows with --calibration", ["coverage"])
    if reference.rows < FEW:
        return warned(
            "reference", f"it has only {reference.rows} rows", "give it more training rows", ["rows"]
        )
    return passed("reference", f"{reference.id}, {reference.rows:,} rows, fits model, features and contract")


def _instant(found: Inspection, name: str) -> bool:
    return any(each.name == name and each.instant for each in found.gate.chain.predictors)


def _version(found: Inspection, reference: Reference) -> Line:
    """A feature function is what its version says it is."""
    gate = found.gate
    same = reference.features_hash == gate.features.source_hash
    if same or reference.features_version != gate.features.version:
        return passed("features version", f"version {gate.features.version}, as built for")
    changed = _said(found.features) or ["no golden row comes out otherwise"]
    return failed(
        "features version",
        f"the feature function changed, its version is still {gate.features.version}: {changed[0]}",
        f"raise version= in @features and {_ANEW}",
        [each.subject for each in found.features] or ["features"],
        changed,
    )


def _golden(found: Inspection) -> Line:
    if found.golden is None:
        return failed("golden rows", "the reference keeps none", _ANEW, ["golden"])
    if found.differences:
        count = len(found.differences)
        return failed(
            "golden rows",
            f"{count} {'differs' if count == 1 else 'differ'} from training: {found.differences[0]}",
            "mend what serving computes; if training was wrong, raise the features version and build anew",
            [each.subject for each in found.differences],
            _said(found.differences),
        )
    if found.broken:
        return warned("golden rows", "features reproduce; rungs that do not open were not asked",
                      "mend the rungs", sorted(found.broken))  # fmt: skip
    kept = found.golden
    return passed("golden rows", f"{len(kept.ids)} rows reproduce: {kept.features.shape[1] + len(kept.text)} "
                                 f"features and {len(kept.answers)} rungs")  # fmt: skip


def _said(differences: Sequence[Difference]) -> list[str]:
    return [str(each) for each in differences]


def _environment(found: Inspection, reference: Reference) -> Line:
    """Another library matters as far as the golden rows show it to."""
    recorded = {**reference.environment, **reference.libraries}
    changes = moved(recorded, environment())
    if not changes:
        return passed("environment", f"as recorded: {len(recorded)} versions and abilities")
    said = "; ".join(changes)
    names = [change.split(" ")[0] for change in changes]
    if found.differences:
        return failed("environment", f"{said}; and golden rows differ",
                      "install what the reference recorded, or build it anew here", names)  # fmt: skip
    if found.golden is None:
        return warned("environment", said, f"{_ANEW}: golden rows would say whether it matters", names)
    return passed("environment", f"{said}; every golden row reproduces, so it moves no number")


def _slices(found: Inspection, reference: Reference) -> Line:
    """Every declared slice has a baseline to be compared with; one of rare values has only the whole."""
    known = reference.rungs.get(found.gate.chain.names[0])
    have = {} if known is None else known.slices
    bare = [name for name in found.gate.slices if not any(key.startswith(f"{name}=") for key in have)]
    rare = [
        name for name in bare if any(note.startswith(f"slice {name}: no value") for note in reference.notes)
    ]
    if set(bare) - set(rare):
        absent = [name for name in bare if name not in rare]
        return failed("slices", f"no baseline for {', '.join(absent)}", _ANEW, absent)
    if rare:
        says = f"every value of {', '.join(rare)} is too rare for a baseline: the whole stands for it"
        return warned("slices", says, "keep it to find rows by, or declare a coarser slice", rare)
    return passed("slices", f"{len(have)} baselines for {len(found.gate.slices)} slices")
