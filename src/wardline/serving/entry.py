"""What `wardline serve` gives BentoML to import: the service of the gate named in WARDLINE_TARGET."""

from __future__ import annotations

import importlib
import os

from wardline.serving.bento import service
from wardline.serving.logs import speak

speak()
_module, _, _attribute = os.environ["WARDLINE_TARGET"].partition(":")
Service = service(
    getattr(importlib.import_module(_module), _attribute or "gate"),
    workers=int(os.environ.get("WARDLINE_WORKERS", "1")),
)
