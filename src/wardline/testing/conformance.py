"""The conformance suite: what every guard must hold to, ours and yours.

    from wardline.testing import guard_checks

    @pytest.mark.parametrize("check", guard_checks())
    def test_my_guard_conforms(check):
        check(MyGuard().prepare(reference), batch)

A check takes a guard as the gate would hold it (prepared, where it prepares) and a batch of its stage
(answered, for OUTPUT); it raises AssertionError with a sentence. Give it a new guard for each check.
"""

from __future__ import annotations

import copy
import gc
import itertools
import math
import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import numpy as np

from wardline.errors import OpeningError
from wardline.guard import Guard, Prepares, Screens
from wardline.inference import Batch, Inference
from wardline.testing.examples import example_reference
from wardline.testing.hostile import hostile, inferences
from wardline.verdict import Finding, Measured, Severity

Check = Callable[[Guard, Batch], None]

_REASON = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_STERNNESS = {severity: place for place, severity in enumerate(Severity)}
_FEW = 8


def guard_checks() -> tuple[Check, ...]:
    """Return every check, each a function of a guard and a batch, named by what it holds a guard to."""
    return (
        says_the_same_every_time,
        leaves_no_trace,
        gives_finite_scores,
        is_sterner_for_higher_scores,
        survives_anything,
        signs_its_findings,
        keeps_reasons_few,
        costs_a_bounded_amount,
        is_a_frozen_value,
        reads_well,
        screens_as_it_checks,
        opens_or_says_why_not,
    )


def check_guard(guard: Guard, batch: Batch) -> None:
    """Hold one guard to every check, each with a copy of the guard."""
    for check in guard_checks():
        check(copy.copy(guard), batch)


def says_the_same_every_time(guard: Guard, batch: Batch) -> None:
    """The finding about a row does not depend on the rows before it, their order, or earlier calls."""
    rows = inferences(batch)
    forth = [guard.check(row) for row in rows]
    back = [guard.check(row) for row in reversed(rows)][::-1]
    fresh = [copy.copy(guard).check(row) for row in rows]
    for first, second, third in zip(forth, back, fresh, strict=True):
        _hold(first == second == third, f"{first} and {second} are about one and the same row: keep no state")


def leaves_no_trace(guard: Guard, batch: Batch) -> None:
    """Judging changes neither the row nor the guard."""
    before, state = _frozen(batch), _state(guard)
    for inference in inferences(batch):
        seen = _seen(inference)
        guard.check(inference)
        _hold(_seen(inference) == seen, "check changed the inference it was given")
    if isinstance(guard, Screens):
        guard.screen(batch)
    _hold(_frozen(batch) == before, "screen changed the batch it was given")
    _hold(_state(guard) == state, "judging changed the guard: what needs memory belongs to the monitor")


def gives_finite_scores(guard: Guard, batch: Batch) -> None:
    """Scores and thresholds are numbers, whatever the row holds; a severity has its reason in them."""
    for finding in _all_findings(guard, batch):
        _hold(
            math.isfinite(finding.score) and math.isfinite(finding.threshold),
            f"score {finding.score} against {finding.threshold}: bound the score, infinity does not compare",
        )
        if finding.severity is not Severity.OK:
            _hold(
                finding.score >= finding.threshold,
                f"{finding.severity} at {finding.score}, below its threshold {finding.threshold}",
            )


def is_sterner_for_higher_scores(guard: Guard, batch: Batch) -> None:
    """A higher score never gets a milder severity, and equal scores get the same: use `judge`.

    Outside the order is only what `judge` blocks because its score was NaN: the threshold of that is 0.
    """
    found = sorted(
        {
            (finding.score, _STERNNESS[finding.severity])
            for finding in _all_findings(guard, batch)
            if finding.threshold or finding.severity is not Severity.BLOCK
        }
    )
    for (score, severity), (higher, sterner) in itertools.pairwise(found):
        _hold(
            severity <= sterner if score < higher else severity == sterner,
            f"{list(Severity)[severity]} for a score of {score}, {list(Severity)[sterner]} for {higher}",
        )


def survives_anything(guard: Guard, batch: Batch) -> None:
    """Missing, infinite and extreme features and answers get a finding, and neither error nor warning."""
    for name, each in hostile(batch).items():
        for inference in inferences(each):
            try:
                with np.errstate(all="raise"):
                    finding = guard.check(inference)
            except Exception as error:
                raise AssertionError(f"{name}: {error!r}; say it in a finding instead") from error
            _hold(isinstance(finding, Finding), f"{name}: check returned {finding!r}, not a Finding")


def signs_its_findings(guard: Guard, batch: Batch) -> None:
    """Every finding carries the guard's own name and stage, and a dotted reason in lower case."""
    for finding in _all_findings(guard, batch):
        _hold(finding.guard == guard.name, f"{finding.guard!r} signs for {guard.name!r}: give judge `self`")
        _hold(finding.stage is guard.stage, f"a finding of stage {finding.stage} by a guard of {guard.stage}")
        _hold(
            _REASON.fullmatch(finding.reason) is not None,
            f"reason {finding.reason!r} is not dotted lower case, as `range.outside` is",
        )


def keeps_reasons_few(guard: Guard, batch: Batch) -> None:
    """Reasons are a small closed set: values go to `observed`, fields to `subject`; reasons label metrics."""
    reasons = {finding.reason for finding in _all_findings(guard, batch)}
    _hold(len(reasons) <= _FEW, f"{len(reasons)} reasons, over {_FEW}: {sorted(reasons)[:_FEW]}...")


