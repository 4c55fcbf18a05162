"""`wardline serve`: a gate behind HTTP, with safe defaults."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from wardline.cli.check import show, source_of
from wardline.cli.target import load
from wardline.gate import Gate
from wardline.launch.checklist import check
from wardline.settings import Settings


@click.command()
@click.argument("target")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback unless you say otherwise.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option("--home", type=click.Path(path_type=Path), help="Where records go. [default: .wardline]")
@click.option("--unchecked", metavar="REASON", help="Start although the check fails; records say why.")
@click.option("--grace", default=20, show_default=True, help="Seconds for requests in flight to finish.")
def serve(  # noqa: PLR0917 - click passes options by name
    target: str, host: str, port: int, workers: int, home: Path | None, unchecked: str | None, grace: int
) -> None:
    """Serve the gate TARGET, such as guards.taxi, over HTTP; exit 1 where `wardline check` fails it."""
    gate = load(target)
    settings = Settings.from_env()
    if home is not None:
        settings = dataclasses.replace(settings, home=home)
    settings.home.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(settings.home / gate.name / "metrics", ignore_errors=True)  # an earlier run's
    identity = _launch(target, gate, settings, unchecked)
    _screen(gate, f"http://{host}:{port}", settings, workers, identity)
    os.environ.update(
        WARDLINE_TARGET=target,
        WARDLINE_WORKERS=str(workers),
        WARDLINE_UNCHECKED=unchecked or settings.unchecked,
        WARDLINE_HOME=str(settings.home.resolve()),
        WARDLINE_RUN=uuid.uuid4().hex,
        PYTHONPATH=os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
        # One BentoML home a process tree: two servers that share one wipe each other's files.
        BENTOML_HOME=str((settings.home / gate.name / "bentoml").resolve()),
        BENTOML_DO_NOT_TRACK="true",
    )
    # Where this is set, even to nothing, BentoML leaves the respawn of dead workers to the container.
    os.environ.pop("BENTOML_CONTAINERIZED", None)
    os.execv(  # noqa: S606 - this process becomes the server, so that signals reach it
        sys.executable,
        [sys.executable, "-m", "bentoml", "serve", "wardline.serving.entry:Service",
         "--host", host, "--port", str(port), "--timeout-graceful-shutdown", str(grace)],
    )  # fmt: skip


def _launch(target: str, gate: Gate, settings: Settings, unchecked: str | None) -> dict[str, str]:
    """Go through the launch checklist; a gate that fails it starts only with a reason, which is kept.

    Returns what the gate is exactly.
    """
    console = Console(stderr=True, highlight=False)
    if unchecked is not None and not unchecked.strip():
        raise click.UsageError("--unchecked needs a reason: it is written into every record")
    checked = check(gate, settings, source=source_of(target))
    if not checked.failures:
        return checked.identity
    show(checked, console)
    if unchecked or settings.unchecked:
        console.print(f"[yellow]starting unchecked: {unchecked or settings.unchecked}[/]")
        return checked.identity
    console.print("It does not start. Mend what fails, or start it all the same with --unchecked REASON.")
    raise SystemExit(1)


def _screen(gate: Gate, address: str, settings: Settings, workers: int, identity: Mapping[str, str]) -> None:
    """Print what is guarded, where it listens and where records go, on one screen."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    owner = gate.owner
    log = settings.log
    table.add_row("gate", f"{gate.name}, risk {gate.risk.value}, features version {gate.features.version}")
    table.add_row("identity", ", ".join(f"{n} {value}" for n, value in identity.items() if n != "gate"))
    table.add_row("chain", " → ".join([*gate.chain.names, "abstain"]))
    table.add_row("guards", ", ".join(guard.name for guard in gate.guards) or "none")
    table.add_row("reference", str(gate.reference_dir) if gate.reference_dir else "none")
    table.add_row(
        "owner",
        f"{owner.team}, pages {owner.page}"
        if owner and not owner.blanks()
        else "nobody: give the gate an Owner",
    )
    table.add_row(
        "records", f"{settings.home / gate.name / 'records'}, every row, flushed each {log.flush_s:g} s"
    )
    table.add_row(
        "sampling", "records 100 %; full queue: " + log.overflow + f", {log.queue_rows} rows wait at most"
    )
    table.add_row("workers", str(workers))
    table.add_row("listens", f"{address}/predict   (/schema.json /readyz /livez /metrics)")
    console = Console(stderr=True, highlight=False)
    console.print(table)
    if not address.startswith(("http://127.", "http://localhost", "http://[::1]")):
        console.print(
            "[yellow]This address is reachable from outside, and nothing asks callers who they are."
        )
