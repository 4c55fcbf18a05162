"""Which requests keep their trace: a sample, what is not plainly served, the slowest, and those asked for."""

from __future__ import annotations

import hmac
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wardline.errors import DeclarationError
from wardline.record import Records
from wardline.settings import TraceSettings
from wardline.telemetry import TraceContext
from wardline.verdict import ACTIONS, Severity

Key = tuple[str, str]
"""The guard that spoke first and the action it led to: what a bad day has many of."""

TIMED = 0.1
"""Share of the sample in which guards are timed one by one: it makes a trace of twice as many spans."""

_STEP = 0.05  # how far one slow request moves the threshold, in log time


@dataclass
class Bucket:
    """A token bucket: `burst` at once, then `per_minute`.

    >>> bucket = Bucket(2, 60.0)
    >>> [bucket.takes(now) for now in (0.0, 0.0, 0.0, 1.5)]
    [True, True, False, True]
    """

    burst: int
    per_minute: float
    tokens: float = field(default=-1.0)
    filled: float = 0.0

    def takes(self, now: float) -> bool:
        """Say whether one more fits now."""
        if self.tokens < 0:
            self.tokens, self.filled = float(self.burst), now
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.per_minute / 60)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Slowest:
    """The slowest share of a stream, in constant memory: a quantile tracked by stochastic approximation.

    Each value above the threshold raises it a little, each below lowers it very little, so that in the long
    run the declared share lies above. A share of 0 is none at all. Method: Robbins and Monro (1951), in log
    time.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self.threshold = 0.0 if share else math.inf

    def holds(self, value: float) -> bool:
        """Say whether a value is among the slowest, and learn from it."""
        if value > self.threshold:
            found = self.threshold > 0
            self.threshold = (self.threshold or value) * math.exp(_STEP * (1 - self._share))
            return found
        self.threshold *= 1 - _STEP * self._share
        return False


class Keep:
    """Decides, in about a microsecond, whether a request keeps its trace. Counts what the buckets refuse."""

    def __init__(self, settings: TraceSettings, clock: Callable[[], float] = time.monotonic) -> None:
        ratio, self._by_parent = sampler(settings.sample)
        self.below, self.timed = _edge(ratio), _edge(ratio * TIMED)
        self.slowest = Slowest(settings.slowest)
        self._settings = settings
        self._clock = clock
        self._buckets: dict[Key, Bucket] = {}
        self.limited: Counter[Key] = Counter()

    def why(self, records: Records, context: TraceContext | None, slow: bool | None = None) -> str:
        """Name why the trace is kept; empty where it is not. `slow` is whether it is, where that is known.

        The sample is by the trace's id, as OpenTelemetry's ratio sampler takes it: servers along a call that
        have one ratio keep the same traces.
        """
        actions = records.actions
        action = int(actions[0]) if len(actions) == 1 else int(actions.max(initial=0))
        slow = self.slowest.holds(sum(records.stages_us)) if slow is None else slow
        if context is not None and (context.forced or context.token) and (asked := self._asked(context)):
            return asked
        if action:
            return "action" if self._room((_first(records), ACTIONS[action].value)) else ""
        if records.trace_id[16:] < self.below:
            return "sample"
        if context is not None and context.sampled and self._by_parent:
            return "parent" if self._room(("", "parent")) else ""
        return "slow" if slow and self._room(("", "slow")) else ""

    def refused(self, status: int, context: TraceContext) -> str:
        """Name why the trace of a request that was refused before the path is kept; empty where it is not."""
        return self._asked(context) or ("refused" if self._room((str(status), "refused")) else "")

    def _asked(self, context: TraceContext) -> str:
        """Say whether the caller asked for the trace, and may."""
        if self.trusted(context.token):
            return "debug"
        return "forced" if context.forced and self._room(("", "forced")) else ""

    def trusted(self, token: str) -> bool:
        """Say whether it is the operator's own."""
        wanted = self._settings.debug_token
        return bool(wanted and token) and hmac.compare_digest(token.encode(), wanted.encode())

    def _room(self, key: Key) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._settings.burst, self._settings.per_minute)
        if bucket.takes(self._clock()):
            return True
        self.limited[key] += 1
        return False


def _edge(ratio: float) -> str:
    """Return what the last half of a trace's id is below in this share of all traces."""
    return f"{int(ratio * 2**64):016x}" if ratio < 1 else "g"  # which is after every hex digit


def sampler(ratio: float, env: Mapping[str, str] | None = None) -> tuple[float, bool]:
    """Return the share to sample and whether a caller's sampled flag counts; OTEL_TRACES_SAMPLER goes first.

    >>> sampler(0.01, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"})
    (0.5, False)
    """
    env = os.environ if env is None else env
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not name:
        return ratio, True
    by_parent = name.startswith("parentbased_")
    kind = name.removeprefix("parentbased_")
    if kind == "always_on":
        return 1.0, by_parent
    if kind == "always_off":
        return 0.0, by_parent
    try:
        given = float(env.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    except ValueError:
        given = -1.0
    if kind != "traceidratio" or not 0 <= given <= 1:
        raise DeclarationError(
            f"OTEL_TRACES_SAMPLER={name!r}, OTEL_TRACES_SAMPLER_ARG={env.get('OTEL_TRACES_SAMPLER_ARG')!r}: "
            "choose always_on, always_off or traceidratio, with parentbased_ or without, and a share"
        )
    return given, by_parent


def _first(records: Records) -> str:
    """Name the guard that blocked first, else the one that spoke first."""
    first = ""
    for findings in records.findings.values():
        for finding in findings:
            if finding.severity is Severity.BLOCK:
                return finding.guard
            first = first or finding.guard
    return first
