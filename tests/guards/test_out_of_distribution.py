import numpy as np
import pytest

from wardline.errors import DeclarationError, OpeningError
from wardline.guards import OutOfDistribution
from wardline.testing import example_batch, example_reference
from wardline.verdict import Measured, Severity


def drawn(rows: int, seed: int) -> dict[str, list[float]]:
    """Two features that hang together, and a third of another size."""
    rng = np.random.default_rng(seed)
    load = rng.normal(0.0, 1.0, rows)
    return {
        "load": load.tolist(),
        "heat": (load + rng.normal(0.0, 0.1, rows)).tolist(),
        "cost": rng.normal(1e6, 1e5, rows).tolist(),
    }


REFERENCE = example_reference(drawn(20_000, 0))
GUARD = OutOfDistribution().prepare(REFERENCE)


def row(load: float | None, heat: float | None, cost: float | None = 1e6) -> dict[str, list[float | None]]:
    return {"load": [load], "heat": [heat], "cost": [cost]}


@pytest.mark.parametrize(
    ("load", "heat", "severity"),
    [
        (1.5, 1.5, Severity.OK),
        (1.5, -1.5, Severity.BLOCK),  # each is in range, the two together are not
        (0.0, 0.41, Severity.WARN),
        (None, None, Severity.OK),
        (float("inf"), 0.0, Severity.BLOCK),
    ],
)
def test_a_combination_that_training_never_had_is_seen(
    load: float | None, heat: float | None, severity: Severity
) -> None:
    found = GUARD.check(example_batch(row(load, heat)).inference(0))
    assert (found.severity, found.reason) == (severity, "ood.unlike_reference")
    assert isinstance(found.measured, Measured)
    assert found.measured.ood_p == pytest.approx(10**-found.score)


def test_on_rows_like_the_reference_it_fires_at_its_declared_rate() -> None:
    fresh = example_batch(drawn(20_000, 1))
    p = OutOfDistribution(warn=0.05).prepare(REFERENCE).screen(fresh).measured["ood_p"]
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.008)
    assert (p <= 0.002).mean() == pytest.approx(0.002, abs=0.002)


def test_rows_of_the_reference_rank_alike_alone_and_in_a_batch() -> None:
    batch = example_batch(drawn(20_000, 0)).only(np.arange(300))
    measured = [GUARD.check(batch.inference(i)).measured for i in range(300)]
    assert [each.ood_p for each in measured if isinstance(each, Measured)] == list(
        GUARD.screen(batch).measured["ood_p"]
    )


def test_too_few_reference_rows_are_said_and_not_guessed_over() -> None:
    guard = OutOfDistribution().prepare(example_reference(drawn(400, 0)))
    found = guard.check(example_batch(row(9.0, -9.0)).inference(0))
    assert (found.severity, found.reason) == (Severity.OK, "ood.insufficient_reference")
    assert isinstance(found.measured, Measured)
    assert found.measured.ood_p == pytest.approx(1 / 201)


def test_few_rows_may_warn_where_they_cannot_block() -> None:
    guard = OutOfDistribution(warn=0.01, block=0.0002).prepare(example_reference(drawn(400, 0)))
    found = guard.check(example_batch(row(9.0, -9.0)).inference(0))
    assert (found.severity, found.reason) == (Severity.WARN, "ood.unlike_reference")


def test_features_are_found_by_name_where_their_order_is_another() -> None:
    turned = {"cost": [1e6], "note": ["a"], "heat": [-1.5], "load": [1.5]}
    found = GUARD.check(example_batch(turned).inference(0))
    straight = GUARD.check(example_batch(row(1.5, -1.5)).inference(0))
    assert (found.severity, found.score) == (straight.severity, straight.score)


def test_text_and_order_of_columns_do_not_shift_the_vector() -> None:
    columns = {"note": ["a"] * 2000, **drawn(2000, 0)}
    guard = OutOfDistribution().prepare(example_reference(columns))
    plain = OutOfDistribution().prepare(example_reference(drawn(2000, 0)))
    with_text = example_batch({"note": ["a"], **row(1.5, 1.4)}).inference(0)
    assert guard.check(with_text).score == plain.check(example_batch(row(1.5, 1.4)).inference(0)).score


def test_a_reference_without_distances_is_an_opening_error() -> None:
    with pytest.raises(OpeningError, match="holds no distances"):
        OutOfDistribution().prepare(example_reference({"note": ["a", "b"]}))


@pytest.mark.parametrize(("warn", "block"), [(0.0, None), (1.0, None), (0.01, 0.02), (0.01, 0.0)])
def test_thresholds_that_are_no_p_values_are_refused(warn: float, block: float | None) -> None:
    with pytest.raises(DeclarationError, match="p-values"):
        OutOfDistribution(warn=warn, block=block)
