"""A value's place in the reference."""

from __future__ import annotations

import numpy as np

from wardline.profiles import profile_classes, profile_numbers
from wardline.tracing.place import placed


def test_amounts_have_a_rank_and_names_a_share_and_the_unusual_come_first() -> None:
    amounts = profile_numbers("amount", np.arange(1001, dtype=np.float64), window=200)
    names = profile_classes("kind", np.array([0.0] * 90 + [1.0] * 10), ("a", "b"))
    found = placed({"kind": "b", "amount": 900.0}, {"amount": amounts, "kind": names})
    assert [(each.name, each.words) for each in found] == [
        ("amount", "above 90 % of the reference"), ("kind", "10 % of the reference"),
    ]  # fmt: skip
    (high, new) = placed({"amount": 2000.0, "kind": "z"}, {"amount": amounts, "kind": names})
    assert (high.words, new.words) == ("above all of the reference", "never in the reference")
    assert (
        placed({"amount": 500.0, "kind": "z"}, {"amount": amounts, "kind": names}, ["amount"])[0].name
        == "amount"
    )
