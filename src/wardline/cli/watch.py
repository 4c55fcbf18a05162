"""`wardline watch`: the edge loop over the frames of a camera, a stream, a video or a folder."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from wardline.camera.sources import Shot, SourceError, source_of
from wardline.cli.beside import monitored
from wardline.cli.target import load
from wardline.edge import Drop, Loop, Status
from wardline.errors import DeclarationError, WardlineError
from wardline.monitor.alerts import Event
from wardline.settings import Settings
from wardline.verdict import Verdict


@click.command()
@click.argument("target")
@click.option("--source", required=True, help="A folder, a video file, rtsp://... or /dev/video0.")
@click.option("--camera", required=True, help="The camera's id, as its records will carry it.")
@click.option("--firmware", default="unknown", show_default=True, help="The camera's firmware, if known.")
@click.option("--follow", is_flag=True, help="Keep waiting for new files in the folder.")
@click.option(
    "--drop", type=click.Choice(["oldest", "newest", "wait"]),
    help="Which frame gives when the model is slower. [default: wait for files, oldest for live sources]",
)  # fmt: skip
@click.option(
    "--room", default=2, show_default=True, type=click.IntRange(1, 64), help="Frames that may wait."
)
@click.option("--stall", default=10.0, show_default=True, help="Seconds of silence that are a stall.")
@click.option(
    "--forward", metavar="FOLDER|URL", default="",
    help="Send sealed records, traces and alerts on to this store (a share, s3://...) when it is there.",
)  # fmt: skip
@click.option(
    "--monitor/--no-monitor", "watching", default=True, show_default=True,
    help="Run the gate's monitor in a thread: alerts, health and holds, offline.",
)  # fmt: skip
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]),
    help="A live view for people, or a line of JSON for each frame and a summary.",
)  # fmt: skip
def watch(
    *,
    target: str,
    source: str,
    camera: str,
    firmware: str,
    follow: bool,
    drop: Any,
    room: int,
    stall: float,
    forward: str,
    watching: bool,
    form: str,
) -> None:
    """Watch a source of frames through the gate TARGET (guards.leaf), in-process and offline.

    Every frame leaves its record in the gate's log, which a monitor in the same process follows. Memory
    stays bounded whatever the source does; one that stalls or breaks off is opened again. Exit status 1 says
    that some frame was blocked, or that the source could not be read.
    """
    gate = load(target)
    if not gate.contract.pictures:
        raise click.UsageError(f"gate {gate.name!r} is not over frames: its contract is no Frames(...)")
    try:
        opened = source_of(source, follow=follow)
    except DeclarationError as error:
        raise click.UsageError(str(error)) from None
    policy: Drop = drop or ("oldest" if opened.live else "wait")
    loop = Loop(gate, opened, Settings.from_env(), camera, firmware, policy, room, stall, forward=forward)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: loop.stop())
    try:
        with _monitor(loop, form) if watching else nullcontext():
            last = (_lines if form == "json" else _view)(loop)
        if form == "json":
            click.echo(json.dumps({"summary": loop.status.tree()}))
        else:
            Console().print(_panel(loop.status, *last))
    except SourceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except WardlineError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if loop.status.blocked or not loop.status.frames else 0)


@contextmanager
def _monitor(loop: Loop, form: str) -> Iterator[None]:
    """Follow the loop's records; events go to the view, or are lines of their own."""

    def hear(event: Event) -> None:
        if form == "json":
            click.echo(msgspec.json.encode({"event": event}).decode())
        if event.alert is not None and event.to != "joined":
            loop.status.alerts.append(
                f"{event.to}: {', '.join(event.alert.signals[:4])}, {event.alert.owner}"
            )

    with monitored(loop.gate, loop.settings, hear) as why:
        if why:
            click.echo(f"no monitor: {why}", err=True)
        yield


def _lines(loop: Loop) -> tuple[str, str]:
    for shot, verdict in loop.run():
        if shot is not None and verdict is not None:
            click.echo(json.dumps({"frame": shot.name, **_tree(verdict)}))
    return "", ""


def _tree(verdict: Verdict) -> dict[str, Any]:
    return {
        "request_id": verdict.request_id, "action": verdict.action.value, "prediction": verdict.prediction,
        "served_by": verdict.served_by, "confidence": verdict.uncertainty.confidence,
        "findings": [
            {"guard": f.guard, "reason": f.reason, "severity": f.severity.value, "subject": f.subject}
            for f in verdict.findings
        ],
    }  # fmt: skip


def _view(loop: Loop) -> tuple[str, str]:
    """Show what goes on, where a person is looking; return the last frame and its answer."""
    console = Console()
    last = ("", "")
    with Live(_panel(loop.status, *last), console=console, refresh_per_second=4, transient=True) as live:
        for shot, verdict in loop.run():
            last = _said(shot, verdict) or last
            if console.is_terminal:
                live.update(_panel(loop.status, *last))
    return last


def _said(shot: Shot | None, verdict: Verdict | None) -> tuple[str, str] | None:
    if shot is None or verdict is None:
        return None
    answer = "" if verdict.prediction is None else f" {verdict.prediction}"
    return shot.name, verdict.action.value + answer


def _panel(status: Status, name: str, answer: str) -> Group:
    """Draw what the loop has done so far."""
    head = Table(box=None, pad_edge=False)
    for column in ("state", "frames", "a second", "dropped", "stalls", "reconnects", "last"):
        head.add_column(column)
    head.add_row(
        status.state, str(status.frames), f"{status.rate:.1f}", str(status.dropped), str(status.stalls),
        str(status.reconnects), f"{name} {answer}".strip() or status.last,
    )  # fmt: skip
    actions = Table("action", "frames", box=None, pad_edge=False)
    for action, count in status.actions.most_common():
        actions.add_row(action, str(count))
    findings = Table("guard", "reason", "frames", box=None, pad_edge=False)
    for (guard, reason), count in status.findings.most_common(12):
        findings.add_row(guard, reason, str(count))
    alerts = "\n".join(status.alerts) or "no alerts"
    return Group(head, "", actions, "", findings if status.findings else "nothing found", "", alerts)
