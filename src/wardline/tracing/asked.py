"""What the OTEL_* variables ask to be sent, and how; reading them loads nothing of OpenTelemetry."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Literal

log = logging.getLogger(__name__)

Signal = Literal["traces", "metrics"]
_PROTOCOLS = ("http/protobuf", "grpc")


def asked(signal: Signal, env: Mapping[str, str] | None = None) -> str:
    """Return the protocol by which a signal is to be sent; empty where it is not.

    OTEL_SDK_DISABLED and OTEL_<SIGNAL>_EXPORTER=none switch it off. Without an endpoint nothing is sent,
    unless OTEL_<SIGNAL>_EXPORTER=otlp asks for the usual one.

    >>> asked("metrics", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    'http/protobuf'
    >>> asked("metrics", {"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_METRICS_EXPORTER": "none"})
    ''
    """
    env = os.environ if env is None else env
    name = signal.upper()
    wanted = {each.strip() for each in env.get(f"OTEL_{name}_EXPORTER", "").lower().split(",")} - {""}
    known = {"otlp", "none", *(["prometheus"] if signal == "metrics" else [])}  # /metrics is always there
    if strange := wanted - known:
        log.warning("OTEL_%s_EXPORTER=%s: only otlp and none are known here", name, ",".join(sorted(strange)))
    given = env.get(f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or "none" in wanted
    if off or (wanted and "otlp" not in wanted) or not (given or wanted):
        return ""
    return protocol(signal, env)


def protocol(signal: Signal, env: Mapping[str, str] | None = None) -> str:
    """Return `http/protobuf` or `grpc`, as the variables say; the first where they say something else.

    >>> protocol("traces", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    'grpc'
    """
    env = os.environ if env is None else env
    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
    found = own or env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOLS[0]
    if found not in _PROTOCOLS:
        log.warning("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not known here: sending http/protobuf", found)
        return _PROTOCOLS[0]
    return found


def whole(env: Mapping[str, str], name: str, usual: int) -> int:
    """Return a variable that is a whole number above zero; the usual one where it is none."""
    try:
        return max(1, int(env.get(name, "") or usual))
    except ValueError:
        log.warning("%s=%r is no whole number: %d is taken", name, env[name], usual)
        return usual
