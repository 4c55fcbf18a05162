"""The lifeline of a worker: one that is stuck ends, for another to start; one whose parent died stops."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
from collections.abc import Sequence

from wardline.serving.state import State

log = logging.getLogger(__name__)

SUPERVISED = "WARDLINE_RUN"
"""Set by `wardline serve`: there is a supervisor that starts another worker where one ends."""

_STDERR = 2


async def hold(states: Sequence[State], stuck_s: float) -> None:
    """Prove every second that this worker still turns; without proof for `stuck_s` seconds it ends.

    The timer belongs to the C runtime: it runs out even where a regular expression or a model keeps every
    Python thread from running. It prints where each thread stood, and ends the process with status 1.
    """
    parent = os.getppid()
    try:
        while True:
            opened = [state.opened for state in states if state.opened is not None]
            if not any(each.inputs.bound.stuck for each in opened):
                faulthandler.dump_traceback_later(stuck_s, exit=True, file=_STDERR)
            if os.getppid() != parent:
                log.error("the supervisor is gone: this worker finishes what it has and stops")
                os.kill(os.getpid(), signal.SIGTERM)
                parent = os.getppid()
            await asyncio.sleep(1.0)
    finally:
        faulthandler.cancel_dump_traceback_later()
