"""A Grafana dashboard of one gate over its replicas, from the same recorded series as the alerts."""

from __future__ import annotations

from typing import Any

from wardline.gate import Gate
from wardline.rules.recording import FEATURE, RESPONSES, Names

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDE, _TALL = 12, 8


def dashboard(gate: Gate, names: Names) -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels = [
        ("PSI by feature", f"max by ({FEATURE}) ({names.of('psi')})", "{{feature}}", "short"),
        ("What a healthy window of this size shows at most", names.of("psi_noise"), "{{feature}}", "short"),
        ("Rows by action", names.of("action_rate"), "{{action}}", "percentunit"),
        ("Rows judged in the window", names.of("feature_rows"), "{{feature}}", "short"),
        ("Missing values", names.of("missing_rate"), "{{feature}}", "percentunit"),
        ("Values training never had", names.of("strange_rate"), "{{feature}}", "percentunit"),
        ("99th percentile of each stage", names.of("latency_p99"), "{{stage}}", "s"),
        ("Responses a second", f'sum by (code) (rate({RESPONSES}{{gate="{gate.name}"}}[5m]))', "{{code}}",
         "reqps"),
    ]  # fmt: skip
    return {
        "title": f"wardline: {gate.name}",
        "uid": f"wardline-{gate.name}"[:40],
        "tags": ["wardline", gate.name],
        "schemaVersion": 39,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}]
        },
        "panels": [_panel(place, *each) for place, each in enumerate(panels)],
    }


def _panel(place: int, title: str, expr: str, legend: str, unit: str) -> dict[str, Any]:
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": place % 2 * _WIDE, "y": place // 2 * _TALL, "w": _WIDE, "h": _TALL},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}
        },
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": expr, "legendFormat": legend}],
    }
