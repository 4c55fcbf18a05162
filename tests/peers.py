"""The environment of other makers' servers and libraries."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PEERS = Path(os.environ.get("WARDLINE_PEERS", Path(__file__).parent.parent / ".venv-peers")) / "bin"


def python() -> str:
    """Return the interpreter that other makers' libraries are installed for."""
    found = PEERS / "python"
    if not found.exists():
        sys.exit(f"{found} is missing: `make test-more` sets it up")
    return str(found)
