"""The public face stays complete, and the files stay small enough to read."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import wardline

SOURCE = Path(wardline.__file__).parent


@pytest.mark.parametrize("module", ["wardline", "wardline.guards", "wardline.predictors", "wardline.serving"])
def test_what_a_module_exports_is_sorted_present_and_documented(module: str) -> None:
    imported = importlib.import_module(module)
    assert list(imported.__all__) == sorted(imported.__all__)
    for name in imported.__all__:
        exported = getattr(imported, name)
        if callable(exported):
            assert (exported.__doc__ or "").strip(), name


def test_importing_wardline_loads_no_server_and_no_training_library() -> None:
    import subprocess
    import sys

    heavy = ("bentoml", "starlette", "sklearn", "duckdb", "cv2")
    code = f"import sys, wardline; print([name for name in {heavy} if name in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_files_and_functions_stay_small() -> None:
    files, functions = [], []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        name = str(path.relative_to(SOURCE))
        if len(text.splitlines()) > 320:
            files.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                start = node.body[1].lineno if documented and len(node.body) > 1 else first.lineno
                if (node.end_lineno or start) - start + 1 > 45:
                    functions.append(f"{name}:{node.name}")
    assert not files
    assert not functions
