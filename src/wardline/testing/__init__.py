"""What a test of a gate, a guard or a predictor needs, for users as for this package itself.

`guard_checks` is the conformance suite: every guard, ours and yours, must pass all of it. `FakePredictor`,
`FakeClock` and `MemorySink` stand where a model, the time and the log stand. `example_reference` and
`example_batch` make small true ones of plain columns. None of them needs a network, a file or a sleep.
"""

from wardline.testing.conformance import check_guard, guard_checks
from wardline.testing.examples import example_batch, example_reference, example_schema
from wardline.testing.fakes import FakeClock, FakePredictor, MemorySink
from wardline.testing.hostile import hostile

__all__ = [
    "FakeClock",
    "FakePredictor",
    "MemorySink",
    "check_guard",
    "example_batch",
    "example_reference",
    "example_schema",
    "guard_checks",
    "hostile",
]
