"""Lines for people who read the server's log: each says which request and which trace it is about."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from wardline.telemetry import CALLER, REQUEST


class Ids(logging.Filter):
    """Gives every line the ids of the request being answered: `trace_id`, `request_id`, and both as `ids`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them; every line passes."""
        context, request = CALLER.get(), REQUEST.get()
        trace = "" if context is None else context.trace_id
        ids = f" [request {request} trace {trace}]" if request else ""
        vars(record).update(trace_id=trace, request_id=request, ids=ids)
        return True


def speak(stream: TextIO | None = None) -> logging.Handler:
    """Write what wardline has to say to `stream` (stderr), each line with its ids; give the handler back."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Ids())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s%(ids)s"))
    logger = logging.getLogger("wardline")
    logger.addHandler(handler)
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    return handler
