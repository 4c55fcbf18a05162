"""The files of a new gate, as text: declaration, service and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardline.launch.inferring import Guess, literal


@dataclass(frozen=True)
class Plan:
    """What is to be written. `classes` is empty for a number; `usual` is what the rule answers."""

    name: str
    target: str
    fields: tuple[Guess, ...]
    classes: tuple[str, ...]
    usual: str | float
    example: Mapping[str, Any]
    fallback: str = ""
    """The simple model that answers where the first cannot, where there is one."""
    reviews: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The row class's name."""
        return "".join(part.capitalize() for part in self.name.split("_")) or "Row"

    @property
    def features(self) -> tuple[Guess, ...]:
        """The fields the model sees."""
        return tuple(field for field in self.fields if field.is_feature)


def declaration(plan: Plan) -> str:
    """Return guards/NAME.py."""
    guards = "ConformalSet, Margin" if plan.classes else "ConformalInterval, OutputRange"
    seats = _sorted(f"Missing, NewCategory, OutOfDistribution, Range, {guards}")
    notes = "".join(f"\n# review: {note}" for note in plan.reviews)
    return f'''"""{plan.title}: {plan.target}, answered from a row. Inferred: confirm what is marked."""

from __future__ import annotations

{_imports(plan)}
from wardline.guards import {seats}
{notes}

{_row(plan)}

{_gate(plan)}'''


def _row(plan: Plan) -> str:
    """Return what a row is, what the model sees of it, and what is said without a model."""
    title, name = plan.title, plan.name
    return f'''class {title}(Row):
    """One row, as a caller sends it. Ranges are what the data had, and a tenth of that beyond."""

{_lines(_field(field) for field in plan.fields)}


class {title}Features(NamedTuple):
    """What the model sees, in this order."""

{_lines(f"{field.name}: {_feature_type(field)}" for field in plan.features)}


@features(version="1")
def {name}_features(row: {title}) -> {title}Features:
    """Hand the fields over as they are; raise the version when this computes anything else."""
    return {title}Features(
{_lines((f"{field.name}={_value(field)}," for field in plan.features), 8)}
    )


def usual(row: {title}) -> {"str" if plan.classes else "float"}:
    """Answer without a model: what is most usual in the training data."""
    return {literal(plan.usual)}
'''


def _gate(plan: Plan) -> str:
    """Return the gate; what only a person can settle is left blank, and `check` refuses blanks."""
    name = plan.name
    stated = "Margin(), ConformalSet(level=0.9)"
    if not plan.classes:
        stated = "OutputRange(), ConformalInterval(level=0.9)"
    return f'''gate = Gate(
    "{name}",
    contract=Tabular(
        {plan.title},
        examples=[
            {{
{_lines((f"{literal(key)}: {literal(value)}," for key, value in plan.example.items()), 16)}
            }}
        ],
    ),
    features={name}_features,
{chain(plan, 50)}
    guards=[Missing(), Range(), NewCategory(), OutOfDistribution(), {stated}],
    reference="models/{name}/1",
{blanks(plan)}'''


def chain(plan: Plan, deadline_ms: int) -> str:
    """Return the chain: the model, a simple one where there is one, and what is usual."""
    last = "Rule(usual, answers_blocked=True)"
    first = f'Onnx("models/{plan.name}/1", deadline_ms={deadline_ms})'
    if not plan.fallback:
        return f"    chain=Chain({first}, {last}),"
    simple = f'Onnx("models/{plan.fallback}/1", deadline_ms={deadline_ms}),  # too simple to surprise anyone'
    return "\n".join(["    chain=Chain(", *(f"        {rung}" for rung in (f"{first},", simple, f"{last},")),
                      "    ),"])  # fmt: skip


def blanks(plan: Plan) -> str:
    """Return the end of a gate: what only a person can settle, left blank."""
    name = plan.name
    classes = f"\n    classes={literal(plan.classes)}," if plan.classes else ""
    return f"""    # `wardline check` refuses blanks: who is responsible, who is paged, and who is paged next?
    owner=Owner(team="", page="", escalate="", runbook="docs/runbooks/{name}.md"),
    launch=Launch(
        training="",
        serving="",
        upstream="",
        performance="",
        latency="",
        business=None,  # Business("the figure that the business watches", baseline=..., degradation=...)
        retrain=None,  # Retrain("what starts a retraining", every_days=...)
        fallback_rate=0.05,
        abstain_rate=0.01,
        rows_per_day=100_000,
        keep_days=14,
    ),
    risk=Risk.CLOSED,{classes}
)
"""


