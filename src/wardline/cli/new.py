"""`wardline new`: from a training file to a gate that serves, and that `check` says what is missing of."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from wardline.cli.dataset import Dataset, prepare
from wardline.cli.profiling import Plan as Profiling
from wardline.cli.profiling import build
from wardline.cli.reference import files_of, progress
from wardline.cli.target import importable, load
from wardline.cli.training import Source
from wardline.errors import ModelError
from wardline.launch import picturing, scaffold
from wardline.launch.inferring import Guess
from wardline.launch.runbook import runbook
from wardline.reference import save

FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--data",
    required=True,
    type=FILE,
    help="Training rows (.parquet, .csv, .csv.gz), or a folder of pictures by class.",
)
@click.option("--target", metavar="COLUMN", help="The column that the model answers; not for pictures.")
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A model in ONNX form."
)
@click.option(
    "--sklearn", metavar="MODULE:OBJECT", help="A scikit-learn estimator; it is fitted if it is not yet."
)
@click.option("--seed", default=0, show_default=True, help="Which fifth of the rows calibrates.")
@click.option("--force", is_flag=True, help="Write over files of that name.")
def new(
    *,
    name: str,
    data: Path,
    target: str | None,
    model: Path | None,
    sklearn: str | None,
    seed: int,
    force: bool,
) -> None:
    """Write a working gate called NAME from training data: contract, model, reference, test, runbook.

    A fifth of the rows is held out to calibrate. A linear model is fitted: it answers where there is no
    other, and stands behind the one given with --model or --sklearn.
    What cannot be known from data alone is marked `# review:`, and `wardline check` says what is missing.
    """
    if model is not None and sklearn is not None:
        raise click.UsageError("give --model or --sklearn, not both")
    if data.is_dir() and sklearn is not None:
        raise click.UsageError("pictures need a model of pictures: export it, and give --model model.onnx")
    if not data.is_dir() and target is None:
        raise click.UsageError("give --target: the column that the model answers")
    if not name.isidentifier() or not name.islower():
        raise click.UsageError(f"{name!r} is used in file and module names: lower-case letters, digits and _")
    root = Path.cwd()
    places = _places(root, name)
    taken = [path.relative_to(root) for path in places.values() if path.exists()]
    if taken and not force:
        raise click.UsageError(f"{taken[0]} exists already: choose another name, or --force to write over it")
    folder = root / "models" / name / "data"
    parts = (
        prepare(data, target, folder, seed) if target and not data.is_dir() else _pictures(data, folder, seed)
    )
    plan = _write(places, name, parts, model=model, sklearn=sklearn)
    try:
        _profile(plan.name, parts)
    except ModelError as error:
        for path in places.values():
            path.unlink(missing_ok=True)
        order = ", ".join(field.name for field in plan.features) or "pictures"
        raise click.UsageError(f"{error}. From {data} it gets, in this order: {order}") from None
    _tell(plan, places, root)


def _places(root: Path, name: str) -> dict[str, Path]:
    return {
        "gate": root / "guards" / f"{name}.py",
        "service": root / "services" / f"{name}.py",
        "model": root / "models" / name / "1" / "model.onnx",
        "fallback": root / "models" / f"{name}-linear" / "1" / "model.onnx",
        "test": root / "tests" / f"test_{name}.py",
        "runbook": root / "docs" / "runbooks" / f"{name}.md",
    }


def _write(
    places: dict[str, Path], name: str, parts: Dataset, *, model: Path | None, sklearn: str | None
) -> scaffold.Plan:
    """Make the models, then every file that names them."""
    for what, path in places.items():
        if what != "fallback":
            path.parent.mkdir(parents=True, exist_ok=True)
    classes, reviews = parts.classes, []
    if model is not None:
        shutil.copyfile(model, places["model"])
        if classes:
            reviews.append("are the classes in the order of the model's probabilities?")
    elif sklearn is not None:
        classes = _fit(parts, places["model"], sklearn)
    else:
        _simple(parts, classes, places["model"])
    given = model is not None or sklearn is not None
    fallback = f"{name}-linear" if given and _stands_behind(parts, classes, places["fallback"]) else ""
    plan = scaffold.Plan(
        name, parts.target, parts.fields, classes, parts.usual, parts.example, fallback, tuple(reviews)
    )
    files = picturing if parts.pictures else scaffold
    places["gate"].write_text(files.declaration(plan))
    places["service"].write_text(scaffold.service(plan))
    places["test"].write_text(files.test(plan))
    places["runbook"].write_text(runbook(plan))
    return plan


def _fit(parts: Dataset, out: Path, sklearn: str) -> tuple[str, ...]:
    """Fit and export the estimator that was named; return the classes in the order of its probabilities."""
    fitting, features = _fitting("fitting"), _features(parts)
    fitted = fitting.fit(parts.fit, features, parts.target, sklearn)
    fitting.export(fitted, features, out)
    return fitting.names_of_classes(fitted, parts.classes) if parts.classes else ()


def _simple(parts: Dataset, classes: tuple[str, ...], out: Path) -> None:
    """Fit and export a linear model, its probabilities in the order of `classes`."""
    if parts.pictures:
        graph = _fitting("thumbnails").fit(parts.fit, classes, parts.target)
        out.write_bytes(graph.SerializeToString())
        return
    fitting, features = _fitting("fitting"), _features(parts)
    fitting.export(fitting.simple(parts.fit, features, parts.target, classes), features, out)


def _stands_behind(parts: Dataset, classes: tuple[str, ...], out: Path) -> bool:
    """Fit a simple model behind the one that was given, where there is something to fit with."""
    if importlib.util.find_spec("sklearn") is None or importlib.util.find_spec("skl2onnx") is None:
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    _simple(parts, classes, out)
    return True


def _features(parts: Dataset) -> list[Guess]:
    features = [field for field in parts.fields if field.is_feature]
    if not features:
        raise click.UsageError("not one column could be a feature: identifiers, times and free text are none")
    return features


def _pictures(data: Path, folder: Path, seed: int) -> Dataset:
    """Look through a folder of pictures; only this needs what decodes them."""
    prepared: Dataset = importlib.import_module("wardline.cli.pictures").prepare(data, folder, seed)
    return prepared


def _fitting(module: str) -> Any:
    """Return a module that fits, which a machine that only serves does not need."""
    try:
        return importlib.import_module(f"wardline.cli.{module}")
    except ModuleNotFoundError as error:
        raise click.UsageError(
            f"fitting needs {error.name}: pip install 'wardline[fit]', or give --model model.onnx"
        ) from None


def _profile(name: str, parts: Dataset) -> None:
    """Build the reference, through the gate that was just written."""
    importable()
    importlib.invalidate_caches()
    gate = load(f"guards.{name}")
    training = Source.of(gate, [parts.fit], target=parts.target, time=None, where=None)
    held_out = Source.of(gate, [parts.calibration], target=parts.target, time=None, where=None)
    hashes = files_of(gate, [parts.fit], [parts.calibration])
    with progress() as step:
        built, _ = build(Profiling(gate, training, held_out, hashes), step)
    assert gate.reference_dir is not None  # noqa: S101 - the gate was written with one
    save(built, gate.reference_dir)


def _tell(plan: scaffold.Plan, places: dict[str, Path], root: Path) -> None:
    """Say what was written, what to look at, and the next command."""
    console = Console(highlight=False, soft_wrap=True)
    for what, path in places.items():
        if what != "fallback" or plan.fallback:
            console.print(f"{what:<11}{path.relative_to(root)}")
    console.print(f"reference  models/{plan.name}/1")
    for field in plan.fields:
        if field.review:
            console.print(f"[yellow]review[/]     {escape(f'{field.name}: {field.review}')}")
    console.print(
        f"next       name its owner in guards/{plan.name}.py, then: wardline check guards.{plan.name}"
    )
