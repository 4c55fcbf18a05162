"""Which requests keep their trace, at which rate, and what a bad day costs."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from wardline.errors import DeclarationError
from wardline.record import Records
from wardline.settings import TraceSettings
from wardline.telemetry import TraceContext
from wardline.testing import FakeClock
from wardline.tracing.keep import Keep, Slowest, sampler
from wardline.verdict import Finding, Severity, Stage


def records(trace_id: str = "f" * 32, action: int = 0, guard: str = "range", us: float = 10.0) -> Records:
    found = {0: [Finding(guard, Stage.INPUT, Severity.BLOCK, "range.outside")]} if action else {}
    return Records(0, "id", trace_id, False, np.array([action], np.int8), np.zeros(1, np.int8), np.zeros(1),
                   np.zeros(1, np.intp), None, {}, found, (us,) * 6)  # fmt: skip


def context(**given: Any) -> TraceContext:
    return TraceContext("f" * 32, "a" * 16, **{"sampled": False, **given})


def test_a_plain_answer_is_kept_at_the_declared_rate() -> None:
    keep, dice = Keep(TraceSettings(sample=0.05, slowest=0)), Random(1)
    kept = sum(bool(keep.why(records(f"{dice.getrandbits(128):032x}"), None)) for _ in range(20_000))
    assert 900 <= kept <= 1100  # 1000 expected, 3.2 standard deviations


def test_the_sample_is_the_one_that_opentelemetry_takes() -> None:
    from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

    theirs, ours, dice = (
        TraceIdRatioBased(0.1),
        Keep(TraceSettings(sample=0.1, slowest=0)),
        Random(2),
    )
    for number in [dice.getrandbits(128) for _ in range(2000)]:
        sampled = theirs.should_sample(None, number, "x").decision is Decision.RECORD_AND_SAMPLE
        assert (ours.why(records(f"{number:032x}"), None) == "sample") is sampled


@pytest.mark.parametrize(
    ("asked", "settings", "why"),
    [
        (context(), {}, ""),
        (context(sampled=True), {}, "parent"),
        (context(forced=True), {}, "forced"),
        (context(token="guess"), {"debug_token": "secret"}, ""),
        (context(token="secret"), {"debug_token": "secret"}, "debug"),
        (context(token="sécret"), {"debug_token": "secret"}, ""),
        (context(token=""), {"debug_token": ""}, ""),
    ],
)
def test_a_caller_may_ask_for_a_trace(asked: TraceContext, settings: dict[str, Any], why: str) -> None:
    assert Keep(TraceSettings(sample=0, **settings)).why(records(), asked) == why


def test_what_is_not_plainly_served_is_kept_until_its_bucket_is_empty() -> None:
    clock = FakeClock()
    keep = Keep(TraceSettings(sample=0, burst=5, per_minute=60), clock)
    kept = [keep.why(records(action=2), None) for _ in range(100)]
    assert kept == ["action"] * 5 + [""] * 95
    assert keep.why(records(action=2, guard="another"), None) == "action"  # its bucket is its own
    clock.advance(3.0)
    assert [keep.why(records(action=2), None) for _ in range(4)] == ["action"] * 3 + [""]
    assert keep.limited == {("range", "fallback"): 96}


def test_a_debug_token_passes_an_empty_bucket() -> None:
    keep = Keep(TraceSettings(sample=0, burst=1, debug_token="t"), FakeClock())
    assert [keep.why(records(action=2), context(token="t")) for _ in range(5)] == ["debug"] * 5


@pytest.mark.parametrize("seed", range(3))
def test_the_slowest_are_kept_at_the_declared_share(seed: int) -> None:
    times = np.random.default_rng(seed).lognormal(3, 0.7, 200_000)
    slowest = Slowest(0.001)
    held = np.array([slowest.holds(each) for each in times.tolist()])
    rate = held[20_000:].mean()  # the threshold was found by then
    assert 0.0008 <= rate <= 0.00125
    assert times[20_000:][held[20_000:]].min() > np.quantile(times, 0.98)


def test_the_environment_says_how_to_sample() -> None:
    assert sampler(0.3, {}) == (0.3, True)
    assert sampler(0.3, {"OTEL_TRACES_SAMPLER": "always_off"}) == (0.0, False)
    assert sampler(0.3, {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}) == (1.0, True)
    with pytest.raises(DeclarationError, match="traceidratio"):
        sampler(0.3, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"})
