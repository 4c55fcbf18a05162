"""`wardline serve`: a gate behind HTTP, or several, with safe defaults."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import shutil
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from wardline.cli.check import show, source_of
from wardline.cli.target import load
from wardline.errors import DeclarationError
from wardline.gate import Gate
from wardline.keys import KeySettings
from wardline.launch.checklist import check
from wardline.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback unless you say otherwise.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option("--home", type=click.Path(path_type=Path), help="Where records go. [default: .wardline]")
@click.option("--unchecked", metavar="REASON", help="Start although the check fails; records say why.")
@click.option(
    "--monitor/--no-monitor",
    "watching",
    default=True,
    show_default=True,
    help="Start each gate's monitor beside it.",
)
@click.option("--grace", default=20, show_default=True, help="Seconds for requests in flight to finish.")
@click.option("--ssl-certfile", type=_FILE, help="Speak TLS with this certificate chain.")
@click.option("--ssl-keyfile", type=_FILE, help="The certificate's private key, without a passphrase.")
@click.option("--ssl-ca-certs", type=_FILE, help="Callers must show a certificate that one of these signed.")
@click.option("--ssl-ciphers", help="OpenSSL's list of ciphers.")
def serve(  # noqa: PLR0917 - click passes options by name
    targets: tuple[str, ...],
    host: str,
    port: int,
    workers: int,
    home: Path | None,
    unchecked: str | None,
    watching: bool,
    grace: int,
    **tls: Any,
) -> None:
    """Serve the gate TARGET, such as guards.taxi, over HTTP; exit 1 where `wardline check` fails it.

    Several gates share the process, each under /gates/NAME. Keys come from WARDLINE_PREDICT_KEYS_FILE and
    WARDLINE_OPERATE_KEYS_FILE: docs/serving.md.
    """
    gates = _gates(targets)
    host = "127.0.0.1" if host == "localhost" else host
    beyond = "" if _is_loopback(host) else host
    options = _tls(tls)
    try:
        settings = Settings.from_env({**os.environ, "WARDLINE_BOUND_BEYOND": beyond})
    except DeclarationError as error:
        raise click.UsageError(str(error)) from None
    if home is not None:
        settings = dataclasses.replace(settings, home=home)
    settings.home.mkdir(parents=True, exist_ok=True)
    watched = [target for target, gate in gates.items() if watching and gate.reference_dir is not None]
    address = f"{'https' if options else 'http'}://{host}:{port}"
    for target, gate in gates.items():
        shutil.rmtree(settings.home / gate.name / "metrics", ignore_errors=True)  # an earlier run's
        identity = _launch(target, gate, settings, unchecked)
        base = address if len(gates) == 1 else f"{address}/gates/{gate.name}"
        _screen(gate, base, settings, workers, identity, watching=target in watched)
    _warn(settings.keys, encrypted=bool(options))
    os.environ.update(
        WARDLINE_TARGET=" ".join(targets),
        WARDLINE_WORKERS=str(workers),
        WARDLINE_UNCHECKED=unchecked or settings.unchecked,
        WARDLINE_HOME=str(settings.home.resolve()),
        WARDLINE_BOUND_BEYOND=beyond,
        WARDLINE_RUN=uuid.uuid4().hex,
        PYTHONPATH=os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
        # One BentoML home a process tree: two servers that share one wipe each other's files.
        BENTOML_HOME=str((settings.home / next(iter(gates.values())).name / "bentoml").resolve()),
        BENTOML_DO_NOT_TRACK="true",
    )
    # Where this is set, even to nothing, BentoML leaves the respawn of dead workers to the container.
    os.environ.pop("BENTOML_CONTAINERIZED", None)
    for target in watched:
        start_monitor(target, settings.home)
    os.execv(  # noqa: S606 - this process becomes the server, so that signals reach it
        sys.executable,
        [sys.executable, "-m", "bentoml", "serve", "wardline.serving.entry:Service",
         "--host", host, "--port", str(port), "--timeout-graceful-shutdown", str(grace), *options],
    )  # fmt: skip


def _gates(targets: Sequence[str]) -> dict[str, Gate]:
    """Return the gates by their targets; two of one name would mix their records."""
    found = {target: load(target) for target in targets}
    names = [gate.name for gate in found.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or len(found) < len(targets):
        raise click.UsageError(f"{twice or 'a target'} is named twice: serve each gate once")
    return found


def start_monitor(target: str, home: Path) -> None:
    """Start the monitor as a child: it outlives the exec into the server, and ends when its parent is gone.

    It is a process of its own, so that no monitor's fault or load reaches a request.
    """
    command = [sys.executable, "-m", "wardline", "monitor", target, "--home", str(home.resolve())]
    subprocess.Popen([*command, "--beside", str(os.getpid())], stdin=subprocess.DEVNULL)


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


def _screen(
    gate: Gate, address: str, settings: Settings, workers: int, identity: Mapping[str, str], *, watching: bool
) -> None:
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
    alerts = f"{settings.home / gate.name}/alerts.jsonl"
    table.add_row("monitor", f"beside the server; alerts go to {alerts}" if watching else "none")
    table.add_row("workers", str(workers))
    table.add_row("listens", f"{address}/predict   (/schema.json /readyz /livez /metrics)")
    table.add_row("keys", _asked(settings.keys))
    Console(stderr=True, highlight=False).print(table)


def _warn(keys: KeySettings, *, encrypted: bool) -> None:
    """Print what this address leaves open, or shut."""
    console = Console(stderr=True, highlight=False)
    for warning in _warnings(keys, encrypted=encrypted) if keys.beyond else ():
        console.print(f"[yellow]{warning}[/]")


def _asked(keys: KeySettings) -> str:
    """Say who needs a key here."""
    predictions = (
        f"{len(keys.predict)} open predictions" if keys.predict else "anybody may ask for predictions"
    )
    if keys.operate:
        return f"{predictions}; {len(keys.operate)} open everything"
    return f"{predictions}; the rest is {'closed' if keys.beyond else 'open on loopback'}"


def _warnings(keys: KeySettings, *, encrypted: bool) -> Iterator[str]:
    """Say what an address that is reachable from outside leaves open, or shut."""
    if not keys.predict:
        yield "Anybody who reaches this address may ask for predictions: set WARDLINE_PREDICT_KEYS_FILE."
    if not keys.operate:
        yield "Metrics, labels and pages are closed: they need WARDLINE_OPERATE_KEYS_FILE."
    if not encrypted:
        yield "What is sent here can be read on the way: give --ssl-certfile, or put TLS in front."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise click.UsageError(
            f"--host {host} is no address: give an IP such as 127.0.0.1 or 0.0.0.0"
        ) from None


def _tls(given: Mapping[str, str | None]) -> list[str]:
    """Return the TLS options as the server takes them; none without a certificate."""
    chosen = {name: value for name, value in given.items() if value}
    if chosen and not {"ssl_certfile", "ssl_keyfile"} <= chosen.keys():
        raise click.UsageError("TLS needs --ssl-certfile and --ssl-keyfile")
    if "ssl_ca_certs" in chosen:
        chosen["ssl_cert_reqs"] = str(int(ssl.CERT_REQUIRED))
    return [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", value)]
