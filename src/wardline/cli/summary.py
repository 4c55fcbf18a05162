"""A reference on one page: for people as tables, for programs as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.training import Seen
from wardline.features import Kind
from wardline.reference import Estimate, Profile, Reference, RungProfile
from wardline.verdict import Coverage

_PIPED_WIDTH = 120  # columns where no terminal says how many there are
_WORST = 3  # slices shown a rung
_LEADING = {
    True: ("accuracy", False),
    False: ("mae", True),
}  # the metric slices are ranked by; whether up is bad
_COLOURS = {Coverage.VALID: "green", Coverage.WATCH: "yellow", Coverage.VOID: "red"}


def as_tree(reference: Reference, directory: Path, held: Seen) -> dict[str, Any]:
    """Return the summary for programs."""
    return {
        "gate": reference.gate,
        "id": reference.id,
        "directory": str(directory),
        "created": reference.created,
        "target": reference.target,
        "period": reference.period,
        "rows": reference.rows,
        "rejected": reference.rejected,
        "reject_reasons": dict(reference.reject_reasons),
        "held_out": {"rows": held.rows, "rejected": held.rejected, "reject_reasons": dict(held.reasons)},
        "features": {name: _feature(profile) for name, profile in reference.features.items()},
        "rungs": {name: _rung(rung) for name, rung in reference.rungs.items()},
        "data": dict(reference.data),
        "notes": list(reference.notes),
    }


def show(reference: Reference, directory: Path, held: Seen) -> None:
    """Print the summary for people."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(f"reference [bold]{reference.id}[/] of gate {reference.gate} in {escape(str(directory))}")
    console.print(_facts(reference, held))
    console.print(_features(reference.features))
    console.print(_rungs(reference))
    worst = _slices(reference)
    if worst.row_count:
        console.print(worst)
    for name, digest in reference.data.items():
        console.print(f"[dim]{digest[:12]}  {escape(name)}[/]")
    for note in reference.notes:
        console.print(f"[yellow]note:[/] {escape(note)}")


def _facts(reference: Reference, held: Seen) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("rows", f"{reference.rows:,}" + (f", {held.rows:,} held out" if held.rows else ""))
    if reference.period is not None:
        table.add_row("period", escape(" to ".join(reference.period)))
    table.add_row("target", escape(reference.target))
    for label, total, reasons in (
        ("rejected", reference.rejected, reference.reject_reasons),
        ("held out, rejected", held.rejected, held.reasons),
    ):
        why = ", ".join(f"{reason}: {rows:,}" for reason, rows in reasons.items())
        if total or label == "rejected":
            table.add_row(label, f"{total:,}" + (escape(f" ({why})") if why else ""))
    return table


def _features(features: Mapping[str, Profile]) -> Table:
    table = Table("feature", "kind", box=box.SIMPLE_HEAD, title="features", title_justify="left")
    for header in ("nulls", "P1", "P50", "P99", "bins"):
        table.add_column(header, justify="right")
    for name, profile in features.items():
        told = _feature(profile)
        cells = [_number(told[key]) if key in told else "" for key in ("p1", "p50", "p99")]
        grain = f"{told['bins']}" if profile.kind is Kind.CONTINUOUS else f"{len(profile.known):,} values"
        table.add_row(escape(name), profile.kind.value, f"{100 * profile.null_rate:.2g} %", *cells, grain)
    return table


def _rungs(reference: Reference) -> Table:
    table = Table("rung", "performance (95 %)", "latency", "coverage", "model", box=box.SIMPLE_HEAD)
    table.title, table.title_justify = "rungs", "left"
    if any("in-sample" in note for note in reference.notes):
        table.columns[1].header = "performance, in-sample (95 %)"
    for name, rung in reference.rungs.items():
        performance = "\n".join(f"{metric} {_estimate(e)}" for metric, e in rung.performance.items())
        latency = "\n".join(f"{q} {_number(ms)} ms" for q, ms in rung.latency_ms.items())
        status = f"[{_COLOURS[rung.coverage]}]{rung.coverage.value}[/]"
        reason = f"\n{escape(rung.coverage_reason)}" if rung.coverage_reason else _calibrated(rung)
        table.add_row(escape(name), performance, latency, status + reason, f"{rung.file}\n{rung.sha256[:12]}")
    return table


def _slices(reference: Reference) -> Table:
    metric, up_is_bad = _LEADING[bool(reference.classes)]
    table = Table("rung", "worst slices", metric, "rows", box=box.SIMPLE_HEAD)
    for name, rung in reference.rungs.items():
        for slice_, estimate in list(_worst(rung, metric, up_is_bad))[:_WORST]:
            table.add_row(escape(name), escape(slice_), _estimate(estimate), f"{estimate.rows:,}")
    return table


def _worst(rung: RungProfile, metric: str, up_is_bad: bool) -> Iterator[tuple[str, Estimate]]:
    found = [(name, estimates[metric]) for name, estimates in rung.slices.items() if metric in estimates]
    yield from sorted(found, key=lambda pair: pair[1].value, reverse=up_is_bad)


def _calibrated(rung: RungProfile) -> str:
    if rung.calibration is None:
        return ""
    groups = "classes" if rung.calibration.per_class else "bands"
    return f"\n{sum(map(len, rung.calibration.scores)):,} scores in {len(rung.calibration.scores)} {groups}"


def _feature(profile: Profile) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": profile.kind.value,
        "nulls": profile.nulls,
        "null_rate": profile.null_rate,
    }
    if len(profile.percentiles):
        told.update({f"p{q}": float(profile.percentiles[q]) for q in (1, 50, 99)})
    told["bins"] = len(profile.counts)
    if profile.kind is not Kind.CONTINUOUS:
        told["values"] = len(profile.known)
        told["values_complete"] = profile.known_complete
    return told


def _rung(rung: RungProfile) -> dict[str, Any]:
    return {
        "performance": _estimates(rung.performance),
        "slices": {name: _estimates(estimates) for name, estimates in rung.slices.items()},
        "latency_ms": dict(rung.latency_ms),
        "coverage": rung.coverage.value,
        "coverage_reason": rung.coverage_reason,
        "model": rung.file,
        "sha256": rung.sha256,
    }


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        name: {"value": e.value, "low": e.low, "high": e.high, "rows": e.rows, "level": e.level}
        for name, e in estimates.items()
    }


def _estimate(estimate: Estimate) -> str:
    return f"{_number(estimate.value)} \\[{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float) -> str:
    return f"{value:.4g}"
