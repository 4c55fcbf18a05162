import time
from threading import Event, Timer

import numpy as np
import pytest

from tests.examples import declared_pair
from wardline import Action, Chain
from wardline.errors import DeadlineError, ModelError
from wardline.inference import Outputs
from wardline.predictor import Predictor, Site
from wardline.testing import FakeClock, FakePredictor, MemorySink, example_batch

BATCH = example_batch({"x": [1.0, 2.0]})
SITE = Site(BATCH.block.schema, ())


def test_a_fake_rung_is_a_predictor() -> None:
    rung: Predictor = FakePredictor(answers=3.0)
    assert rung.open(SITE).predict(BATCH, None).values.tolist() == [3.0, 3.0]


def test_it_answers_by_a_function_of_the_batch() -> None:
    fake = FakePredictor(answers=lambda batch: Outputs(batch.block.matrix[:, 0] * 10))
    assert fake.open(SITE).predict(BATCH, None).values.tolist() == [10.0, 20.0]
    assert fake.calls == [2]


def test_it_raises_what_it_was_told_to() -> None:
    with pytest.raises(ZeroDivisionError):
        FakePredictor(raises=ZeroDivisionError()).open(SITE).predict(BATCH, None)


def test_it_is_sound_for_as_many_calls_as_told() -> None:
    rung = FakePredictor(answers=1.0, raises=ZeroDivisionError(), after=1).open(SITE)
    assert rung.predict(BATCH, None).values.tolist() == [1.0, 1.0]
    with pytest.raises(ZeroDivisionError):
        rung.predict(BATCH, None)


def test_it_hangs_until_the_event_or_the_deadline() -> None:
    gone_by, event = time.monotonic(), Event()
    with pytest.raises(DeadlineError, match="fake was told to hang"):
        FakePredictor(hangs=event).open(SITE).predict(BATCH, gone_by)
    freed = FakePredictor(answers=1.0, hangs=event).open(SITE)
    Timer(0.0, event.set).start()
    assert freed.predict(BATCH, None).values.tolist() == [1.0, 1.0]


def test_a_distribution_must_fit_the_classes() -> None:
    with pytest.raises(ModelError, match="2 probabilities, the gate has 0 classes"):
        FakePredictor(answers=(0.5, 0.5)).open(SITE)


def test_the_fakes_stand_in_a_whole_gate() -> None:
    broken = FakePredictor("broken", raises=ValueError(), after=2)
    sound, sink = FakePredictor("sound", 7.0), MemorySink()
    gate = declared_pair(Chain(broken, sound))
    opened = gate.open(sink=sink, clock=FakeClock(1000.0))
    try:
        verdict = gate({"a": 1.0, "b": 2.0})
    finally:
        gate.close()
    assert (verdict.action, verdict.served_by, verdict.prediction) == (Action.FALLBACK, "sound", 7.0)
    assert opened.clock() == 1000.0
    assert sink.records[-1].values.tolist() == [7.0]


def test_a_full_sink_drops_and_counts() -> None:
    sink, gate = MemorySink(limit=1), declared_pair(Chain(FakePredictor(answers=1.0)))
    gate.open(sink=sink)
    for _ in range(2):
        gate({"a": 1.0, "b": 2.0})
    gate.close()
    assert (sink.rows, sink.dropped) == (1, 1)


def test_an_example_reference_is_the_same_for_the_same_seed() -> None:
    from wardline.testing import example_reference

    columns = {"x": np.random.default_rng(0).normal(size=300).tolist()}
    first, second, third = (example_reference(columns, seed=seed) for seed in (1, 1, 2))
    assert first.ood is not None
    assert second.ood is not None
    assert third.ood is not None
    assert np.array_equal(first.ood.distances, second.ood.distances)
    assert not np.array_equal(first.ood.distances, third.ood.distances)
