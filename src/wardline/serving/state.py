"""What the server knows while it runs: the gate, once open, and why it is not ready, while it is not."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.types import Scope

from wardline.errors import UnreachableError, WardlineError
from wardline.gate import Gate, OpenGate
from wardline.serving.access import Doors
from wardline.serving.admission import Slots, Turns
from wardline.serving.metrics import Metrics
from wardline.serving.replies import Caller, Reply, caller, problem, refused
from wardline.settings import Settings
from wardline.telemetry import STATUS

log = logging.getLogger(__name__)


@dataclass
class State:
    """One gate being served by this worker."""

    gate: Gate
    settings: Settings
    metrics: Metrics
    under: str = ""
    """The path that the gate's routes lie under; empty where it has the server for itself."""
    closers: list[Callable[[], None]] = field(default_factory=list)
    """What else is closed with the gate."""
    opened: OpenGate | None = None
    inline: bool = False
    draining: bool = False
    unreached: bool = False
    slots: Slots = field(init=False)
    turns: Turns = field(init=False)
    doors: Doors = field(init=False)
    pool: ThreadPoolExecutor = field(init=False)
    _why: str = field(default="the gate is still opening", init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(self.settings.serving.max_in_flight, self.settings.serving.line_ms)
        self.turns = Turns()
        self.metrics.in_flight = lambda: self.slots.taken
        self.doors = Doors(self.settings.keys, self.metrics)

    def open(self) -> None:
        """Open the gate. A gate that cannot open leaves the server up and not ready, saying why."""
        self.unreached = False
        self.pool = ThreadPoolExecutor(_threads(self.gate, self.settings), "wardline")
        try:
            self.opened = self.gate.open(self.settings)
        except UnreachableError as error:
            self._why, self.unreached = str(error), True
            log.warning("gate %s does not open yet: %s", self.gate.name, error)
        except WardlineError as error:
            self._why = str(error)
            log.error("gate %s does not open: %s", self.gate.name, error)  # noqa: TRY400 - the sentence is the message
        except Exception:  # a server that dies at start says less than one that is not ready
            self._why = "the gate failed to open; the server's log says why"
            log.exception("gate %s failed to open", self.gate.name)
        else:
            # Who waits for the disk waits in a thread: on the loop nobody could share the wait.
            waits = self.settings.log.ack == "durable"
            self.inline = not waits and _inline(self.opened, self.settings.serving.inline_ms)
            self.slots.serve(1 if self.inline else _threads(self.gate, self.settings))
            self.metrics.open(self.opened)

    async def keep_opening(self, every_s: float = 1.0) -> None:
        """Try again while the gate is shut only because a server that has its model does not answer."""
        while self.unreached:
            await asyncio.sleep(every_s)
            self.pool.shutdown(wait=False)
            await asyncio.to_thread(self.open)

    def drain(self) -> bool:
        """Stop being ready, while whoever still asks is answered; False where that was so already."""
        before, self.draining = self.draining, True
        self._why = "the server is stopping"
        return not before

    def turned_away(self, scope: Scope) -> tuple[Reply, Caller]:
        """Return the answer to a prediction that is refused at the connection; counted and told as any."""
        who, began = caller(scope), time.time_ns()
        answer = problem(429, self.slots.busy, who)
        scope[STATUS] = answer.status
        self.metrics.responded(answer.status, answer.action)
        if self.opened is not None and self.opened.tracer is not None:
            self.opened.tracer.refused(refused(answer, who, began))
        return answer, who

    def close(self) -> None:
        """Stop being ready, close the gate with its log flushed, write what was counted of all that."""
        self.draining = True
        self._why = "the server is stopping"
        self.opened = None
        self.pool.shutdown(wait=False)
        self.gate.close()
        self.metrics.close()
        for close in self.closers:
            close()

    def problems(self) -> list[str]:
        """Say why no prediction may be asked for now; empty means ready."""
        if self.opened is None or self.draining:
            return [self._why]
        return self.opened.problems()


def _threads(gate: Gate, settings: Settings) -> int:
    """Return how many are worked on at once: who waits for a server or the disk takes a thread, not a CPU.

    More threads than processors only make each request slower, and what waits its turn can still be dropped.
    """
    most = settings.serving.max_in_flight
    waits = settings.log.ack == "durable" or any(
        getattr(each, "waits", False) for each in gate.chain.predictors
    )
    return most if waits else min(most, (os.cpu_count() or 1) + 2)


def _inline(opened: OpenGate, most_ms: float) -> bool:
    """Whether the path may run on the event loop: every rung is bounded, and was quick when it warmed up.

    Leaving the loop for a thread costs more than a small model's whole run; a rung that takes long, or for
    ever, or waits for others, must not hold up the probes and the other callers, though.
    """
    return opened.chain.bounded and opened.chain.warm_ms <= most_ms
