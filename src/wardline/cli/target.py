"""Targets: how a gate is named on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from wardline import reference
from wardline.errors import DeclarationError, WardlineError
from wardline.gate import Gate
from wardline.monitor.plan import Watched


def load(target: str) -> Gate:
    """Return the gate of `guards.loan` or `guards.loan:gate`; a clear usage error where there is none.

    The working directory counts as importable, as it does for `python -m`.
    """
    module_name, _, attribute = target.partition(":")
    importable()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and module_name.startswith(error.name):
            raise click.UsageError(
                f"no module {module_name!r} here: run this in the project's directory, "
                "with a target such as guards.loan"
            ) from None
        raise
    except WardlineError as error:
        raise click.UsageError(f"{module_name} is declared wrongly: {error}") from error
    gate = getattr(module, attribute or "gate", None)
    if not isinstance(gate, Gate):
        raise click.UsageError(f"{module_name} has no gate called {attribute or 'gate'!r}")
    return gate


def importable() -> None:
    """Let modules of the working directory be imported, as `python -m` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def watched(gate: Gate) -> Watched:
    """Return what a monitor needs to know of a gate; DeclarationError where it has no reference."""
    if gate.reference_dir is None:
        raise DeclarationError(
            f"gate {gate.name} has no reference, so nothing can be said to have changed: build one with "
            "`wardline reference` and give the gate reference='models/NAME/1'"
        )
    return Watched(
        name=gate.name,
        reference=reference.load(gate.reference_dir, gate=gate.name),
        features={column.name: column.kind for column in gate.features.schema.columns},
        rungs=gate.chain.names,
        classes=gate.classes,
        slices=gate.slices,
        owner=gate.owner,
        launch=gate.launch,
        upstream=gate.contract.upstream,
        monitoring=gate.monitoring,
    )
