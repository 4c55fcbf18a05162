"""Recording rules: the product's own statistics, computed by Prometheus over all replicas.

Replicas export whole counts, cumulative, by reference bin. What increased in the window is summed over
replicas first and judged then, so that the PSI is that of all rows; never an average of replicas' PSIs.
Versions and references are labels throughout and never added together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BINS = "wardline_feature_bin_rows_total"
STRANGE = "wardline_feature_strange_rows_total"
REFERENCE = "wardline_reference_bin_rows"
CRITICAL = "wardline_psi_critical"
TOGETHER = "wardline_drift_design_effect"
ROWS = "wardline_rows_total"
LOG = "wardline_log_total"
RESPONSES = "wardline_responses_total"
STAGES = "wardline_stage_seconds_bucket"

FEATURE = "gate, model, reference, feature"
"""What a PSI is of; `bin` comes beside it while counts are compared."""

Rule = dict[str, Any]


@dataclass(frozen=True)
class Names:
    """The recorded series of one gate over one window, as rules and dashboards call them."""

    gate: str
    window: str

    def name(self, what: str) -> str:
        """Return a recorded series' name: level, what, window."""
        return f"wardline:{what}:{self.window}"

    def of(self, what: str) -> str:
        """Return the selector of the gate's own."""
        return f'{self.name(what)}{{gate="{self.gate}"}}'


def recording(names: Names) -> list[Rule]:
    """Return the rules in the order they build on each other.

    PSI: half a count is added to each bin that either side has seen, as in `wardline.stats.psi`; the
    shares are compared bin by bin and summed.
    """
    gate, window = names.gate, names.window
    live, reference = names.of("bin_rows"), names.of("reference_bin_rows")
    per_feature = f"on ({FEATURE}) group_left ()"

    def rule(what: str, expr: str) -> Rule:
        return {"record": names.name(what), "expr": expr}

    def share(counts: str) -> str:
        total = f"sum by ({FEATURE}) ({counts})"
        bins = f"count by ({FEATURE}) ({names.of('bin_seen')})"
        seen = f"({counts} and on ({FEATURE}, bin) {names.of('bin_seen')})"
        return f"({seen} + 0.5) / {per_feature} ({total} + 0.5 * {bins})"

    p, q = names.of("reference_share"), names.of("live_share")
    rows = f'sum by (gate) (increase({ROWS}{{gate="{gate}"}}[{window}]))'
    return [
        rule("bin_rows", f'sum by ({FEATURE}, bin) (increase({BINS}{{gate="{gate}"}}[{window}]))'),
        rule("reference_bin_rows", f'max by ({FEATURE}, bin) ({REFERENCE}{{gate="{gate}"}})'),
        rule("bin_seen", f"({live} + on ({FEATURE}, bin) {reference}) > 0"),
        rule("feature_rows", f"sum by ({FEATURE}) ({live})"),
        rule("reference_share", share(reference)),
        rule("live_share", share(live)),
        rule("psi", f"sum by ({FEATURE}) (({p} - {q}) * ln({p} / {q}))"),
        rule("design_effect", _together(names)),
        rule("psi_noise", f"{_critical(gate)} * on ({FEATURE}) ({names.of('design_effect')} "
             f"/ on ({FEATURE}) {names.of('feature_rows')} "
             f"+ on ({FEATURE}) 1 / sum by ({FEATURE}) ({reference}))"),
        rule("missing_rate", f'sum by ({FEATURE}) ({names.name("bin_rows")}{{gate="{gate}", bin="missing"}}) '
             f"/ {names.of('feature_rows')}"),
        rule("strange_rate", f'sum by ({FEATURE}) (increase({STRANGE}{{gate="{gate}"}}[{window}])) '
             f"/ {names.of('feature_rows')}"),
        rule("action_rate", f'sum by (gate, action) (increase({ROWS}{{gate="{gate}"}}[{window}])) '
             f"/ on (gate) group_left () {rows}"),
        rule("latency_p99", f"histogram_quantile(0.99, sum by (gate, stage, le) (increase({STAGES}"
             f'{{gate="{gate}"}}[{window}])))'),
    ]  # fmt: skip


def _critical(gate: str) -> str:
    return f'max by ({FEATURE}) ({CRITICAL}{{gate="{gate}"}})'


def _together(names: Names) -> str:
    """How many rows are worth one, by the replicas' monitors, which see their order; 1 where none says it.

    The largest of all replicas counts: what hangs together at one of them hangs together.
    """
    ones = f"({names.of('feature_rows')} * 0 + 1)"
    told = f'max by (gate, feature) ({TOGETHER}{{gate="{names.gate}"}})'
    return f"{ones} * on (gate, feature) group_left () clamp_min({told}, 1) or {ones}"
