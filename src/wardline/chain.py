"""The chain: ordered rungs, each asked only for the rows that no rung before it could answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.breaker import Breaker
from wardline.errors import DeclarationError
from wardline.inference import Batch, Outputs
from wardline.panel import Judgement
from wardline.predictor import Predictor, Site
from wardline.record import filled
from wardline.rung import Rows, Rung, everyone
from wardline.verdict import Finding

Judge = Callable[[Batch], Judgement]


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

    def answer(
        self, batch: Batch, blocked: NDArray[np.bool_] | None, judge: Judge, until: float | None = None
    ) -> Answers:
        """Ask rung after rung until every row has an answer or there is no rung left.

        `blocked` marks rows an input guard blocked (`None`: no row): only rungs that declare
        `answers_blocked` are asked about those. Past `until` (monotonic) only rungs that take no time are.
        """
        count = len(batch)
        answers = Answers(filled(count, -1, np.int8), filled(count, np.nan, np.float64), {}, [], {})
        waiting = everyone(count)
        for number, rung in enumerate(self.rungs):
            if blocked is None or rung.predictor.answers_blocked:
                asked = waiting
            else:
                asked = waiting[~blocked[waiting]]
            if not asked.size:
                continue
            answers.asked.append((number, time.perf_counter_ns() if number else 0))
            reply = rung.ask(batch.only(asked), answers.findings, asked, until)
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
