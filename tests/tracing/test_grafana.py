"""The dashboard that is shipped: laid out well, every expression parses, and asks for what there is."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from guards.leaf import gate as leaf
from wardline import Settings
from wardline.monitor import report
from wardline.monitor.signal import Signal, Standing
from wardline.serving.metrics import Metrics

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "grafana.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [target["expr"] for target in TARGETS]
OURS = re.compile(r"wardline_\w+")
KINDS = {"timeseries", "stat", "table", "bargauge", "heatmap"}
UNITS = {"ops", "percentunit", "s", "short", "reqps", "none", "d"}


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The labels of every sample that `/metrics` may have, by the sample's name."""
    home = tmp_path_factory.mktemp("home")
    leaf.close()
    metrics = Metrics(leaf, home)
    metrics.open(leaf.open(Settings(home=home)))
    psi = Signal("drift.psi", "exposure", effect=0.4, rows=9, standing=Standing.ALERT)
    report.save(report.made("leaf", 1.0, 4e9, [psi], report.Labels(9, 9, 8)), home / "leaf")
    page = metrics.render().decode()
    leaf.close()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = set()
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    found["wardline_findings_total"] |= {"gate", "guard", "reason", "severity"}  # none is found yet
    found["wardline_holds"] |= {"gate", "column"}  # nor held
    found["wardline_alerts"] |= {"gate", "state"}
    return found


def test_the_dashboard_asks_only_for_metrics_that_there_are(labels: dict[str, set[str]]) -> None:
    asked = {name for text in EXPRESSIONS for name in OURS.findall(text)}
    assert asked <= labels.keys()
    assert len(asked) > 15


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"][:60])
def test_every_label_is_one_of_the_metric_it_is_asked_of(
    target: dict[str, Any], labels: dict[str, set[str]]
) -> None:
    text = target["expr"]
    have = set().union(*(labels[name] for name in OURS.findall(text)))
    matched = {
        name for part in re.findall(r"\{([^}]*)\}", text) for name in re.findall(r"(\w+)\s*[!=]", part)
    }
    grouped = [set(re.findall(r"\w+", part)) for part in re.findall(r"by \(([^)]*)\)", text)]
    assert matched <= have
    assert set().union(*grouped) <= have
    shown = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
    assert shown <= (set.intersection(*grouped) if grouped else have)  # what is left when it is summed


def test_panels_lie_side_by_side_and_ids_are_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert place["h"] > 0
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart


def test_every_panel_is_of_a_kind_and_a_unit_that_grafana_knows() -> None:
    for panel in PANELS:
        assert panel["type"] in KINDS
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"].get("unit", "short") in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${prometheus}"}
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        assert all("$gate" in target["expr"] for target in panel["targets"])


def test_its_variables_are_declared_and_used() -> None:
    declared = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(PANELS))) - {"__rate_interval"}
    assert used == declared.keys()
    assert declared["prometheus"]["type"] == "datasource"
    assert declared["gate"]["includeAll"]
    assert isinstance(DASHBOARD["schemaVersion"], int)
    assert DASHBOARD["uid"]


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
