"""The dashboard that is shipped: every expression parses, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from guards.taxi import gate as taxi
from wardline import Settings
from wardline.serving.metrics import Metrics

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "grafana.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_only_for_metrics_that_there_are(tmp_path: Path) -> None:
    taxi.close()
    metrics = Metrics(taxi, tmp_path)
    metrics.open(taxi.open(Settings(home=tmp_path)))
    page = metrics.render().decode()
    taxi.close()
    families = list(text_string_to_metric_families(page))
    known = {sample.name for family in families for sample in family.samples} | {
        each.name for each in families
    }
    known |= {f"{each.name}_total" for each in families if each.type == "counter"}
    asked = {name for text in EXPRESSIONS for name in re.findall(r"wardline_\w+", text)}
    assert asked <= known
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.fleet
def test_every_expression_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{n}", "expr": text.replace("$gate", ".*")} for n, text in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        ["/usr/bin/promtool", "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