def costs_a_bounded_amount(guard: Guard, batch: Batch) -> None:
    """A row costs lines of Python in proportion to its features at most, and no more at the last call."""
    for inference in inferences(batch):
        width = len(inference.features) + len(inference.probabilities or ())
        first = _lines(guard, inference)
        _hold(first <= 500 + 50 * width, f"{first} lines of Python for {width} features and classes")
        for _ in range(3):
            guard.check(inference)
        again = _lines(guard, inference)
        _hold(again <= first, f"the first call ran {first} lines, a later one {again}: its cost grows")


def is_a_frozen_value(guard: Guard, batch: Batch) -> None:  # noqa: ARG001 - every check takes both
    """A guard is a frozen, hashable value: its copy is equal to it."""
    try:
        setattr(guard, "name", guard.name)  # noqa: B010 - the protocol has no setter, that is the point
    except AttributeError:
        pass
    else:
        raise AssertionError("its name can be set: make it a frozen dataclass")
    twin = copy.copy(guard)
    _hold(twin == guard, "its copy is not equal to it: make it a dataclass, with eq")
    try:
        _hold(hash(twin) == hash(guard), "its copy has another hash")
    except TypeError as error:
        raise AssertionError(f"{error}: hold tuples, not lists, or exclude the field from compare") from error


def reads_well(guard: Guard, batch: Batch) -> None:  # noqa: ARG001 - every check takes both
    """The repr is its declaration: the class and what was set, on one short line."""
    text = repr(guard)
    _hold(
        text.startswith(type(guard).__name__ + "("), f"the repr {text[:50]!r} does not begin with its class"
    )
    _hold(" at 0x" not in text, "the repr holds an address: exclude private fields with repr=False")
    _hold(len(text) <= 400 and "\n" not in text, "the repr is long: exclude private fields with repr=False")


def screens_as_it_checks(guard: Guard, batch: Batch) -> None:
    """`screen` clears no row that `check` would not, and measures the same, of all rows that check does."""
    if not isinstance(guard, Screens):
        return
    for name, each in {"as it is": batch, **hostile(batch)}.items():
        try:
            with np.errstate(all="raise"):
                screened = guard.screen(each)
        except Exception as error:
            raise AssertionError(f"{name}: screen raised {error!r}") from error
        suspect = screened.suspect
        _hold(
            suspect.dtype == np.bool_ and suspect.shape == (len(each),),
            f"{name}: suspect has shape {suspect.shape} and type {suspect.dtype} for {len(each)} rows",
        )
        for place, inference in enumerate(inferences(each)):
            finding = guard.check(inference)
            _hold(
                bool(suspect[place]) or finding.severity is Severity.OK,
                f"{name}: screen cleared a row of which check says {finding}",
            )
            noted = finding.measured or Measured()
            for key in Measured.__struct_fields__:
                if not suspect[place] or key in screened.measured:
                    column = screened.measured.get(key)
                    one = None if column is None else column[place]
                    _hold(_same(getattr(noted, key), one), f"{name}: {key} {one} on screen, not {noted}")


def opens_or_says_why_not(guard: Guard, batch: Batch) -> None:
    """A reference without what the guard needs is an OpeningError, or a guard that still answers."""
    if not isinstance(guard, Prepares):
        return
    columns = {"of another gate": [0.0, 1.0, 2.0, 3.0]}
    for rungs in ({}, {"another rung": [1.0, 2.0]}, {"another rung": [[0.5, 0.5], [0.1, 0.9]]}):
        try:
            prepared = guard.prepare(example_reference(columns, rungs=rungs))
        except OpeningError:
            continue
        except Exception as error:
            raise AssertionError(f"prepare raised {error!r}: raise OpeningError, with what to do") from error
        survives_anything(prepared, batch)


def _hold(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


def _all_findings(guard: Guard, batch: Batch) -> list[Finding]:
    batches = [batch, *hostile(batch).values()]
    return [guard.check(inference) for each in batches for inference in inferences(each)]


def _lines(guard: Guard, inference: Inference) -> int:
    """Count the lines of Python that one check runs: the same on every machine, unlike time."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001 - as sys.settrace calls it
        nonlocal count
        count += event == "line"
        return trace

    outer, collects = sys.gettrace(), gc.isenabled()
    gc.disable()  # its callbacks are Python too, and not the guard's
    sys.settrace(trace)
    try:
        guard.check(inference)
    finally:
        sys.settrace(outer)
        if collects:
            gc.enable()
    return count


def _seen(inference: Inference) -> tuple[Any, ...]:
    """Everything of an inference that could be changed, in a form that NaN compares equal in."""
    fields = msgspec.structs.asdict(inference)
    fields["vector"] = inference.vector.tobytes()
    return tuple(repr(value) for value in fields.values())


def _frozen(batch: Batch) -> tuple[Any, ...]:
    outputs = batch.outputs
    arrays = () if outputs is None else (outputs.values, outputs.probabilities)
    numbers = [None if array is None else array.tobytes() for array in (batch.block.matrix, *arrays)]
    return (*numbers, repr(batch.block.text), repr(batch.rows))


def _state(guard: Guard) -> str:
    """Tell everything a guard holds: in slots, inherited ones too, and in its dictionary."""
    slots = (vars(kind).get("__slots__", ()) for kind in type(guard).__mro__)
    names = [name for each in slots for name in ((each,) if isinstance(each, str) else each)]
    held = {name: getattr(guard, name) for name in names if not name.startswith("__")}
    return repr(held | getattr(guard, "__dict__", {}))


def _same(checked: Any, screened: Any) -> bool:
    """Compare one row's measurement with its row of a column, where nothing measured is NaN."""
    if checked is None:
        return screened is None or bool(np.isnan(np.asarray(screened, dtype=np.float64)).all())
    if screened is None:
        return False
    return bool(np.allclose(np.asarray(checked, float), np.asarray(screened, float), rtol=1e-9, atol=0.0))
