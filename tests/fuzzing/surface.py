"""The HTTP surface under schemathesis: what the published document allows, and what it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import httpx
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def explore(client: httpx.Client, *, examples: int, number: int = 0, only: Collection[str] = ()) -> int:
    """Ask operations (all, or those on `only` these paths) valid and broken cases; return how many."""
    base = str(client.base_url).rstrip("/")
    document = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()
        if only and operation.path not in only:
            continue
        for mode in GenerationMode:

            def ask(case: Case) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=base, checks=CHECKS, timeout=120)

            few = settings(
                max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            with contextlib.suppress(Unsatisfiable):  # nothing can be broken where nothing is sent
                few(seed(number)(given(case=operation.as_strategy(generation_mode=mode))(ask)))()
    return asked
