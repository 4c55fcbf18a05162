"""Audits on disk, and the file that goes to whoever labels."""

from __future__ import annotations

import csv
import io
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from wardline.gate import Gate
from wardline.log.labelled import Labelled
from wardline.monitor.audit import Audit, audited, draw

_FOLDER = "audits"


def begin(gate: Gate, known: Labelled, total: int, by: str | None, seed: int | None) -> str:
    """Draw an audit, keep it below the gate's folder, and return the rows to label as CSV."""
    if by is not None and by not in gate.slices:
        raise click.UsageError(f"{by!r} is no slice of gate {gate.name}: {', '.join(gate.slices) or 'none'}")
    if known.has.all():
        raise click.UsageError("every answer has a label already")
    now = time.time_ns()
    seed = secrets.randbits(32) if seed is None else seed
    audit = draw(known, gate.name, total, by=by, at=now, seed=seed)
    folder = gate.records_dir.parent / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.fromtimestamp(now / 1e9, UTC).strftime("%Y%m%dT%H%M%S.%f")
    (folder / f"{stamp}.json").write_bytes(msgspec.json.encode(audit))
    return _file(gate, audit, known)


def all_of(gate: Gate) -> list[Audit]:
    """Return the audits that were drawn, oldest first."""
    return [_read(path) for path in sorted((gate.records_dir.parent / _FOLDER).glob("*.json"))]


def results(gate: Gate, known: Labelled) -> list[dict[str, Any]]:
    """Say what each audit tells by now, for programs."""
    told = []
    for audit in all_of(gate):
        found = audited(audit, known)
        tree = msgspec.to_builtins(found)
        tree["measure"] = None if found.measure is None else found.measure._asdict()
        told.append({"drawn_at": datetime.fromtimestamp(audit.drawn_at / 1e9, UTC).isoformat(), **tree})
    return told


def _read(path: Path) -> Audit:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Audit)
    except (OSError, msgspec.DecodeError) as error:
        raise click.UsageError(f"{path} is no audit: {error}") from None


def _file(gate: Gate, audit: Audit, known: Labelled) -> str:
    """Write the sample as CSV, with the columns that `wardline labels --file` reads left to fill in."""
    place = {name: i for i, name in enumerate(known.ids.tolist())}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["request_id", "label", "observed_at", "prediction", "stratum", "inclusion_probability"])
    for stratum in audit.strata:
        for name in stratum.ids:
            value = known.value[place[name]]
            answer = gate.classes[int(value)] if gate.classes else f"{value:.6g}"
            writer.writerow([name, "", "", answer, stratum.name, f"{stratum.probability:.6g}"])
    return text.getvalue()
