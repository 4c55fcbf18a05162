"""The guides on guards run, and the table of guards is complete."""

import dataclasses
import doctest
from pathlib import Path

import pytest

from wardline import guards

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("guide", ["guards.md", "add_a_guard.md", "camera.md"])
def test_the_code_in_a_guide_runs_and_prints_what_it_says(guide: str) -> None:
    failed, tried = doctest.testfile(str(DOCS / guide), module_relative=False)
    assert tried
    assert not failed


def test_the_table_has_every_guard_at_its_stage_with_its_thresholds() -> None:
    lines = [line.split(" | ") for line in (DOCS / "guards.md").read_text().splitlines()]
    table = {cells[0].strip("| `"): cells for cells in lines if cells[0].startswith("| `")}
    for name in guards.__all__:
        guard = getattr(guards, name)
        assert table[name][1] == guard.stage.value
        for each in dataclasses.fields(guard):
            if each.name in {"warn", "block"} and isinstance(each.default, float):
                assert f"{each.default:g}" in table[name][4], f"{name}.{each.name}"
