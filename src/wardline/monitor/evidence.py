"""The evidence of an alert: what a person needs to believe it, and to begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from wardline.log.columns import Columns
from wardline.monitor.alerts import Alert, split
from wardline.monitor.plan import Plan
from wardline.monitor.signal import Signal

SAMPLES = 5
"""Request ids that are named for each signal."""

_VERSIONS = ("model", "features_version", "reference", "libraries")


def evidence(
    plan: Plan,
    alert: Alert,
    standing: Mapping[str, Signal],
    recent: Columns | None,
    window: tuple[float, float],
) -> dict[str, Any]:
    """Return the window, the signals with the bins that moved, sample rows, and versions."""
    known = [standing[key] for key in alert.signals if key in standing]
    return {
        "window": {"begin": window[0], "end": window[1], "rows": max((s.rows for s in known), default=0)},
        "signals": [{"key": signal.key, **msgspec.to_builtins(signal)} for signal in known],
        "samples": {signal.key: samples(plan, signal, recent) for signal in known} if recent else {},
        "versions": versions(recent),
    }


def samples(plan: Plan, signal: Signal, recent: Columns) -> list[str]:
    """Name recent rows that show it: those in a bin of which there are more now, in the signal's slice."""
    here = np.ones(len(recent), dtype=np.bool_)
    _, subject, where = split(signal.key)
    column, _, value = where.partition("=")
    if column and " against " not in where:
        here &= recent.slice(column).lookup({value: 1}, 0, 0).astype(np.bool_)
    binner = plan.binners.get(subject)
    more = {moved.bin for moved in signal.moved if moved.now > moved.before}
    if binner is not None and more:
        codes = (
            binner.names(recent.text(subject))[0] if binner.text else binner.codes(recent.feature(subject))
        )
        wanted = [place for place in range(binner.size) if binner.label(place) in more]
        here &= np.isin(codes, wanted)
    return recent.ids(np.flatnonzero(here)[-SAMPLES:])


def versions(recent: Columns | None) -> dict[str, str]:
    """Return what the newest record says of model, features and reference."""
    if recent is None or not len(recent):
        return {}
    found = {}
    for name in _VERSIONS:
        column = recent.coded(name)
        if len(column.codes) and column.codes[-1] >= 0:
            found[name] = column.names[column.codes[-1]]
    return found


def told(
    alert: Alert,
    gate: str,
    what: str,
    signals: Iterable[Signal],
    pictures: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[str, str]:
    """Word an alert as title and text: what changed, by how much, whose it is, where it says what to do.

    `pictures` names files of this machine by signal and "before" or "after"; none of them is sent.
    """
    lines = [f"{gate}: {alert.rule} {what}, owned by {alert.owner or 'nobody'}"]
    for signal in signals:
        where = f" where {signal.slice}" if signal.slice else ""
        lines.append(
            f"- {signal.name} {signal.subject}{where}: {signal.unit} {signal.effect:.3g} "
            f"(alerts at {signal.alert:.3g}), p {signal.p_value:.2g}, {signal.rows} rows. {signal.says}"
        )
        lines += [
            f"    {moved.bin}: {moved.before:.1%} in training, {moved.now:.1%} now"
            for moved in signal.moved[:3]
        ]
        shown = (pictures or {}).get(signal.key, {})
        lines += [f"    {when}: traces/{name}" for when, name in shown.items()]
    lines.append(f"Runbook: {alert.runbook or 'none'}. Acknowledge: wardline alerts ... --ack {alert.id}")
    return f"[{alert.severity}] {gate}: {alert.rule} {what}", "\n".join(lines)
