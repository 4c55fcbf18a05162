"""The chain: ordered rungs, each asked only for the rows that no rung before it could answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.breaker import Breaker
from wardline.errors import DeadlineError, DeclarationError, OverloadedError, PredictorError, UnavailableError
from wardline.inference import Batch, Outputs
from wardline.panel import Judgement
from wardline.predictor import Opened, Predictor, Site
from wardline.record import filled
from wardline.verdict import Finding, Severity, Stage

log = logging.getLogger(__name__)

Judge = Callable[[Batch], Judgement]
Rows = NDArray[np.intp]


class Answers(msgspec.Struct):
    """What the chain answered for n rows: `rungs` is -1 where no rung did; `withheld` is what a blocked
    answer would have been, by row, for a gate that fails open."""

    rungs: NDArray[np.int8]
    values: NDArray[np.float64]
    findings: dict[int, list[Finding]]
    measured: list[tuple[Rows, Judgement]]
    withheld: dict[int, tuple[int, float]]
    judged_ns: int = 0
    asked: list[tuple[int, int]] = []  # as `Records.asked`

    def merge(self, rows: Rows, other: Answers) -> None:
        """Take over what another pass answered for `rows`, which had no answer so far."""
        self.rungs[rows] = other.rungs
        self.values[rows] = other.values
        for place, findings in other.findings.items():
            self.findings.setdefault(int(rows[place]), []).extend(findings)
        for place, answer in other.withheld.items():
            self.withheld[int(rows[place])] = answer
        self.measured += [(rows[part], judgement) for part, judgement in other.measured]
        self.judged_ns += other.judged_ns
        self.asked += other.asked


class Chain:
    """Ordered predictors: the model, a simpler model, a rule. Past the last one the gate abstains.

    A rung that raises, runs out of time, answers nonsense or is blocked by an output guard hands its rows to
    the next. After `failures` failed calls in a row its breaker opens, and a probe is let through every
    `reset_s` seconds.
    """

    def __init__(self, *predictors: Predictor, failures: int = 5, reset_s: float = 30.0) -> None:
        names = [predictor.name for predictor in predictors]
        if not predictors:
            raise DeclarationError("a chain needs at least one rung")
        if len(set(names)) != len(names):
            raise DeclarationError(f"two rungs have one name, give each its own: {names}")
        self.predictors = predictors
        self.names = tuple(names)
        self.failures = failures
        self.reset_s = reset_s

    def open(self, site: Site, pins: Mapping[str, str]) -> OpenChain:
        """Open every rung, with the model hash the reference pinned for it."""
        rungs: list[Rung] = []
        try:
            for predictor in self.predictors:
                opened = predictor.open(msgspec.structs.replace(site, pinned=pins.get(predictor.name)))
                rungs.append(Rung(predictor, opened, Breaker(self.failures, self.reset_s), len(site.classes)))
        except Exception:
            for rung in rungs:
                rung.opened.close()
            raise
        return OpenChain(tuple(rungs))


@dataclass
class OpenChain:
    """The rungs, ready to answer."""

    rungs: tuple[Rung, ...]
    warm_ms: float = 0.0
    """How long the slowest rung took for one row, once warm."""

    @property
    def bounded(self) -> bool:
        """Whether every rung answers at once or gives up at a deadline, and waits for nothing but the CPU."""
        rungs = [rung.predictor for rung in self.rungs]
        waits = any(getattr(each, "waits", False) for each in rungs)
        return not waits and all(each.instant or each.deadline_ms is not None for each in rungs)

    def answer(self, batch: Batch, blocked: NDArray[np.bool_] | None, judge: Judge) -> Answers:
        """Ask rung after rung until every row has an answer or there is no rung left.

        `blocked` marks rows an input guard blocked (`None`: no row): only rungs that declare
        `answers_blocked` are asked about those.
        """
        count = len(batch)
        answers = Answers(filled(count, -1, np.int8), filled(count, np.nan, np.float64), {}, [], {})
        waiting = _everyone(count)
        for number, rung in enumerate(self.rungs):
            if blocked is None or rung.predictor.answers_blocked:
                asked = waiting
            else:
                asked = waiting[~blocked[waiting]]
            if not asked.size:
                continue
            answers.asked.append((number, time.perf_counter_ns() if number else 0))
            reply = rung.ask(batch.only(asked), answers.findings, asked)
            if reply is not None:
                rows = asked if len(reply.rows) == len(asked) else asked[reply.rows]
                taken = self._accept(batch, rows, reply.outputs, number, judge=judge, answers=answers)
                if taken == count:
                    break  # the common case: the primary answered them all
            waiting = np.flatnonzero(answers.rungs < 0)
            if not waiting.size:
                break
        return answers

    def _accept(
        self, batch: Batch, rows: Rows, outputs: Outputs, number: int, *, judge: Judge, answers: Answers
    ) -> int:
        """Let the output guards speak; take what they do not block, and say how many that was."""
        started = time.perf_counter_ns()
        judgement = judge(batch.answered(rows, self.rungs[number].name, outputs))
        for place, findings in judgement.findings.items():
            answers.findings.setdefault(int(rows[place]), []).extend(findings)
        taken = rows
        if judgement.blocked is None:
            if len(rows) == len(batch):
                answers.rungs.fill(number)
                answers.values = outputs.values
            else:
                answers.rungs[rows] = number
                answers.values[rows] = outputs.values
            answers.measured.append((rows, judgement))
        else:
            kept = np.flatnonzero(~judgement.blocked)
            taken = rows[kept]
            answers.rungs[taken] = number
            answers.values[taken] = outputs.values[kept]
            answers.measured.append((taken, judgement.take(kept)))
            for place in np.flatnonzero(judgement.blocked).tolist():
                answers.withheld.setdefault(int(rows[place]), (number, float(outputs.values[place])))
        answers.judged_ns += time.perf_counter_ns() - started
        return len(taken)

    def warm(self, batch: Batch) -> list[str]:
        """Let every rung answer twice without its deadline: a first run allocates. Say which did not."""
        problems = []
        for rung in self.rungs:
            try:
                rung.opened.predict(batch, None)
                began = time.perf_counter()
                outputs = rung.sound(rung.opened.predict(batch, None), len(batch))
                self.warm_ms = max(self.warm_ms, (time.perf_counter() - began) * 1000)
            except Exception as error:  # whatever it raises, this rung cannot answer
                problems.append(f"rung {rung.name} does not answer the contract's own example: {error!r}")
                continue
            if not np.isfinite(outputs.values).all():
                problems.append(f"rung {rung.name} answers the contract's own example with no finite number")
        return problems

    def close(self) -> None:
        """Close every rung."""
        for rung in self.rungs:
            rung.opened.close()


class Reply(msgspec.Struct):
    """The places (within what was asked) that a rung answered, and its answers."""

    rows: Rows
    outputs: Outputs


@dataclass
class Rung:
    """One opened predictor with its breaker: turns everything that can go wrong into findings."""

    predictor: Predictor
    opened: Opened
    breaker: Breaker
    classes: int
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def name(self) -> str:
        """The rung's name."""
        return self.predictor.name

    def ask(self, batch: Batch, findings: dict[int, list[Finding]], asked: Rows) -> Reply | None:
        """Ask for every row; find the rows that make the predictor fail, so that only they go without.

        What went wrong is added to `findings` under the row's number in `asked`.
        """
        now = self.clock()
        if not self.breaker.allows(now):
            self._note(findings, asked, "chain.breaker_open", "the breaker is open after repeated failures")
            return None
        limit = self.predictor.deadline_ms
        deadline = None if limit is None else now + limit / 1000
        try:
            outputs = self.sound(self.opened.predict(batch, deadline), len(batch))
        except OverloadedError as error:
            self._note(findings, asked, error.reason, str(error))
            return None
        except Exception as error:  # whatever a model raises, its rows go to the next rung
            reply = self._isolate(batch, deadline, error, findings, asked)
        else:
            reply = Reply(_everyone(len(batch)), outputs)
        if reply is None:
            self.breaker.failed(self.clock())
            return None
        self.breaker.succeeded()
        return self._finite(reply, findings, asked)

    def _isolate(
        self,
        batch: Batch,
        deadline: float | None,
        error: Exception,
        findings: dict[int, list[Finding]],
        asked: Rows,
    ) -> Reply | None:
        """Bisect a failed batch within its deadline; the rows that fail alone are the poison."""
        rows: list[Rows] = []
        outputs: list[Outputs] = []
        todo: list[tuple[Rows, Exception | None]] = [(np.arange(len(batch)), error)]
        while todo:
            part, raised = todo.pop()
            if raised is None:
                try:
                    outputs.append(self.sound(self.opened.predict(batch.only(part), deadline), len(part)))
                    rows.append(part)
                    continue
                except Exception as again:  # as above
                    raised = again
            late = isinstance(raised, DeadlineError) or (deadline is not None and self.clock() >= deadline)
            if late or len(part) == 1 or isinstance(raised, UnavailableError):
                reason = "chain.deadline" if late else getattr(raised, "reason", "chain.error")
                log.warning("rung %s did not answer %d row(s): %r", self.name, len(part), raised)
                self._note(findings, asked[part], reason, type(raised).__name__)
            else:
                half = len(part) // 2
                todo += [(part[half:], None), (part[:half], None)]
        if not rows:
            return None
        return Reply(np.concatenate(rows), _join(outputs))

    def sound(self, outputs: Outputs, count: int) -> Outputs:
        """Refuse an answer that is not one number, or one distribution over the classes, a row."""
        if outputs.values.shape != (count,):
            raise PredictorError(f"{self.name} answered shape {outputs.values.shape} for {count} rows")
        probabilities = outputs.probabilities
        if probabilities is not None and probabilities.shape != (count, self.classes):
            raise PredictorError(
                f"{self.name} gave probabilities of shape {probabilities.shape}, "
                f"the gate has {self.classes} classes"
            )
        return outputs

    def _finite(self, reply: Reply, findings: dict[int, list[Finding]], asked: Rows) -> Reply | None:
        """Drop answers that are not numbers: NaN is a fault of the model, never an answer."""
        outputs = reply.outputs
        checked = outputs.values if outputs.probabilities is None else outputs.probabilities
        named = self.classes and outputs.probabilities is None  # a likeliest class is always a class
        if not named and isfinite(_total(checked)):
            return reply
        good = np.isfinite(outputs.values)
        if outputs.probabilities is not None:
            good &= np.isfinite(outputs.probabilities).all(axis=1)
        elif named:
            good &= (outputs.values >= 0) & (outputs.values < self.classes)
        if good.all():
            return reply
        self._note(findings, asked[reply.rows[~good]], "chain.not_finite", "not a finite number or a class")
        kept = np.flatnonzero(good)
        return Reply(reply.rows[kept], outputs.take(kept)) if kept.size else None

    def _note(self, findings: dict[int, list[Finding]], rows: Rows, reason: str, observed: str) -> None:
        finding = Finding(
            "chain", Stage.CHAIN, Severity.BLOCK, reason, self.name, observed, "an answer", 1.0, 1.0
        )
        for row in rows.tolist():
            findings.setdefault(row, []).append(finding)


_ALONE = np.zeros(1, dtype=np.intp)
_ALONE.flags.writeable = False


def _everyone(count: int) -> Rows:
    """Number the rows of a batch; most have one, and share its number."""
    return _ALONE if count == 1 else np.arange(count)


def _total(values: NDArray[np.float64]) -> float:
    """Sum up: finite only if every term is. For the few numbers of one row Python is faster than numpy."""
    return float(sum(values.ravel().tolist()) if values.size < 16 else values.sum())


def _join(outputs: Sequence[Outputs]) -> Outputs:
    parts = [output.probabilities for output in outputs]
    known = [part for part in parts if part is not None]
    return Outputs(
        np.concatenate([output.values for output in outputs]),
        np.concatenate(known) if len(known) == len(parts) else None,
        {name: np.concatenate([output.scores[name] for output in outputs]) for name in outputs[0].scores},
    )
