"""`wardline new`: a contract inferred from data, a model, a reference, and a gate that serves."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import duckdb
import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from models.building import ROOT
from tests.serving.processes import answers
from tests.waiting import free_port, until
from wardline import Action, Settings
from wardline.cli import cli
from wardline.cli.target import load
from wardline.launch.checklist import check
from wardline.launch.inferring import Summary, field_name, guess
from wardline.log.reader import read
from wardline.reference import load as load_reference
from wardline.testing import MemorySink

AWKWARD = """
    SELECT 5000 + i AS order_id,
           TIMESTAMP '2024-01-01 08:00:00' + INTERVAL (i) MINUTE AS "placed at",
           (i * 37 % 1000) / 10.0 AS "weight (kg)",
           CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 13 % 50) END AS items,
           CASE WHEN i % 11 = 0 THEN NULL ELSE ['road', 'rail', 'sea'][1 + i % 3] END AS "class",
           i % 2 = 0 AS express,
           'note ' || i AS remark,
           3 + 0.5 * (i * 37 % 1000) / 10.0 + i % 3 AS days
    FROM range(900) rows(i)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder, and what is imported from it forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("guards.made_") or name == "pipelines":
            del sys.modules[name]


def new(*options, status=0):
    result = CliRunner().invoke(cli, ["new", *map(str, options)])
    assert result.exit_code == status, result.output
    return result.output


def test_an_awkward_table_becomes_a_gate_that_answers(project):
    duckdb.sql(f"COPY ({AWKWARD}) TO '{project / 'orders.csv'}' (FORMAT csv, HEADER)")
    said = new("made_orders", "--data", "orders.csv", "--target", "days")
    text = (project / "guards/made_orders.py").read_text()
    assert "order_id: Annotated[int" in text
    assert re.search(
        r"placed_at: .*Timestamp.*# review: the column is called \"placed at\"; a timestamp", text
    )
    assert re.search(r"items: Annotated\[int, Field\(ge=0, le=54\)\] \| None = None", text)
    assert 'class_: Literal["rail", "road", "sea"] | None = None' in text
    assert "express: bool" in text
    assert re.search(r"remark: .*# review: looks like an identifier", text)
    assert "review" in said
    gate = load("guards.made_orders")
    assert gate.features.schema.names == ("weight_kg", "items", "class_", "express")
    gate.open(sink=MemorySink())
    example = gate.contract.examples[0]
    assert gate(example).action is Action.SERVE
    missing = {name: value for name, value in example.items() if name not in ("items", "class_")}
    assert gate(missing).action in (Action.SERVE, Action.FLAG)
    assert gate({**example, "weight_kg": -1.0}).action is Action.REJECT
    gate.close()
    assert load_reference(gate.reference_dir).rungs["made_orders"].coverage == "valid"
    failing = {line.name for line in check(gate, Settings(home=project / "home")).failures}
    assert failing == {"alerts", "owners", "business metric", "retraining"}  # what only a person can settle


def test_a_pipeline_that_picks_columns_by_name_is_fitted_and_exported(project):
    duckdb.sql(f"COPY ({AWKWARD}) TO '{project / 'orders.parquet'}' (FORMAT parquet)")
    (project / "pipelines.py").write_text(
        "from sklearn.compose import ColumnTransformer\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import OneHotEncoder, StandardScaler\n"
        "parts = [('n', StandardScaler(), ['weight_kg']), ('c', OneHotEncoder(), ['class_'])]\n"
        "terms = ColumnTransformer(parts)\n"
        "pipeline = make_pipeline(terms, LogisticRegression())\n"
    )
    asked = ["made_late", "--data", "orders.parquet", "--target", "express", "--sklearn"]
    refused = new(*asked, "pipelines:none", status=2)
    assert "no attribute 'none'" in " ".join(refused.split())
    new(*asked, "pipelines:pipeline", "--force")
    gate = load("guards.made_late")
    assert gate.classes == ("false", "true")
    assert gate.chain.names == ("made_late", "made_late-linear", "rule")
    gate.open(sink=MemorySink())
    assert gate(gate.contract.examples[0]).prediction in gate.classes
    gate.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "nothing"], "has no column 'nothing'"),
        (["--target", "remark"], "has 900 different texts: too many for classes"),
        (["--target", "days", "--model", "orders.csv", "--sklearn", "a:b"], "not both"),
    ],
)
def test_what_cannot_be_made_is_wrong_use(options, sentence, project):
    duckdb.sql(f"COPY ({AWKWARD}) TO '{project / 'orders.csv'}' (FORMAT csv, HEADER)")
    said = new("made_none", "--data", "orders.csv", *options, status=2)
    assert sentence in " ".join(re.sub(r"[│╭╰─╮╯]", " ", said).split())
    assert not (project / "guards").exists()


def test_what_exists_is_not_written_over(project):
    (project / "guards").mkdir()
    (project / "guards/made_orders.py").write_text("mine")
    (project / "orders.csv").write_text("a,y\n1,2\n")
    assert "exists already" in new("made_orders", "--data", "orders.csv", "--target", "y", status=2)
    assert (project / "guards/made_orders.py").read_text() == "mine"


@given(st.text(max_size=30), st.lists(st.text(max_size=5), max_size=3))
def test_every_column_gets_a_name_that_python_takes(column, taken):
    name = field_name(column, [field_name(other) for other in taken])
    assert name.isidentifier()
    assert not name.startswith("_")
    assert name not in [field_name(other) for other in taken]


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_range_always_holds_what_was_seen(one, other):
    low, high = sorted((one, other))
    found = guess(Summary("x", "DOUBLE", 10, 0, 5, low, high, 9, ()))
    assert found.low <= low <= high <= found.high
    assert found.low >= 0 or low < 0


