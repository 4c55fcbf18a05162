"""One rung of the chain: everything that can go wrong with a predictor becomes a finding."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.breaker import Breaker
from wardline.errors import DeadlineError, OverloadedError, PredictorError, UnavailableError
from wardline.inference import Batch, Outputs
from wardline.predictor import Opened, Predictor
from wardline.verdict import Finding, Severity, Stage

log = logging.getLogger(__name__)

Rows = NDArray[np.intp]


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

    def ask(
        self, batch: Batch, findings: dict[int, list[Finding]], asked: Rows, until: float | None = None
    ) -> Reply | None:
        """Ask for every row; find the rows that make the predictor fail, so that only they go without.

        What went wrong is added to `findings` under the row's number in `asked`. A run that is cut short
        because the caller gave it less than `deadline_ms` says nothing about the predictor's health.
        """
        now = self.clock()
        deadline, haste = self._deadline(now, until)
        if now >= haste:
            self._note(findings, asked, "chain.deadline", "the caller's time was over")
            return None
        if not self.breaker.allows(now):
            self._note(findings, asked, "chain.breaker_open", "the breaker is open after repeated failures")
            return None
        try:
            outputs = self.sound(self.opened.predict(batch, deadline), len(batch))
        except OverloadedError as error:
            self._note(findings, asked, error.reason, str(error))
            return None
        except Exception as error:  # whatever a model raises, its rows go to the next rung
            reply = self._isolate(batch, deadline, error, findings, asked)
        else:
            reply = Reply(everyone(len(batch)), outputs)
        if reply is None:
            if self.clock() < haste:
                self.breaker.failed(self.clock())
            return None
        self.breaker.succeeded()
        return self._finite(reply, findings, asked)

    def _deadline(self, now: float, until: float | None) -> tuple[float | None, float]:
        """Return when this call must be over, and when it is the caller's haste that ends it."""
        limit = self.predictor.deadline_ms
        own = None if limit is None else now + limit / 1000
        if until is None or self.predictor.instant or (own is not None and own <= until):
            return own, inf
        return until, until

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


def everyone(count: int) -> Rows:
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
