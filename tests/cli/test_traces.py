"""`wardline traces`: a person with a terminal finds why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from guards.taxi import gate as taxi
from tests.tracing.sink import receiving
from wardline import Settings
from wardline.cli import cli
from wardline.settings import TraceSettings
from wardline.tracing.read import Tail, Wanted, find, traces

ROW = dict(taxi.contract.examples[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    taxi.close()
    taxi.open(Settings(home=home, traces=TraceSettings(sample=1.0)))
    taxi(ROW)
    taxi({**ROW, "trip_distance": 120})
    taxi({**ROW, "trip_distance": -1})
    taxi.batch([ROW, {**ROW, "trip_distance": 120}])
    taxi.close()
    return home


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("WARDLINE_HOME", str(home))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["traces", "guards.taxi", *arguments])

    return run


def listed(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(text) for text in result.stdout.splitlines()]


def test_the_list_says_what_was_done_and_what_was_found(ask) -> None:  # type: ignore[no-untyped-def]
    text = ask().stdout
    assert "fallback" in text and "range:range.outside distance" in text and "reject" in text  # noqa: PT018 - one list
    assert len(listed(ask("--format", "json"))) == 4


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (["--action", "fallback"], 2), (["--action", "fallback", "--action", "reject"], 3),
        (["--guard", "range"], 2), (["--reason", "contract.range"], 1), (["--rung", "rule"], 2),
        (["--rung", "0"], 1),
        (["--slower-than", "60000"], 0), (["--since", "1h"], 4), (["--since", "2099-01-01"], 0),
        (["--camera", "x"], 0), (["--slice", "nothing=here"], 0), (["--limit", "2"], 2),
    ],
)  # fmt: skip
def test_filters(ask, asked: list[str], count: int) -> None:  # type: ignore[no-untyped-def]
    assert len(listed(ask("--format", "json", *asked))) == count


def test_one_trace_is_drawn_with_findings_features_and_the_record(ask, home: Path) -> None:  # type: ignore[no-untyped-def]
    kept = traces(home / "taxi" / "traces", Wanted(actions=("fallback",)))
    trace = next(each for each in kept if each.root.attributes["wardline.rows"] == 1)
    for given in (trace.trace_id, str(trace.root.attributes["wardline.request_id"])):
        text = ask(given).stdout
        assert "served by rule" in text
        assert "guard range" in text
        assert "block: range.outside distance, observed 120.0, expected 0.01..52.2" in text
        assert "above all of the reference ← found" in text
        assert "predict rule" in text
        assert "feature.distance" in text  # the record beside it


def test_a_row_of_a_batch_finds_its_batch(home: Path) -> None:
    directory = home / "taxi" / "traces"
    batch = next(each for each in traces(directory) if each.root.attributes["wardline.rows"] == 2)
    assert find(directory, f"{batch.root.attributes['wardline.request_id']}-1") == batch


def test_an_unknown_id_says_where_else_to_look(ask) -> None:  # type: ignore[no-untyped-def]
    result = ask("0123")
    assert result.exit_code == 2
    assert "wardline records" in result.output


def test_replay_sends_kept_traces_to_a_receiver(ask) -> None:  # type: ignore[no-untyped-def]
    with receiving() as sink:
        result = ask("--replay", sink.url, "--action", "fallback")
        assert "sent 2 traces" in result.output
        assert {span.name for span in sink.spans} >= {"wardline.gate", "wardline.guard range"}


def test_a_torn_or_strange_line_costs_itself_only(tmp_path: Path, home: Path) -> None:
    file = next((home / "taxi" / "traces").glob("*.jsonl"))
    (tmp_path / file.name).write_bytes(
        b'{"half": \n[]\n{"resourceSpans": 3}\n' + file.read_bytes() + b'{"resourceSp'
    )
    assert len(list(traces(tmp_path))) == 4


def test_a_tail_gives_what_comes_and_waits_for_whole_lines(tmp_path: Path, home: Path) -> None:
    text = next((home / "taxi" / "traces").glob("*.jsonl")).read_bytes()
    first, second = text.splitlines(keepends=True)[:2]
    tail = Tail(tmp_path)
    file = tmp_path / f"{int(time.time() * 1000):013d}-1-x.jsonl"
    file.write_bytes(first + second[:50])
    assert len(list(tail.new())) == 1
    file.write_bytes(first + second)
    assert len(list(tail.new())) == 1
    assert list(tail.new()) == []
