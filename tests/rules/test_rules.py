"""The rules of every gate: what they say, and that each page reaches who answers for it."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from click.testing import CliRunner

from guards import employment, leaf, taxi, weather
from wardline.cli.rules import rules as command
from wardline.monitoring import AlertRule, Monitoring
from wardline.owner import Owner
from wardline.rules.alerting import alerting, owner_of
from wardline.rules.recording import Names, recording
from wardline.rules.routing import routing

GATES = [module.gate for module in (taxi, employment, leaf, weather)]
NAMES = Names("taxi", "1h")


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_every_alert_has_a_page_a_runbook_and_one_name_for_each_signal(gate):
    rules = alerting(gate, Names(gate.name, "1h"))
    assert len({(rule["alert"], rule["expr"]) for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["page"]
        assert rule["annotations"]["runbook"]
        assert rule["annotations"]["summary"]


def test_an_alert_nobody_acknowledges_pages_the_escalation_later():
    rules = {rule["alert"]: rule for rule in alerting(taxi.gate, NAMES)}
    first, late = rules["WardlineDriftAlert"], rules["WardlineDriftAlertEscalated"]
    owner, waits = owner_of(taxi.gate, "drift.psi"), taxi.gate.monitoring.rule("drift.psi").escalate_s
    assert (first["labels"]["page"], late["labels"]["page"]) == (owner.page, owner.escalate)
    assert late["expr"] == first["expr"]
    assert late["for"] == f"{waits:g}s"


def test_the_rule_that_names_a_signal_most_closely_says_who_answers(monkeypatch):
    other = Owner("meters", "meters-oncall", "city", "docs/meters.md")
    rule = AlertRule("drift.psi", owner=other, for_s=90.0)
    gate = taxi.gate
    monkeypatch.setattr(gate, "monitoring", Monitoring(rules=(rule, AlertRule("quality"))))
    found = next(rule for rule in alerting(gate, NAMES) if rule["alert"] == "WardlineDriftAlert")
    assert found["labels"]["page"] == "meters-oncall"
    assert found["for"] == "90s"


def test_a_gate_without_an_owner_is_an_alert_of_the_default_route(monkeypatch):
    monkeypatch.setattr(taxi.gate, "owner", None)
    rules = alerting(taxi.gate, NAMES)
    assert "WardlineNoOwner" in {rule["alert"] for rule in rules}
    assert routing(rules, {}, "http://127.0.0.1:1/")["route"]["receiver"] == "unclaimed"


def test_versions_and_references_stay_apart_in_every_feature_rule():
    for rule in recording(NAMES):
        if rule["record"].startswith("wardline:design_effect"):  # monitors know no model: each keeps its own
            assert "* on (gate, feature) group_left ()" in rule["expr"]
        elif "feature" in rule["expr"]:
            assert "gate, model, reference, feature" in rule["expr"], rule


def test_each_page_has_its_receiver_and_the_rest_goes_to_the_default_one():
    routes = routing(alerting(taxi.gate, NAMES), {taxi.gate.owner.page: "http://pager/"}, "http://other/")
    urls = {each["name"]: each["webhook_configs"][0]["url"] for each in routes["receivers"]}
    assert urls[taxi.gate.owner.page] == "http://pager/"
    assert urls["unclaimed"] == "http://other/"
    assert {route["receiver"] for route in routes["route"]["routes"]} <= urls.keys()


def test_the_command_writes_every_file_and_says_what_it_costs(tmp_path):
    done = CliRunner().invoke(
        command, ["guards.taxi", "--out", str(tmp_path), "--scrape", "127.0.0.1:3001", "--window", "30m"]
    )
    assert done.exit_code == 0, done.output
    assert {file.name for file in tmp_path.iterdir()} == {
        "wardline-taxi.rules.yml", "wardline-taxi.tests.yml", "wardline-taxi.dashboard.json",
        "alertmanager.yml", "prometheus.yml",
    }  # fmt: skip
    assert "15 features in 207 bins" in done.stderr
    scraped = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"] == [{"targets": ["127.0.0.1:3001"]}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["guards.taxi", "--window", "soon"], "30m or 6h"),
        (["guards.taxi", "--page", "nobody"], "NAME=URL"),
        (["guards.taxi", "--page", "a=ftp://x"], "NAME=URL"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_two(given, said, tmp_path):
    done = CliRunner().invoke(command, [*given, "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert said in done.output


def test_a_gate_without_reference_has_nothing_to_compare(monkeypatch, tmp_path):
    monkeypatch.setattr(taxi.gate, "reference_dir", None)
    done = CliRunner().invoke(command, ["guards.taxi", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "no reference" in done.output


def test_names_carry_gate_and_window():
    assert dataclasses.replace(NAMES, window="6h").of("psi") == 'wardline:psi:6h{gate="taxi"}'


def test_several_gates_share_one_alertmanager_and_one_scrape(tmp_path):
    made = CliRunner().invoke(command, ["guards.taxi", "guards.employment", "--out", str(tmp_path)])
    assert made.exit_code == 0, made.output
    prometheus = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    assert [job["job_name"] for job in prometheus["scrape_configs"]] == ["wardline"]
    assert [(tmp_path / file).exists() for file in prometheus["rule_files"]] == [True, True]
    receivers = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"]
    pages = {each["name"] for each in receivers}
    assert {taxi.gate.owner.page, employment.gate.owner.page, "watchdog", "unclaimed"} <= pages
