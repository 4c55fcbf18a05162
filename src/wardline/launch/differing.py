"""What changed between two references or two contracts, said as what a caller will notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardline.breaches import describe
from wardline.features import Kind
from wardline.launch.taking import Taken, taken
from wardline.reference import Profile, Reference, RungProfile

_LEADING = (("accuracy", 1.0), ("mae", -1.0))
"""The metric a rung is compared by, and whether more of it is better."""
_MOVED = 0.25  # of a standard deviation: a mean that moved less is not worth a line
_WIDTH = 0.05  # relative; intervals that change less are not noticed
_SHOWN = 5  # categories named in a line


@dataclass(frozen=True)
class Change:
    """One change. `breaks` says that calls which were answered before will be refused, or read otherwise."""

    subject: str
    was: str
    now: str
    notice: str
    breaks: bool = False


def of_contracts(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Change]:
    """Compare two published contracts (`/schema.json`)."""
    fields, others = one.get("properties", {}), two.get("properties", {})
    needed, now_needed = set(one.get("required", ())), set(two.get("required", ()))
    for name in [*fields, *(name for name in others if name not in fields)]:
        if name not in others:
            strict = two.get("additionalProperties") is False
            notice = "calls that send it are refused" if strict else "it is ignored"
            yield Change(name, _said(one, name), "gone", notice, strict)
        elif name not in fields:
            must = name in now_needed
            notice = "calls without it are refused" if must else "it may be sent"
            yield Change(name, "not there", _said(two, name), notice, must)
        else:
            yield from _field(name, one, two)
            if name in now_needed - needed:
                yield Change(name, "optional", "required", "calls without it are refused", True)
            elif name in needed - now_needed:
                yield Change(name, "required", "optional", "it may be left out")
            elif fields[name].get("default") != others[name].get("default"):
                was, now = (repr(each[name].get("default")) for each in (fields, others))
                yield Change(
                    name, f"default {was}", f"default {now}", "calls without it are read otherwise", True
                )
    yield from _rules(one, two)


def _field(name: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Change]:
    """A field that is in both: what it takes, and in which unit."""
    was, now = _said(one, name), _said(two, name)
    if was == now:
        return
    before, after = one["properties"][name], two["properties"][name]
    unit = before.get("unit"), after.get("unit")
    if unit[0] != unit[1]:
        yield Change(name, f"in {unit[0]}", f"in {unit[1]}", "the same number means something else", True)
    narrower = _narrower(taken(before, one), taken(after, two))
    if narrower:
        yield Change(name, was, now, f"refused from now on: {narrower}", True)
    elif unit[0] == unit[1]:
        yield Change(name, was, now, "more is taken than before")


def _said(schema: Mapping[str, Any], name: str) -> str:
    return describe(schema["properties"][name], schema.get("$defs", {}))


def _narrower(was: Taken, now: Taken) -> str:
    """Say what was taken and is no longer; empty where nothing is."""
    lost = was.types - now.types - ({"integer"} if "number" in now.types else set())
    if lost:
        return f"{', '.join(sorted(lost))}"
    if now.values and was.values - now.values:
        return f"the values {', '.join(sorted(was.values - now.values))}"
    if now.values and not was.values:
        return f"everything but {', '.join(sorted(now.values))}"
    for side, limit in now.limits.items():
        before = was.limits.get(side)
        if before is None or limit.tightness > before.tightness:
            return f"{side} {limit.value:g}"
    return ""


def _rules(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Change]:
    was, now = ({rule["says"] for rule in schema.get("x-rules", ())} for schema in (one, two))
    for says in sorted(now - was):
        yield Change("rule", "not there", says, "rows that break it are refused", True)
    for says in sorted(was - now):
        yield Change("rule", says, "gone", "rows that broke it are answered")


def of_references(one: Reference, two: Reference) -> Iterator[Change]:
    """Compare two references: what the guards judge by, how good the models are, what intervals promise."""
    if one.id == two.id:
        return
    if one.features_version != two.features_version:
        yield Change("features", one.features_version, two.features_version, "models see other features")
    if one.classes != two.classes:
        yield Change("classes", str(one.classes), str(two.classes), "answers have other names", True)
    if one.target != two.target:
        yield Change("target", one.target, two.target, "answers mean something else", True)
    for name in [*one.features, *(name for name in two.features if name not in one.features)]:
        was, now = one.features.get(name), two.features.get(name)
        if was is None or now is None:
            told = ("not there", "new") if was is None else ("there", "gone")
            yield Change(name, *told, "models see other features")
        else:
            yield from _profile(name, was, now)
    for name in [*one.rungs, *(name for name in two.rungs if name not in one.rungs)]:
        yield from _rung(name, one.rungs.get(name), two.rungs.get(name))


def _profile(name: str, was: Profile, now: Profile) -> Iterator[Change]:
    """A feature: its range, its categories, its nulls, its mean."""
    if was.kind is not now.kind:
        yield Change(name, was.kind.value, now.kind.value, "it is judged in another way")
        return
    if was.kind is Kind.CONTINUOUS:
        if (was.minimum, was.maximum) != (now.minimum, now.maximum):
            told = [f"{each.minimum:.4g}..{each.maximum:.4g}" for each in (was, now)]
            tighter = now.minimum > was.minimum or now.maximum < was.maximum
            notice = "`range` speaks up earlier" if tighter else "`range` lets more pass"
            yield Change(name, told[0], told[1], notice)
        if was.std > 0 and abs(now.mean - was.mean) > _MOVED * was.std:
            yield Change(
                name, f"mean {was.mean:.4g}", f"mean {now.mean:.4g}", "drift is measured from elsewhere"
            )
    else:
        gone, new = sorted(was.known - now.known), sorted(now.known - was.known)
        if gone:
            yield Change(name, f"known: {_few(gone)}", "unknown", "`new_category` speaks up for them")
        if new:
            yield Change(name, "unknown", f"known: {_few(new)}", "`new_category` lets them pass")
    if (was.nulls == 0) != (now.nulls == 0):
        told = [f"{each.null_rate:.2%} null" for each in (was, now)]
        notice = "`missing` speaks up" if now.nulls == 0 else "`missing` lets nulls pass"
        yield Change(name, told[0], told[1], notice)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _rung(name: str, was: RungProfile | None, now: RungProfile | None) -> Iterator[Change]:
    if was is None or now is None:
        told = ("not there", "new") if was is None else ("there", "gone")
        yield Change(name, *told, "another rung may answer")
        return
    if was.sha256 != now.sha256:
        yield Change(name, was.sha256[:12], now.sha256[:12], "another model answers")
    for metric, better in _LEADING:
        before, after = was.performance.get(metric), now.performance.get(metric)
        if before is not None and after is not None and (after.high < before.low or after.low > before.high):
            notice = (
                "answers are better" if better * (after.value - before.value) > 0 else "answers are worse"
            )
            yield Change(name, f"{metric} {before.value:.4g}", f"{metric} {after.value:.4g}", notice)
    widths = _half_width(was), _half_width(now)
    if widths[0] and widths[1] and abs(widths[1] / widths[0] - 1) > _WIDTH:
        share = 100 * (widths[1] / widths[0] - 1)
        notice = f"intervals are {abs(share):.0f} % {'wider' if share > 0 else 'narrower'}"
        yield Change(name, f"±{widths[0]:.3g}", f"±{widths[1]:.3g} at 90 %", notice)
    if was.coverage is not now.coverage:
        yield Change(name, f"coverage {was.coverage.value}", f"coverage {now.coverage.value}",
                     "what intervals and sets promise changes")  # fmt: skip


def _half_width(rung: RungProfile) -> float:
    """Return the residual that nine in ten rows stay within; 0 where there is none."""
    if rung.calibration is None or rung.calibration.per_class:
        return 0.0
    scores = np.concatenate(rung.calibration.scores)
    return float(np.quantile(scores, 0.9)) if len(scores) else 0.0
