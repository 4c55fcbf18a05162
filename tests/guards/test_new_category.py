import dataclasses

import msgspec
import pytest

from wardline.errors import DeclarationError, OpeningError
from wardline.guards import NewCategory
from wardline.reference import Reference
from wardline.testing import example_batch, example_reference
from wardline.verdict import Severity

COLUMNS = {
    "zone": [1] * 60 + [2] * 39 + [264],
    "fuel": ["gas"] * 98 + ["sun", None],
    "member": [True, False] * 50,
    "age": [30.0] * 100,
}
REFERENCE = example_reference(COLUMNS)
SCHEMA = example_batch(COLUMNS).block.schema
USUAL = {"zone": 1, "fuel": "gas", "member": True, "age": 30.0}


def cut_short(reference: Reference, field: str) -> Reference:
    """Return the reference as it is when a column had more values than are kept."""
    profile = msgspec.structs.replace(reference.features[field], known_complete=False)
    return msgspec.structs.replace(reference, features={**reference.features, field: profile})


@pytest.mark.parametrize(
    ("given", "changed", "severity", "reason", "observed"),
    [
        ({}, {}, Severity.OK, "category.known", None),
        ({}, {"zone": None, "fuel": None, "member": None}, Severity.OK, "category.known", None),
        ({}, {"zone": 264, "fuel": "sun", "member": False}, Severity.OK, "category.known", None),
        ({}, {"zone": 3}, Severity.WARN, "category.new", "3"),
        ({}, {"zone": -1}, Severity.WARN, "category.new", "-1"),
        ({}, {"zone": 2.5}, Severity.WARN, "category.new", "2.5"),
        ({}, {"fuel": "coal"}, Severity.WARN, "category.new", "coal"),
        ({}, {"fuel": ""}, Severity.WARN, "category.new", ""),
        ({}, {"fuel": "x" * 500}, Severity.WARN, "category.new", "x" * 80),
        ({"block": True}, {"fuel": "coal"}, Severity.BLOCK, "category.new", "coal"),
        ({"rare": 0.01}, {"fuel": "sun"}, Severity.WARN, "category.rare", "sun"),
        ({"rare": 0.01, "block": True}, {"zone": 264}, Severity.WARN, "category.rare", "264"),
        ({"rare": 0.005}, {"zone": 264}, Severity.OK, "category.known", None),
        ({"fields": ("fuel",)}, {"zone": 3}, Severity.OK, "category.known", None),
    ],
)
def test_a_value_weighs_as_much_as_it_was_rare_in_training(
    given: dict[str, object],
    changed: dict[str, object],
    severity: Severity,
    reason: str,
    observed: str | None,
) -> None:
    guard = dataclasses.replace(NewCategory(), **given).prepare(REFERENCE)
    row = {name: [value] for name, value in {**USUAL, **changed}.items()}
    batch = example_batch(row, schema=SCHEMA)
    found = guard.check(batch.inference(0))
    assert (found.severity, found.reason, found.observed) == (severity, reason, observed)
    assert bool(guard.screen(batch).suspect[0]) == (severity is not Severity.OK)


def test_a_value_off_a_list_that_is_not_complete_never_blocks() -> None:
    guard = NewCategory(block=True).prepare(cut_short(REFERENCE, "zone"))
    new = {name: [value] for name, value in {**USUAL, "zone": 3}.items()}
    assert guard.check(example_batch(new, schema=SCHEMA).inference(0)).severity is Severity.WARN
    new["fuel"] = ["coal"]  # its list is complete
    assert guard.check(example_batch(new, schema=SCHEMA).inference(0)).severity is Severity.BLOCK


def test_the_finding_lists_few_known_values_and_counts_many() -> None:
    guard = NewCategory().prepare(example_reference({"few": ["b", "a", "b"], "many": list("abcdefghi")[:3]}))
    assert guard.check(example_batch({"few": ["x"], "many": ["a"]}).inference(0)).expected == "b, a"
    guard = NewCategory().prepare(example_reference({"many": list("abcdefghi")}))
    assert guard.check(example_batch({"many": ["x"]}).inference(0)).expected == "one of 9 known values"


def test_an_amount_has_no_categories() -> None:
    with pytest.raises(OpeningError, match="no such values of 'age'"):
        NewCategory(fields=("age",)).prepare(REFERENCE)


def test_a_share_over_one_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"rare=1\.5 is a share"):
        NewCategory(rare=1.5)
