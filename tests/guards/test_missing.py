import pytest

from wardline.errors import OpeningError
from wardline.guards import Missing
from wardline.testing import example_batch, example_reference
from wardline.verdict import Severity

ROWS = 1000
COLUMNS = {
    "always": [1.0] * ROWS,
    "nearly": [None] * 5 + [1.0] * (ROWS - 5),
    "often": [None] * 300 + [1.0] * (ROWS - 300),
    "word": ["yes"] * ROWS,
}
REFERENCE = example_reference(COLUMNS)
SCHEMA = example_batch(COLUMNS).block.schema
FULL = {"always": 1.0, "nearly": 1.0, "often": 1.0, "word": "yes"}


@pytest.mark.parametrize(
    ("gone", "severity", "subject", "score"),
    [
        ((), Severity.OK, "", 0.0),
        (("often",), Severity.OK, "", 0.0),
        (("nearly",), Severity.WARN, "nearly", 0.995),
        (("always",), Severity.BLOCK, "always", 1.0),
        (("word",), Severity.BLOCK, "word", 1.0),
        (("often", "nearly", "always"), Severity.BLOCK, "always", 1.0),
    ],
)
def test_a_gap_weighs_as_much_as_it_was_rare_in_training(
    gone: tuple[str, ...], severity: Severity, subject: str, score: float
) -> None:
    row = {name: [None if name in gone else value] for name, value in FULL.items()}
    batch = example_batch(row, schema=SCHEMA)
    guard = Missing().prepare(REFERENCE)
    found = guard.check(batch.inference(0))
    assert (found.severity, found.subject, found.score) == (severity, subject, score)
    assert bool(guard.screen(batch).suspect[0]) == (severity is not Severity.OK)


def test_a_feature_that_is_not_there_at_all_is_missing() -> None:
    found = Missing().prepare(REFERENCE).check(example_batch({"nearly": [1.0]}).inference(0))
    assert (found.severity, found.subject) == (Severity.BLOCK, "word")


def test_infinity_is_a_value_and_not_a_gap() -> None:
    row = {name: [value] for name, value in FULL.items()} | {"always": [float("inf")]}
    found = Missing().prepare(REFERENCE).check(example_batch(row, schema=SCHEMA).inference(0))
    assert found.severity is Severity.OK


def test_where_told_so_a_gap_only_warns() -> None:
    row = {name: [None] for name in FULL}
    found = Missing(block=None).prepare(REFERENCE).check(example_batch(row, schema=SCHEMA).inference(0))
    assert (found.severity, found.expected) == (
        Severity.WARN,
        "present, as in 100.00% of the training rows",
    )


def test_a_field_that_the_reference_lacks_is_an_opening_error() -> None:
    with pytest.raises(OpeningError, match="no feature 'income', only always, nearly, often, word"):
        Missing(fields=("income",)).prepare(REFERENCE)
