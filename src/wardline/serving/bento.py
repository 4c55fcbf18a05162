"""A gate as a BentoML service: BentoML gives the processes, the hooks and the packaging."""

from __future__ import annotations

import gc
from typing import Any

import bentoml

from wardline.gate import Gate
from wardline.serving.app import app
from wardline.serving.front import Front
from wardline.serving.protocol import install
from wardline.serving.several import several
from wardline.settings import Settings

_LEAN: dict[str, Any] = {
    # Each of these costs more a request than all guards together, or speaks where the gate must speak.
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
    "traffic": {"timeout": 60},
}


def service(*gates: Gate, workers: int = 1, settings: Settings | None = None) -> Any:
    """Return the BentoML service of a gate: `TaxiService = service(gate)` in `services/taxi.py`.

    Importing it opens nothing. Each worker opens the gate when it starts and closes it when it stops.
    Several gates share the process, each at `/gates/NAME`: `serving.several`.
    """
    settings = settings or Settings.from_env()
    install(settings.serving)
    served = app(gates[0], settings) if len(gates) == 1 else several(gates, settings)
    names = [gate.name for gate in gates]

    class Guarded:
        @bentoml.on_startup  # type: ignore[untyped-decorator]
        def open_gate(self) -> None:
            for state in served.state.gates:
                state.open()
            # What is loaded now stays for good: the collector need not walk it again between requests.
            gc.collect()
            gc.freeze()

    Guarded.__doc__ = f"{', '.join(names)}: POST /predict, GET /schema.json, /livez, /readyz, /metrics."
    made = bentoml.service(name="_".join(names)[:60], workers=workers, **_LEAN)(Guarded)
    # Mounted too, so that BentoML runs the app's lifespan: it closes the gate and flushes the log.
    made.mount_asgi_app(served, path="/")
    made.add_asgi_middleware(Front, served=served)
    return made
