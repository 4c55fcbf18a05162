"""Lines about a short real run: every rung asked, deadlines timed, rates counted, the log weighed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wardline import golden, opening
from wardline.gate import Gate, OpenGate
from wardline.inference import Batch
from wardline.launch.inspection import Inspection
from wardline.launch.lines import Line, failed, passed, warned
from wardline.predictor import Opened, Site
from wardline.settings import Settings, StoreSettings
from wardline.stats.binomial import at_least
from wardline.verdict import ACTIONS, Action

CALLS = 200
"""Single rows a rung is timed on; the best of three runs counts, for the machine has other work too."""

FALSE_ALARM = 0.01
"""How often a gate that keeps its declared rates may fail the line by the luck of the sample."""

_BYTES = 1e9


def lines(found: Inspection, clock: Callable[[], float] = time.perf_counter) -> Iterator[Line]:
    """Check rungs, deadlines, rates and the log."""
    yield _rungs(found)
    yield _rule(found)
    yield _deadlines(found, clock)
    try:  # the log's home may be no directory, the models no models: each is a line and no crash
        run = rehearse(found.gate, found.settings, _typical(found))
    except Exception as error:  # whatever keeps the gate from running is what the line says
        says = f"it does not run: {error}" if str(error) else f"it does not run: {type(error).__name__}"
        yield failed("rates", says, "mend the lines above first", ["gate"])
        yield failed("log", says, "mend the lines above first", ["gate"])
        return
    yield _rates(found, run)
    yield _log(found, run)


@dataclass(frozen=True)
class Run:
    """What came of rows that walked the whole path: how many of each action, bytes of log a row."""

    rows: int
    actions: Counter[Action]
    record_bytes: float
    problems: Sequence[str]


def rehearse(gate: Gate, settings: Settings, inputs: Sequence[str | Mapping[str, Any]]) -> Run:
    """Let rows walk the path of an opened gate of its own, into a log of its own beside the real one."""
    settings.home.mkdir(parents=True, exist_ok=True)
    payloads = [json.loads(each) if isinstance(each, str) else each for each in inputs]
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".check-") as folder:
        aside = dataclasses.replace(settings, home=Path(folder), store=StoreSettings())
        now = [time.time()]
        opened = OpenGate(gate, lambda: now[0], *opening.open_parts(gate, aside, None, golden_rows=False))
        try:
            problems = opened.warm()
            actions: Counter[Action] = Counter()
            contract = gate.contract.afresh()
            for payload in payloads:
                admitted = contract.admit(payload)
                now[0] = _moment(gate, admitted.rows, now[0])
                records = opened.walk(lambda a=admitted: a, "check", "0" * 32)  # type: ignore[misc]
                actions.update(ACTIONS[code] for code in records.actions.tolist())
        finally:
            opened.close()
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return Run(len(payloads), actions, size / len(payloads), problems)


def _typical(found: Inspection) -> Sequence[str | Mapping[str, Any]]:
    kept = found.golden
    if kept is not None and kept.typical:
        return kept.inputs[: kept.typical]
    return found.gate.contract.examples


def _moment(gate: Gate, rows: Sequence[object], otherwise: float) -> float:
    """Old rows are judged as of their own time: they were fresh then."""
    stamps = [getattr(row, name, None) for row in rows for name in gate.contract.stamps]
    return max((stamp.timestamp() for stamp in stamps if stamp is not None), default=otherwise)


def _rungs(found: Inspection) -> Line:
    """Every rung answers every golden row with a number."""
    wrong = dict(found.broken)
    if found.seen is not None and len(found.seen.places):
        for name, rung in found.rungs.items():
            lost = int((~np.isfinite(golden.answers(rung, found.seen.batch))).any(axis=1).sum())
            if lost:
                wrong[name] = f"does not answer {lost} of {len(found.seen.places)} golden rows"
    else:
        wrong = wrong or dict.fromkeys(found.rungs, "could not be asked: no golden row gets as far")
    if wrong:
        details = [f"{name}: {says}" for name, says in wrong.items()]
        return failed("rungs", details[0], "a rung that cannot answer is no fallback: mend or remove it",
                      list(wrong), details)  # fmt: skip
    return passed("rungs", " → ".join([*found.rungs, "abstain"]) + ": each answers")


def _rule(found: Inspection) -> Line:
    """One rung answers where no model file can be read at all."""
    rules = [each for each in found.gate.chain.predictors if each.instant]
    if not rules:
        return warned("rule", "no rung answers without a model", "end the chain with Rule(...)", ["chain"])
    seen = found.seen
    with tempfile.TemporaryDirectory() as empty:
        site = Site(found.gate.features.schema, found.gate.classes, Path(empty))
        for each in rules:
            try:
                opened = each.open(site)
                if seen is not None and len(seen.places):
                    opened.predict(seen.batch, None)
            except Exception as error:
                says = f"{each.name} fails in a project without models: {error or type(error).__name__}"
                return failed("rule", says, "a rule is plain arithmetic on the row", [each.name])
    return passed("rule", f"{rules[-1].name} needs no model")


def _deadlines(found: Inspection, clock: Callable[[], float]) -> Line:
    """Of calls of one row, 99 in a hundred stay within what was declared."""
    unbounded, late, told = [], {}, []
    for predictor in found.gate.chain.predictors:
        rung = found.rungs.get(predictor.name)
        if predictor.deadline_ms is None:
            unbounded += [] if predictor.instant else [predictor.name]
        elif rung is not None and found.seen is not None and len(found.seen.places):
            p99 = _p99(rung, found.seen.batch, clock, predictor.deadline_ms)
            told.append(f"{predictor.name} {p99:.2g} of {predictor.deadline_ms:g} ms")
            if p99 > predictor.deadline_ms:
                late[predictor.name] = told[-1]
    if late:
        says = f"P99 of {CALLS} calls: {'; '.join(late.values())}"
        return failed(
            "deadlines", says, "a smaller model, a larger machine, or a longer deadline", list(late)
        )
    if unbounded:
        says = f"{', '.join(unbounded)} may take as long as it likes"
        return warned("deadlines", says, "declare deadline_ms=", unbounded)
    return passed("deadlines", f"P99: {', '.join(told) or 'no model to wait for'}")


def _p99(rung: Opened, batch: Batch, clock: Callable[[], float], limit: float) -> float:
    best = np.inf
    for _ in range(3):
        took = np.empty(CALLS)
        for call in range(CALLS):
            one = batch.only(np.array([call % len(batch)]))
            began = clock()
            golden.answers(rung, one)
            took[call] = (clock() - began) * 1e3
        best = min(best, float(np.percentile(took, 99)))
        if best <= limit:
            break
    return best


def _rates(found: Inspection, run: Run) -> Line:
    """On rows like the reference, fallback and abstention stay within what was declared."""
    launch = found.gate.launch
    declared = {Action.FALLBACK: launch.fallback_rate, Action.ABSTAIN: launch.abstain_rate}
    open_ended = [action.value for action, most in declared.items() if most is None]
    open_ended += [
        action.value for action, most in declared.items() if most is not None and not 0 <= most < 1
    ]
    if open_ended:
        says = f"no bound on the rate of {' and '.join(open_ended)}"
        return failed("rates", says, "declare launch=Launch(fallback_rate=..., abstain_rate=...)", open_ended)
    if run.problems:
        return failed("rates", run.problems[0], "mend the rung", ["chain"])
    told, over = [], []
    for action, most in declared.items():
        told.append(f"{action.value} {run.actions[action]}/{run.rows} (at most {most:.3g})")
        if most is not None and at_least(run.actions[action], run.rows, most) < FALSE_ALARM:
            over.append(action.value)
    if over:
        return failed(
            "rates", "; ".join(told), "find out what blocks ordinary rows: `wardline records`", over
        )
    return passed("rates", "; ".join(told))


def _log(found: Inspection, run: Run) -> Line:
    """The log was written, and the disk has room for the days that were declared."""
    launch, home = found.gate.launch, found.settings.home
    if not launch.rows_per_day or not launch.keep_days:
        return failed("log", "how many rows a day are kept for how many days is not declared",
                      "declare launch=Launch(rows_per_day=..., keep_days=...)", ["rows_per_day"])  # fmt: skip
    records = home / found.gate.name / "records"
    place = records if records.exists() else home
    try:  # the run had a log of its own: where the real one goes must take a file too
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        says = f"nothing can be written in {place} ({error.strerror})"
        return failed("log", says, "let the server write there, or set another WARDLINE_HOME", ["records"])
    need = run.record_bytes * launch.rows_per_day * launch.keep_days
    free = shutil.disk_usage(place).free
    told = (
        f"{run.record_bytes:.0f} bytes a row × {launch.rows_per_day:,.0f} a day × {launch.keep_days:g} days "
        f"= {need / _BYTES:.2g} GB, {free / _BYTES:.2g} GB free in {place}"
    )
    if need > free:
        return failed("log", told, "a larger disk, fewer days, or another WARDLINE_HOME", ["disk"])
    return passed("log", told)
