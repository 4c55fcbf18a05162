"""What `wardline serve` gives BentoML to import: the service of the gates named in WARDLINE_TARGET."""

from __future__ import annotations

import importlib
import os

from wardline.gate import Gate
from wardline.serving.bento import service
from wardline.serving.logs import speak


def _gate(target: str) -> Gate:
    module, _, attribute = target.partition(":")
    gate: Gate = getattr(importlib.import_module(module), attribute or "gate")
    return gate


speak()
Service = service(
    *map(_gate, os.environ["WARDLINE_TARGET"].split()), workers=int(os.environ.get("WARDLINE_WORKERS", "1"))
)
