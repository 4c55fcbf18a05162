"""Every line of the checklist: green on the services here, red in each way it can be."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner

from guards import employment, leaf, taxi, weather
from tests.examples import Limit
from tests.launch.variants import copied, line, variant
from wardline import (
    Chain,
    Field,
    Launch,
    Onnx,
    Owner,
    Row,
    Rule,
    Settings,
    Tabular,
    Timestamp,
    Unit,
    Upstream,
)  # fmt: skip
from wardline.cli import cli
from wardline.launch.checklist import check
from wardline.launch.lines import Status
from wardline.launch.taking import taken
from wardline.monitoring import FAMILIES, USUAL_RULES, AlertRule, Monitoring
from wardline.testing import FakePredictor, MemorySink

OWNER = taxi.gate.owner
LAUNCH = taxi.gate.launch


@pytest.mark.parametrize("gate", [taxi.gate, employment.gate, weather.gate], ids=lambda gate: gate.name)
def test_the_services_on_tables_are_ready_to_launch(gate, tmp_path):
    checked = check(gate, Settings(home=tmp_path))
    assert [(each.name, each.status, each.says) for each in checked.lines if each.status != "pass"] == []
    assert len(checked.lines) == 16
    assert list(tmp_path.iterdir()) == []  # the rehearsal left nothing


def test_the_camera_service_may_launch_with_three_things_to_look_at(tmp_path):
    checked = check(leaf.gate, Settings(home=tmp_path))
    assert [(each.name, each.status) for each in checked.lines if each.status != "pass"] == [
        ("reference", "warn"),  # 902 pictures
        ("slices", "warn"),  # a leaf has a handful of them
        ("rule", "warn"),  # no rule says what is on a picture
    ]


def upstream(owner: Owner) -> Tabular:
    return Tabular(taxi.Trip, examples=taxi.gate.contract.examples, upstream=Upstream(owner))


DECLARED = {
    "nobody owns the gate": ({"owner": None}, "alerts", "owner"),
    "nobody is paged": ({"owner": dataclasses.replace(OWNER, page="")}, "alerts", "gate"),
    "nobody is next": ({"owner": dataclasses.replace(OWNER, escalate=" ")}, "alerts", "gate"),
    "no team": ({"owner": dataclasses.replace(OWNER, team="")}, "alerts", "gate"),
    "no runbook": ({"owner": dataclasses.replace(OWNER, runbook="docs/none.md")}, "alerts", "gate"),
    "a runbook that answers nothing": (
        {"owner": dataclasses.replace(OWNER, runbook="CHANGELOG.md")}, "alerts", "gate"
    ),
    "one alert's owner is blank": (
        {"owner": dataclasses.replace(OWNER, overrides={"drift": Owner("a", "", "c", OWNER.runbook)})},
        "alerts", "drift",
    ),
    "an alert rule of its own owner pages nobody": (
        {"monitoring": Monitoring(rules=(AlertRule("drift.psi", owner=Owner("a", "", "c", "d")),))},
        "alerts", "drift.psi",
    ),
    "upstream pages nobody": (
        {"contract": upstream(Owner("feed", "", "x", OWNER.runbook))}, "alerts", "upstream"
    ),
    **{
        f"nobody owns {duty}": ({"launch": dataclasses.replace(LAUNCH, **{duty: ""})}, "owners", duty)
        for duty in ("training", "serving", "upstream", "performance", "latency")
    },
    "no business metric": (
        {"launch": dataclasses.replace(LAUNCH, business=None)}, "business metric", "business"
    ),
    "no degradation is acceptable": (
        {"launch": dataclasses.replace(LAUNCH, business=dataclasses.replace(LAUNCH.business, degradation=0))},
        "business metric", "degradation",
    ),
    "no retraining trigger": ({"launch": dataclasses.replace(LAUNCH, retrain=None)}, "retraining", "retrain"),
    "no reference": ({"reference": None, "guards": []}, "reference", "reference"),
    "a reference that is not there": ({"reference": "models/none/1"}, "reference", "reference"),
    "a slice without baseline": ({"slices": ["passenger_count", "weekend"]}, "slices", "weekend"),
    "features of another version": (
        {"features": dataclasses.replace(taxi.trip_features, version="2")}, "reference", "features"
    ),
    "a feature function that changed under its version": (
        {"features": dataclasses.replace(taxi.trip_features, source_hash="0" * 64)},
        "features version", "features",
    ),
    "a rung that raises": (
        {"chain": Chain(*taxi.gate.chain.predictors[:2], FakePredictor("rule", raises=RuntimeError("no")))},
        "rungs", "rule",
    ),
    "a model that is not there": (
        {"chain": Chain(Onnx("models/none/1", name="taxi"), taxi.gate.chain.predictors[2])}, "rungs", "taxi"
    ),
    "a rule that needs a file": (
        {"chain": Chain(Onnx("models/taxi/1"), Rule(lambda trip: float(Path("none").read_text())))},
        "rule", "rule",
    ),
    "no bound on fallbacks": (
        {"launch": dataclasses.replace(LAUNCH, fallback_rate=None)}, "rates", "fallback"
    ),
    "a bound that bounds nothing": (
        {"launch": dataclasses.replace(LAUNCH, abstain_rate=1.0)}, "rates", "abstain"
    ),
    "ordinary rows fall back": ({"guards": [Limit(-2.0, -1.0)]}, "rates", "fallback"),
    "no days of log declared": (
        {"launch": dataclasses.replace(LAUNCH, keep_days=None)}, "log", "rows_per_day"
    ),
    "no room for the log": ({"launch": dataclasses.replace(LAUNCH, rows_per_day=1e15)}, "log", "disk"),
    "another model file": (
        {"chain": Chain(Onnx("models/taxi-linear/1", name="taxi"), taxi.gate.chain.predictors[2])},
        "reference", "taxi",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "name", "subject"), DECLARED.values(), ids=DECLARED)
def test_a_line_is_red_and_says_what_to_do(changes, name, subject, tmp_path):
    found = line(variant(taxi.gate, **changes), name, tmp_path)
    assert found.status is Status.FAIL, found
    assert subject in found.subjects
    assert found.says
    assert found.do


def test_an_example_that_is_refused_is_red(tmp_path):
    contract = Tabular(taxi.Trip, examples=taxi.gate.contract.examples)
    contract.examples = [{**contract.examples[0], "trip_distance": -1}]
    found = line(variant(taxi.gate, contract=contract), "contract", tmp_path)
    assert (found.status, found.subjects) == (Status.FAIL, ("trip_distance",))


def test_what_was_inferred_waits_for_a_person(tmp_path):
    source = tmp_path / "gate.py"
    source.write_text("vin: str  # review: looks like an identifier\n")
    found = line(taxi.gate, "contract", tmp_path, source)
    assert (found.status, found.subjects) == (Status.WARN, ("vin: str  # review: looks like an identifier",))


def test_what_no_alert_rule_is_about_is_a_warning(tmp_path):
    silent = variant(taxi.gate, monitoring=Monitoring(rules=USUAL_RULES[:2]))
    found = line(silent, "alerts", tmp_path)
    expected = tuple(each for each in FAMILIES[2:] if each != "camera")  # the gate is not over frames
    assert (found.status, found.subjects) == (Status.WARN, expected)


def test_a_chain_without_rule_or_deadline_is_a_warning(tmp_path):
    bare = variant(taxi.gate, chain=Chain(Onnx("models/taxi/1")))
    assert line(bare, "rule", tmp_path).status is Status.WARN
    assert line(bare, "deadlines", tmp_path).status is Status.WARN


class Endless(Row):
    note: str
    amount: Annotated[float, Unit("EUR")] | None = None
    count: int
    code: Annotated[str, Field(pattern="^[a-z]{3}$")]
    when: Annotated[datetime, Timestamp()]
    sure: bool
    kind: Literal["a", "b"]
    share: Annotated[float, Field(ge=0, le=1)] | None


def test_fields_that_take_anything_are_worth_a_look():
    schema = Endless.model_json_schema()
    endless = {name: taken(prop, schema).endless for name, prop in schema["properties"].items()}
    assert {name: what for name, what in endless.items() if what} == {
        "note": "text of any length", "amount": "any number", "count": "any number"
    }  # fmt: skip


def test_a_secret_in_the_configuration_is_red(tmp_path):
    gate = copied(tmp_path)
    assert line(gate, "secrets", tmp_path).status is Status.PASS
    (tmp_path / "guards").mkdir()
    (tmp_path / "guards" / "taxi.py").write_text("API_TOKEN = 'not-a-real-one-but-long'\n")
    found = line(gate, "secrets", tmp_path)
    assert (found.status, found.subjects) == (Status.FAIL, ("guards/taxi.py",))


def test_a_gate_that_settled_nothing_says_so_line_by_line(tmp_path):
    bare = variant(taxi.gate, owner=None, launch=Launch())
    failing = {each.name for each in check(bare, Settings(home=tmp_path)).failures}
    assert failing == {"alerts", "owners", "business metric", "retraining", "rates", "log"}


def test_the_command_prints_a_table_markdown_or_json_and_exits_by_the_verdict(tmp_path):
    run = CliRunner().invoke
    table = run(cli, ["check", "guards.taxi", "--home", str(tmp_path)])
    assert table.exit_code == 0
    assert "ready to launch: 16 lines." in table.output
    told = json.loads(run(cli, ["check", "guards.taxi", "--format", "json", "--home", str(tmp_path)]).stdout)
    assert told["verdict"] == "pass"
    assert set(told["identity"]) == {"gate", "model", "features", "reference", "contract"}
    markdown = run(cli, ["check", "tests.launch.unready", "--format", "markdown", "--home", str(tmp_path)])
    assert markdown.exit_code == 1
    assert "| ✗ fail | owners | nobody owns the training pipeline" in markdown.stdout


def test_serve_refuses_a_gate_that_is_not_ready_and_names_the_way_round(tmp_path):
    refused = CliRunner().invoke(cli, ["serve", "tests.launch.unready", "--home", str(tmp_path)])
    assert refused.exit_code == 1
    assert "nobody owns the gate" in refused.stderr
    assert "--unchecked REASON" in refused.stderr
    blank = CliRunner().invoke(cli, ["serve", "tests.launch.unready", "--unchecked", " "])
    assert blank.exit_code == 2


def test_a_gate_prints_what_it_is_exactly(tmp_path):
    gate = variant(taxi.gate)
    told = check(gate, Settings(home=tmp_path)).identity
    assert repr(gate).startswith("<Gate gate taxi, model not open, features version 1 ")
    with gate.open(sink=MemorySink()).gate:
        assert repr(gate) == f"<Gate {', '.join(f'{what} {which}' for what, which in told.items())}>"
    assert re.fullmatch(r"taxi/1 [0-9a-f]{12}", told["model"])
    assert set(told) == {"gate", "model", "features", "reference", "contract"}
