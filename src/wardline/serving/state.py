"""What the server knows while it runs: the gate, once open, and why it is not ready, while it is not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from wardline.errors import WardlineError
from wardline.gate import Gate, OpenGate
from wardline.serving.metrics import Metrics
from wardline.settings import Settings

log = logging.getLogger(__name__)


@dataclass
class State:
    """One gate being served by this worker."""

    gate: Gate
    settings: Settings
    metrics: Metrics
    opened: OpenGate | None = None
    inline: bool = False
    draining: bool = False
    _why: str = field(default="the gate is still opening", init=False)

    def open(self) -> None:
        """Open the gate. A gate that cannot open leaves the server up and not ready, saying why."""
        try:
            self.opened = self.gate.open(self.settings)
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
            self.metrics.open(self.opened)

    def close(self) -> None:
        """Stop being ready, write what is counted, close the gate with its log flushed."""
        self.draining = True
        self.metrics.close()
        self.opened = None
        self._why = "the server is stopping"
        self.gate.close()

    def problems(self) -> list[str]:
        """Say why no prediction may be asked for now; empty means ready."""
        if self.opened is None or self.draining:
            return [self._why]
        return self.opened.problems()


def _inline(opened: OpenGate, most_ms: float) -> bool:
    """Whether the path may run on the event loop: every rung is bounded, and was quick when it warmed up.

    Leaving the loop for a thread costs more than a small model's whole run; a rung that takes long, or for
    ever, or waits for others, must not hold up the probes and the other callers, though.
    """
    return opened.chain.bounded and opened.chain.warm_ms <= most_ms