@pytest.fixture
def folder(project):
    """Dark and light pictures, each class in a folder of its own."""
    rng = np.random.default_rng(0)
    for name, level in (("day", 170), ("night", 60)):
        (project / "frames" / name).mkdir(parents=True)
        for number in range(40):
            pixels = np.clip(rng.normal(level, 25, (128, 160, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(project / "frames" / name / f"{number}.jpg"), pixels)
    return project / "frames"


def test_a_folder_of_pictures_sorted_by_class_becomes_a_gate_that_answers(folder, project):
    new("made_light", "--data", folder)
    gate = load("guards.made_light")
    assert gate.classes == ("day", "night")
    gate.open(sink=MemorySink())
    kept = load_reference(gate.reference_dir)
    assert kept.rows + 16 == 80
    assert kept.golden.typical
    for name in gate.classes:
        picture = (folder / name / "7.jpg").read_bytes()
        verdict = gate({"picture": picture, "camera": "field-1", "firmware": "1.0"})
        assert verdict.prediction == name
    gate.close()
    few = {line.name for line in check(gate, Settings(home=project / "home")).failures}
    assert few == {"alerts", "owners", "business metric", "retraining", "reference"}  # 64 rows are too few


def test_a_table_and_a_model_in_onnx_form_become_a_gate_with_a_simple_model_behind_it(project):
    duckdb.sql(f"COPY ({AWKWARD}) TO '{project / 'orders.csv'}' (FORMAT csv, HEADER)")
    new("made_one", "--data", "orders.csv", "--target", "days")
    model = project / "models/made_one/1/model.onnx"
    new("made_two", "--data", "orders.csv", "--target", "days", "--model", model)
    gate = load("guards.made_two")
    assert gate.chain.names == ("made_two", "made_two-linear", "rule")
    first, simple = (project / f"models/{name}/1/model.onnx" for name in gate.chain.names[:2])
    assert first.read_bytes() == model.read_bytes() == simple.read_bytes()
    assert "made_two-linear" in (project / "docs/runbooks/made_two.md").read_text()
    gate.open(sink=MemorySink())
    assert gate(gate.contract.examples[0]).served_by == "made_two"
    gate.close()


def test_a_model_of_other_features_is_refused_and_nothing_is_left(project):
    duckdb.sql(f"COPY ({AWKWARD}) TO '{project / 'orders.csv'}' (FORMAT csv, HEADER)")
    new("made_few", "--data", "orders.csv", "--target", "days")
    model = project / "models/made_few/1/model.onnx"
    said = new("made_fewer", "--data", "orders.csv", "--target", "express", "--model", model, status=2)
    said = " ".join(re.sub(r"[│╭╰─╮╯]", " ", said).split())
    assert "it gets, in this order: weight_kg, items, class_, days" in said
    assert not (project / "guards/made_fewer.py").exists()


def test_a_model_in_onnx_form_is_taken_as_it_is(folder, project):
    new("made_first", "--data", folder)
    model = project / "models/made_first/1/model.onnx"
    new("made_second", "--data", folder, "--model", model)
    assert (project / "models/made_second/1/model.onnx").read_bytes() == model.read_bytes()
    assert load("guards.made_second").chain.names == ("made_second", "made_second-linear", "rule")
    assert "# review: are the classes in the order" in (project / "guards/made_second.py").read_text()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--data", "frames/day"], "has pictures of 0 classes"),
        (["--data", "frames", "--sklearn", "a:b"], "pictures need a model of pictures"),
    ],
)
def test_pictures_that_cannot_be_sorted_are_wrong_use(options, sentence, folder):
    said = new("made_none", *options, status=2)
    assert sentence in " ".join(re.sub(r"[│╭╰─╮╯]", " ", said).split())


README = (ROOT / "README.md").read_text()


def test_the_four_commands_of_the_readme_run_as_written_from_an_empty_folder(tmp_path):
    (train,) = re.findall(r"^```python four=train.py\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (commands,) = re.findall(r"^```sh four\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    made, checked, served, asked = re.split(r"\n(?=wardline|curl)", commands.strip())
    (tmp_path / "train.py").write_text(train)
    whole = gzip.decompress((ROOT / "models/weather/data/weather.csv.gz").read_bytes())
    (tmp_path / "weather.csv.gz").write_bytes(gzip.compress(b"".join(whole.splitlines(True)[:4000])))
    port = free_port()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "HOME": str(tmp_path), "PATH": path}

    def run(command: str, status: int) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr + done.stdout
        return done.stdout

    run(made, 0)
    assert "not ready: 4 of 16 lines fail." in run(checked, 1)
    server = subprocess.Popen(["/bin/bash", "-c", f"exec {served} --port {port}"], cwd=tmp_path, env=env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}"))
        verdict = json.loads(run(asked.replace("localhost:3000", f"127.0.0.1:{port}"), 0))
        assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).status_code == 200
    finally:
        server.terminate()
        server.wait(180)
    assert (verdict["action"], verdict["served_by"]) == ("serve", "rain")
    assert verdict["prediction"] in ("0", "1")
    folder = tmp_path / ".wardline/rain/records"
    assert read(folder)["unchecked"].to_pylist() == ["trying it out"]