def service(plan: Plan) -> str:
    """Return services/NAME.py."""
    return f'''"""A BentoML service: `wardline serve guards.{plan.name}` serves the same."""

from guards.{plan.name} import gate
from wardline.serving import service

{plan.title}Service = service(gate)
'''


def test(plan: Plan) -> str:
    """Return tests/test_NAME.py."""
    broken = next((field for field in plan.fields if not field.nullable), None)
    refused = (
        f'''

def test_a_row_without_{broken.name.lower()}_is_rejected(opened):
    row = {{name: value for name, value in gate.contract.examples[0].items() if name != "{broken.name}"}}
    assert opened(row).action is Action.REJECT
'''
        if broken
        else ""
    )
    return f'''"""The gate opens (so golden rows reproduce), answers its example, refuses a broken row."""

import pytest

from guards.{plan.name} import gate
from wardline import Action
from wardline.testing import MemorySink


@pytest.fixture(scope="module")
def opened():
    gate.open(sink=MemorySink())
    yield gate
    gate.close()


def test_the_example_is_answered(opened):
    verdict = opened(gate.contract.examples[0])
    assert verdict.action in (Action.SERVE, Action.FLAG)
    assert verdict.prediction is not None
{refused}'''


def _imports(plan: Plan) -> str:
    kinds = {field.kind for field in plan.fields}
    lines = ["from datetime import datetime"] if "time" in kinds else []
    annotated = any(_notes(field) for field in plan.fields)
    typed = [
        *(["Annotated"] if annotated else []),
        *(["Literal"] if "category" in kinds else []),
        "NamedTuple",
    ]
    lines += [f"from typing import {', '.join(typed)}", ""]
    names = ["Chain", "Gate", "Launch", "Onnx", "Owner", "Risk", "Row", "Rule", "Tabular", "features"]
    names += ["Field"] if any("Field(" in _notes(field) for field in plan.fields) else []
    names += ["Timestamp"] if "time" in kinds else []
    return "\n".join([*lines, f"from wardline import {_sorted(', '.join(names))}"])


def _sorted(names: str) -> str:
    return ", ".join(sorted(names.split(", "), key=lambda name: (name[0].islower(), name)))


def _field(field: Guess) -> str:
    base = {
        "float": "float", "int": "int", "bool": "bool", "text": "str", "time": "datetime",
        "identifier": "str" if field.longest else "int",
        "category": f"Literal[{', '.join(map(literal, field.values))}]",
    }[field.kind]  # fmt: skip
    notes = _notes(field)
    said = f"Annotated[{base}, {notes}]" if notes else base
    end = " | None = None" if field.nullable else ""
    review = f"  # review: {field.review}" if field.review else ""
    return f"{field.name}: {said}{end}{review}"


def _notes(field: Guess) -> str:
    if field.kind == "time":
        return 'Timestamp(zone="UTC")'
    if field.low is not None and field.high is not None:
        return f"Field(ge={field.low!r}, le={field.high!r})"
    if field.low is not None:
        return f"Field(ge={field.low!r})"
    return f"Field(max_length={2 * field.longest})" if field.longest else ""


def _feature_type(field: Guess) -> str:
    kind = {"float": "float", "int": "float", "bool": "bool", "category": "str"}[field.kind]
    return f"{kind} | None" if field.nullable and field.kind != "category" else kind


def _value(field: Guess) -> str:
    """A text that is missing has a name of its own: models take no null for a text."""
    if field.kind == "category" and field.nullable:
        return f'"missing" if row.{field.name} is None else row.{field.name}'
    return f"row.{field.name}"


def _lines(lines: Any, indent: int = 4) -> str:
    told: Sequence[str] = list(lines)
    return "\n".join(" " * indent + line for line in told)
