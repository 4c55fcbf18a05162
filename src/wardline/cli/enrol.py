"""`wardline enrol`: learn what is normal for one camera, from a folder of its frames or from the log."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from wardline import log
from wardline.camera.sources import Folder
from wardline.cameras import ENROL, CameraReference, Cameras, Enrolment, load, remember
from wardline.cli.records import moment
from wardline.cli.target import load as load_gate
from wardline.errors import PayloadError
from wardline.gate import Gate
from wardline.reference import load as load_reference
from wardline.settings import Settings
from wardline.stats.image import Statistics, view

_ANSWERED = ("serve", "flag")


@click.command()
@click.argument("target")
@click.option("--camera", required=True, help="The camera's id, as its records carry it.")
@click.option(
    "--source", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of its frames. [default: the frames that its gate answered, from the log]",
)  # fmt: skip
@click.option("--firmware", default="", help="The firmware that made the folder's frames, if known.")
@click.option("--since", metavar="7d|ISO", help="Only the log from here: 7d, or a date and time.")
@click.option("--home", type=click.Path(path_type=Path), help="Where records are. [default: .wardline]")
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "json"]), help="For people, or for programs.",
)  # fmt: skip
def enrol(
    *, target: str, camera: str, source: Path | None, firmware: str, since: str | None, home: Path | None,
    form: str,
) -> None:  # fmt: skip
    """Learn what is normal for a camera of the gate TARGET (guards.leaf), and judge it by that from now on.

    Day and night are learned apart. The log has the statistics of every frame and no headers: what was known
    of the camera's encoder stays. A gate that is open takes it up when it opens again.
    """
    gate = load_gate(target)
    if not gate.contract.pictures:
        raise click.UsageError(f"gate {gate.name!r} is not over frames: its contract is no Frames(...)")
    settings = Settings.from_env()
    if home is not None:
        settings = dataclasses.replace(settings, home=home)
    path = settings.home / gate.name / "cameras.json"
    enrolment = Enrolment(camera)
    if source is not None:
        _from_folder(enrolment, gate, source, firmware)
    else:
        enrolment.known = _known(gate, path, camera).known
        begin = None if since is None else moment(since, datetime.now(UTC))
        _from_log(enrolment, settings.home / gate.name / "records", begin)
    if enrolment.frames < ENROL:
        counted = "; of the log only answered ones count" if source is None else ""
        raise click.UsageError(
            f"{camera} has {enrolment.frames} frames there, {ENROL} are the least{counted}"
        )
    learned = remember(path, enrolment, time.time())
    told = {"camera": camera, "frames": enrolment.frames, "modes": list(learned.modes), "file": str(path)}
    if form == "json":
        click.echo(json.dumps(told))
    else:
        click.echo(f"{camera}: {enrolment.frames} frames, {' and '.join(learned.modes)}; kept in {path}")


def _from_folder(enrolment: Enrolment, gate: Gate, folder: Path, firmware: str) -> None:
    """Take every frame that meets the contract."""
    contract = gate.contract.afresh()
    for shot in Folder(folder).frames(lambda: False):
        given = {"picture": shot.picture, "camera": enrolment.camera, "firmware": firmware or "unknown"}
        try:
            rows = contract.admit(given).rows
        except PayloadError:
            continue
        for frame in rows:
            enrolment.add(frame.statistics, frame.header, firmware, view(frame.sampled))


def _from_log(enrolment: Enrolment, records: Path, since: datetime | None) -> None:
    """Take the statistics of the frames that the gate answered."""
    names = [f"feature.{name}" for name in Statistics._fields]
    found = log.read(records, action=_ANSWERED, since=since, columns=["camera", *names])
    mine = np.array([each == enrolment.camera for each in found["camera"].to_pylist()], dtype=np.bool_)
    matrix = np.column_stack([found[name].to_numpy().astype(np.float64) for name in names])
    for row in matrix[mine].tolist():
        enrolment.add(Statistics(*row))


def _known(gate: Gate, path: Path, camera: str) -> CameraReference:
    """Return what is known of the camera so far: its own, else the fleet's, else nothing."""
    extra = {} if gate.reference_dir is None else load_reference(gate.reference_dir, gate=gate.name).extra
    known = {**extra.get("cameras", {}), **load(path)}
    return Cameras.read({"cameras": known}).of(camera) or Enrolment(camera).reference()
