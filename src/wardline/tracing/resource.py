"""The resource: which gate, with which model, features and reference, on which host."""

from __future__ import annotations

import os
import socket
import uuid

from opentelemetry.sdk.resources import Resource

from wardline.record import RecordSchema
from wardline.tracing.trace import Value

_INSTANCE = uuid.uuid4().hex


def resource_of(schema: RecordSchema, instance: str = "") -> dict[str, Value]:
    """Return the attributes of everything this process tells; OTEL_SERVICE_NAME and
    OTEL_RESOURCE_ATTRIBUTES go first. `instance` is of what several processes tell together."""
    constants = schema.constants
    ours = {
        "service.name": schema.gate,
        "service.version": constants.get("model", ""),
        "service.instance.id": instance or f"{_INSTANCE}-{os.getpid()}",
        "host.name": socket.gethostname(),
        "process.pid": "" if instance else os.getpid(),
        "wardline.gate.name": schema.gate,
        "wardline.model.name": constants.get("model", ""),
        "wardline.model.sha256": constants.get("model_sha256", ""),
        "wardline.features_version": constants.get("features_version", ""),
        "wardline.features_hash": constants.get("features_hash", ""),
        "wardline.reference": constants.get("reference", ""),
        "wardline.contract_hash": constants.get("contract_hash", ""),
    }
    told = dict(Resource.create().attributes)
    if str(told.get("service.name", "")).startswith("unknown_service"):
        del told["service.name"]
    merged = {**ours, **told}
    return {
        name: value
        for name, value in merged.items()
        if isinstance(value, str | bool | int | float) and value != ""
    }
