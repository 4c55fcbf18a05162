"""The fault matrix names its tests: every row has some, and each of them is there and runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in (ROOT / "docs" / "faults.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| fault")
]
_TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_row_declares_both_outcomes_and_names_tests_that_exist(row: list[str]) -> None:
    fault, closed, opened, tests = row
    assert fault
    assert closed
    assert opened
    found = _TEST.findall(tests)
    assert found
    assert _TEST.sub("", tests).strip() == ""
    for path, name in found:
        functions = {
            node.name: node
            for node in ast.parse((ROOT / path).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in functions, f"{path} has no {name}"
        skipped = [
            ast.unparse(mark) for mark in functions[name].decorator_list if ".skip(" in ast.unparse(mark)
        ]
        assert not skipped
