"""The guards of a gate sit together: a row gets the same findings alone and in a batch."""

import msgspec
import numpy as np
import pytest

from wardline.guards import (
    Confidence,
    ConformalInterval,
    ConformalSet,
    Margin,
    Missing,
    NewCategory,
    OutOfDistribution,
    OutputRange,
    Range,
)
from wardline.inference import Batch
from wardline.panel import Panel
from wardline.testing import example_batch, example_reference, example_schema
from wardline.verdict import Risk, Stage

RNG = np.random.default_rng(1)
ROWS = 6000


def columns(rows: int, spread: float = 1.0) -> dict[str, list[object]]:
    """Three features; at a larger spread, also gaps and categories that training never had."""
    zones = RNG.integers(0, 5 if spread == 1.0 else 7, rows)
    gaps = RNG.random(rows) < (0.0 if spread == 1.0 else 0.1)
    heights = RNG.normal(0.0, spread, rows)
    return {
        "height": [None if gap else float(height) for gap, height in zip(gaps, heights, strict=True)],
        "weight": RNG.normal(5.0, spread, rows).tolist(),
        "zone": zones.tolist(),
    }


TRAINING = columns(ROWS)
SCHEMA = example_schema(TRAINING)
TRUTH = RNG.normal(0.0, 1.0, ROWS)
P = RNG.dirichlet([2.0, 1.0, 1.0], ROWS)
AMOUNTS = example_reference(
    TRAINING, rungs={"model": (TRUTH + RNG.normal(0.0, 0.3, ROWS)).tolist()}, targets=TRUTH.tolist()
)
NAMES = example_reference(TRAINING, rungs={"model": P.tolist()}, targets=P.argmax(axis=1).tolist())
ODD = columns(200, spread=2.0)
CASES = {
    "input": (
        [Range(), NewCategory(), Missing(), OutOfDistribution()],
        AMOUNTS,
        example_batch(ODD, schema=SCHEMA),
    ),
    "numbers": (
        [OutputRange(), ConformalInterval(warn_width=1.0)],
        AMOUNTS,
        example_batch(ODD, schema=SCHEMA, rung="model", values=RNG.normal(0.0, 4.0, 200).tolist()),
    ),
    "classes": (
        [OutputRange(), Confidence(), Margin(), ConformalSet(level=0.6)],
        NAMES,
        example_batch(ODD, schema=SCHEMA, rung="model", probabilities=RNG.dirichlet([1.0] * 3, 200).tolist()),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_judged_alike_alone_and_in_a_batch(case: str) -> None:
    guards, reference, batch = CASES[case]
    panel = Panel.seat(guards, guards[0].stage, reference, Risk.CLOSED)
    together = panel.judge(batch)
    assert len(together.findings) > 10
    for place in range(len(batch)):
        alone = panel.judge(one(batch, place))
        assert alone.findings.get(0, []) == together.findings.get(place, [])
        for key, column in together.measured.items():
            assert np.array_equal(np.asarray(alone.measured[key][0]), np.asarray(column[place]))


@pytest.mark.parametrize("case", CASES)
def test_findings_travel_as_json(case: str) -> None:
    guards, reference, batch = CASES[case]
    found = Panel.seat(guards, guards[0].stage, reference, Risk.CLOSED).judge(batch).findings
    for findings in found.values():
        for sent, got in zip(findings, msgspec.json.decode(msgspec.json.encode(findings)), strict=True):
            assert (got["guard"], got["score"], got["observed"]) == (sent.guard, sent.score, sent.observed)


def test_a_panel_seats_the_guards_of_its_stage_only() -> None:
    guards = [Range(), OutputRange()]
    assert [g.name for g in Panel.seat(guards, Stage.OUTPUT, AMOUNTS, Risk.CLOSED).guards] == ["output_range"]


def one(batch: Batch, place: int) -> Batch:
    """Return a batch of one of its rows."""
    rows = np.array([place])
    outputs = None if batch.outputs is None else batch.outputs.take(rows)
    return Batch([batch.rows[place]], batch.block.take(rows), batch.now, batch.rung, outputs)
