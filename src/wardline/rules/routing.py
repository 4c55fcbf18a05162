"""Alertmanager's configuration: every page has a receiver, and what nobody claims goes to a default one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardline.rules.recording import Rule


def routing(rules: Sequence[Rule], webhooks: Mapping[str, str], default: str) -> dict[str, Any]:
    """Route by the label `page`; `webhooks` maps a page to its address, `default` takes the rest.

    The Watchdog is repeated every few minutes for a dead man's switch; a page of severity alert silences
    the warning about the same feature.
    """
    pages = sorted({rule["labels"]["page"] for rule in rules if rule.get("labels", {}).get("page")})
    routes = [
        {"matchers": [f'page="{page}"'], "receiver": page}
        | ({"repeat_interval": "5m", "group_wait": "0s"} if page == "watchdog" else {})
        for page in pages
    ]
    receivers = [
        {"name": name, "webhook_configs": [{"url": webhooks.get(name, default), "send_resolved": True}]}
        for name in ["unclaimed", *pages]
    ]
    return {
        "route": {
            "receiver": "unclaimed",
            "group_by": ["gate", "alertname", "feature"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": routes,
        },
        "inhibit_rules": [{
            "source_matchers": ['severity="alert"'],
            "target_matchers": ['severity="warn"'],
            "equal": ["gate", "feature", "signal"],
        }],
        "receivers": receivers,
    }  # fmt: skip
