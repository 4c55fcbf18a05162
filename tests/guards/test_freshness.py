from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from wardline.errors import DeclarationError
from wardline.guards import Freshness
from wardline.testing import example_batch
from wardline.verdict import Finding

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
GUARD = Freshness("read_at", warn_s=60.0, block_s=3600.0)


def check(read_at: Any, guard: Freshness = GUARD) -> Finding:
    row = SimpleNamespace(read_at=read_at)
    return guard.check(example_batch({"x": [1.0]}, rows=[row], now=NOW.timestamp()).inference(0))


@pytest.mark.parametrize(
    ("age_s", "severity", "reason"),
    [
        (0, "ok", "freshness.old"),
        (59, "ok", "freshness.old"),
        (60, "warn", "freshness.old"),
        (3600, "block", "freshness.old"),
        (-5, "ok", "freshness.old"),
        (-6, "block", "freshness.future"),
        (-9e8, "block", "freshness.future"),
    ],
)
def test_age_is_judged_in_seconds_and_the_future_blocks(age_s: float, severity: str, reason: str) -> None:
    found = check(NOW - timedelta(seconds=age_s))
    assert (found.severity.value, found.reason, found.subject) == (severity, reason, "read_at")
    assert found.observed == age_s


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (None, "freshness.missing"),
        (NOW.replace(tzinfo=None), "freshness.no_time_zone"),
        ("2024-05-01", "freshness.no_time_zone"),
    ],
)
def test_a_time_that_shows_nothing_blocks(stamp: Any, reason: str) -> None:
    found = check(stamp)
    assert (found.severity.value, found.reason) == ("block", reason)


def test_a_row_without_the_field_blocks() -> None:
    found = GUARD.check(example_batch({"x": [1.0]}).inference(0))
    assert found.reason == "freshness.missing"


def test_without_a_block_even_the_future_only_warns() -> None:
    guard = Freshness("read_at", warn_s=60.0, block_s=None, skew_s=0.0)
    assert check(NOW + timedelta(days=1), guard).severity.value == "warn"


def test_a_block_before_the_warning_is_refused() -> None:
    with pytest.raises(DeclarationError, match="before it warns"):
        Freshness("read_at", warn_s=60.0, block_s=30.0)
