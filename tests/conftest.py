"""What holds for all tests: no property fails because a machine is slow, or by the luck of a draw."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples every time; `--hypothesis-profile=default` draws others.
settings.register_profile(
    "wardline", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("wardline")
