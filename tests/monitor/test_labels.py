"""What labels say of real answers: the survey's held-back people, and a later month of taxi trips."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.coverage import held_back
from guards import employment, taxi
from models.taxi.build import TARGET, trips
from tests.late import answered, columns, label
from tests.waiting import until
from wardline.cli.target import watched
from wardline.labelling import Labelling
from wardline.log.joining import labelled
from wardline.log.labelled import Labelled
from wardline.log.labels import read_labels
from wardline.monitor.audit import audited, draw
from wardline.monitor.business import business
from wardline.monitor.coverage import Adapted, adapted
from wardline.monitor.estimates import estimates
from wardline.monitor.labels import Quality, quality, segments
from wardline.monitor.performance import Judged, mixes
from wardline.monitor.realised import FromLabels
from wardline.monitor.signal import Standing
from wardline.owner import Business
from wardline.reference import Estimate
from wardline.stats.performance import Measure
from wardline.truth import Figure
from wardline.verdict import Coverage

DAY = 86_400.0
START = 1_700_000_000.0
NOW = START + 60 * DAY


def people(home: Path) -> Labelled:
    gate, table = employment.gate, held_back("employment")
    ids = answered(gate, home, columns(gate, table), at=START, every_s=DAY)
    truth = [gate.classes[value] for value in table["employed"].to_pylist()]
    at = START + DAY * (np.arange(len(ids)) // 500) + 3600.0
    label(gate, home, ids, truth, observed=at, came=NOW)
    found = read_labels(home / "employment" / "labels", classes=True)
    return labelled(home / "employment" / "records", found, classes=gate.classes, slices=gate.slices)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    return people(tmp_path_factory.mktemp("home"))


WATCHED = watched(employment.gate)


def judge(known: Labelled, find: int | None = None) -> Quality:
    return quality(WATCHED, known, NOW, find=find)


def slice_of(found: Quality, name: str) -> Judged:
    return next(each for each in found.performance if each.slice == name and each.rung == "employment")


def relabelled(known: Labelled, chosen: np.ndarray) -> Labelled:
    """Turn the truth of some answers round, and with it whether their sets hold it."""
    turned = np.where(chosen, 1.0 - known.label, known.label)
    both = known.width == 2
    return replace(known, label=turned, covered=np.where(chosen & ~both, ~known.covered, known.covered))


def test_where_nothing_changed_nothing_is_worse_and_the_promise_holds(known):
    found = judge(known, find=2)
    assert found.matured == found.labelled == len(known) == 13_757
    assert not [each.slice for each in found.performance if each.standing is Standing.ALERT]
    whole = slice_of(found, "")
    assert whole.measures["accuracy"].low < whole.baseline.value < whole.measures["accuracy"].high
    assert found.coverage[0].status is Coverage.VALID
    assert found.coverage[0].share == pytest.approx(0.9, abs=0.04)
    assert found.promises() == {"employment": Coverage.VALID}
    guess = found.estimates
    assert guess.void == ()
    assert guess.checked
    assert guess.estimated.value == pytest.approx(guess.realised.value, abs=0.01)
    assert found.standing is Standing.OK


def test_answers_whose_labels_did_not_come_yet_are_not_judged_and_estimated_instead(known):
    fresh = known.time >= (START + 20 * DAY) * 1e9
    some = replace(
        known, label=np.where(fresh, np.nan, known.label), newest_label=int((START + 20 * DAY) * 1e9)
    )
    found = judge(some)
    assert found.matured == pytest.approx(10_000, abs=500)
    assert found.labelled == found.matured
    truth = 1 - known.loss[fresh].mean()
    guess = found.estimates
    assert guess.rows == pytest.approx(fresh.sum(), abs=500)
    assert guess.cbpe.low < truth < guess.cbpe.high
    for value in (guess.doc, guess.atc):
        assert value == pytest.approx(truth, abs=0.02)


def test_without_enough_labels_nothing_is_said(known):
    few = replace(known, label=np.where(np.arange(len(known)) < 50, known.label, np.nan))
    found = judge(few)
    assert np.isnan(found.maturity.lag_s)
    assert {each.standing for each in found.performance} == {Standing.INSUFFICIENT}
    assert "not enough data" in found.performance[0].says
    assert found.promises() == {}


def test_a_declared_lag_is_taken_and_uneven_labels_are_told(known):
    rng = np.random.default_rng(0)
    uneven = replace(known, label=np.where(rng.uniform(size=len(known)) < 0.3, known.label, np.nan))
    plan = replace(WATCHED.monitoring, labels=Labelling(lag_s=50 * DAY))
    found = quality(replace(WATCHED, monitoring=plan), uneven, NOW)
    assert found.maturity.declared
    assert found.matured == 5000
    assert "have labels, and those may differ" in slice_of(found, "").says


def test_a_changed_relation_voids_the_promise_and_the_estimates_and_alerts(known):
    turned = relabelled(known, np.random.default_rng(1).uniform(size=len(known)) < 0.2)
    found = judge(turned)
    assert slice_of(found, "").standing is Standing.ALERT
    assert found.coverage[0].status is Coverage.VOID
    assert any("labels contradict" in why for why in found.estimates.void)
    assert found.standing is Standing.ALERT


def test_a_slice_that_the_whole_hides_is_found_and_named(known):
    band = known.slices["age_band"]
    old = band.codes == band.names.index("8")
    turned = relabelled(known, old & (np.random.default_rng(2).uniform(size=len(known)) < 0.3))
    found = judge(turned, find=2)
    assert slice_of(found, "").standing is not Standing.ALERT
    assert slice_of(found, "age_band=8").standing is Standing.ALERT
    assert ("age_band", ("age_band=8",)) in [(mix.column, mix.hidden) for mix in found.mixes if mix.hidden]
    named = segments(turned, WATCHED.monitoring.labels, ("SEX", "RAC1P", "age_band"), 1)
    assert "age_band=8" in [each.where for each in named]


def test_rows_like_none_of_the_reference_void_the_estimates(known):
    strange = replace(known, ood_p=np.where(np.arange(len(known)) % 2, 0.001, known.ood_p))
    found = estimates(strange, known.take(slice(0, 0)), WATCHED.reference, Labelling(), "employment")
    assert "like hardly any of the reference" in found.void[0]
    assert not found.checked


def test_healthy_samples_alert_as_rarely_as_declared(known):
    rng = np.random.default_rng(3)
    alarms = evident = runs = 0
    for _ in range(40):
        some = known.take(np.sort(rng.choice(len(known), 3000, replace=False)))
        found = judge(some)
        runs += 1
        alarms += found.standing is Standing.ALERT
        evident += any(each.standing is Standing.WARN for each in found.performance)
    assert (alarms + evident) / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_adaptive_inference_asks_for_more_where_sets_miss_and_takes_each_answer_once(known):
    declared = Labelling(adapt=0.005)
    assert adapted(None, known, Labelling(), "employment", 0.9) is None
    still = adapted(None, known, declared, "employment", 0.9)
    turned = relabelled(known, np.random.default_rng(1).uniform(size=len(known)) < 0.2)
    moved = adapted(None, turned, declared, "employment", 0.9)
    assert moved.level > still.level
    half = known.take(known.time < known.time[7000])
    twice = adapted(adapted(None, half, declared, "employment", 0.9), known, declared, "employment", 0.9)
    assert twice.alpha == pytest.approx(still.alpha)
    assert adapted(still, known, declared, "employment", 0.9) == still
    assert Adapted(0.08).level == pytest.approx(0.92)


def test_an_audit_of_forty_answers_bounds_the_error_of_all(known):
    truth = known.loss.mean()
    rng = np.random.default_rng(4)
    early = np.arange(len(known)) < 3000
    sent = early & (known.loss == 0) & (rng.uniform(size=len(known)) < 0.5)  # only good news was sent
    partly = replace(known, label=np.where(sent, known.label, np.nan))
    held, seen = 0, []
    for seed in range(100):
        audit = draw(partly, "employment", 40, by="SEX", at=0, seed=seed)
        assert sum(len(stratum.ids) for stratum in audit.strata) == 40
        found = audited(audit, known)
        held += found.measure.low <= truth <= found.measure.high
        seen.append(found.measure.value)
    assert np.mean(seen) == pytest.approx(truth, abs=4 * np.std(seen) / 10)
    assert held >= 90
    assert partly.loss[partly.has].mean() == 0.0  # what the labels that were sent would have said
    waiting = audited(audit, partly)
    assert (waiting.labelled, waiting.measure) == (0, None)


def test_the_whole_may_move_against_all_of_its_slices():
    def part(name: str, value: float, rows: int, before: float, past: int) -> Judged:
        measure = Measure(value, value - 0.01, value + 0.01)
        base = Estimate(before, before - 0.01, before + 0.01, past)
        return Judged("m", name, rows, rows, {"accuracy": measure}, base, 0.5, Standing.OK)

    judged = [
        part("", 0.86, 10_000, 0.74, 10_000),
        part("region=easy", 0.88, 9000, 0.92, 3000), part("region=hard", 0.62, 1000, 0.66, 7000),
    ]  # fmt: skip
    (mix,) = mixes(judged, "m")
    assert mix.reversed
    assert mix.change == pytest.approx(0.116, abs=0.001)
    assert mix.within == pytest.approx(-0.04, abs=0.001)


def test_business_figures_are_judged_against_their_bound_once_there_are_enough():
    declared = Business("refunds", baseline=0.02, degradation=0.005)
    rng = np.random.default_rng(5)

    def stands(mean: float, rows: int) -> Standing:
        figures = [
            Figure("refunds", float(v), i, None, None) for i, v in enumerate(rng.normal(mean, 0.002, rows))
        ]
        return business(figures, declared)[0].standing

    assert stands(0.02, 5) is Standing.INSUFFICIENT
    assert stands(0.02, 20) is Standing.OK
    assert stands(0.03, 20) is Standing.ALERT
    income = Business("income", baseline=10.0, degradation=1.0, worse="down")
    assert (
        business([Figure("income", 8.0 + i % 2, i, None, None) for i in range(20)], income)[0].says
        == "past 9"
    )
    assert business([], declared)[0].says.startswith("not enough data")
    own = [Figure("other", 3.0 + i % 2, i, None, 2.0) for i in range(20)]
    assert [(each.metric, each.standing) for each in business(own, None)] == [("other", Standing.ALERT)]


def test_taxi_trips_of_december_are_judged_in_minutes(tmp_path: Path):
    gate, table = taxi.gate, trips("12").slice(0, 2500)
    rows = [
        [gate.contract.adopt(row) for row in table.slice(start, 250).to_pylist()]
        for start in range(0, table.num_rows, 250)
    ]
    ids = answered(gate, tmp_path, rows, at=time.time() - 10 * DAY, every_s=3600.0)
    label(
        gate,
        tmp_path,
        ids,
        table[TARGET].to_pylist(),
        observed=[time.time() - DAY] * len(ids),
        came=time.time(),
    )
    came = read_labels(tmp_path / "taxi" / "labels", classes=False)
    known = labelled(tmp_path / "taxi" / "records", came, slices=gate.slices)
    place = {name: row for row, name in enumerate(ids)}
    minutes = table[TARGET].to_numpy()[[place[name] for name in known.ids]]
    np.testing.assert_allclose(known.label, minutes)
    assert len(known) > 2490  # all that were answered
    inside = (known.label >= known.value - known.width / 2 - 1e-9) & (
        known.label <= known.value + known.width / 2 + 1e-9
    )
    assert (known.covered == inside)[known.stated].mean() > 0.999
    plan = replace(watched(gate).monitoring, labels=Labelling(lag_s=0.0))
    found = quality(replace(watched(gate), monitoring=plan), known, time.time(), find=2)
    whole = next(each for each in found.performance if not each.slice and each.rung == "taxi")
    errors = np.abs(known.value - known.label)[known.rung.codes == known.rung.names.index("taxi")]
    assert whole.measures["mae"].value == pytest.approx(errors.mean())
    assert whole.baseline is not None
    assert found.estimates is None
    assert found.coverage[0].rows == 500


def test_the_monitor_hears_of_coverage_and_levels_as_labels_come(tmp_path: Path):
    gate, table = employment.gate, held_back("employment").slice(0, 3000)
    home = tmp_path
    ids = answered(gate, home, columns(gate, table), at=START, every_s=DAY)
    plan = replace(WATCHED.monitoring, labels=Labelling(adapt=0.005))
    listening = FromLabels(replace(WATCHED, monitoring=plan), home / "employment")
    assert listening.look(NOW) == {}
    truth = [gate.classes[value] for value in table["employed"].to_pylist()]
    turned = [gate.classes[1 - value] for value in table["employed"].to_pylist()]
    at = [START + DAY * (i // 500) + 60.0 for i in range(len(ids))]
    label(gate, home, ids[:1500], truth[:1500], observed=at[:1500], came=NOW - 2)
    assert listening.look(NOW + 1) == {}  # not so soon again
    assert listening.look(NOW + 60, wait=True) == {"employment": Coverage.VALID}
    told = listening.counted
    assert (told.answered, told.labelled) == (3000, 1500)
    assert told.coverage is not None
    level = listening.levels["employment"]
    state = listening.state
    label(gate, home, ids[1500:], turned[1500:], observed=at[1500:], came=NOW - 1)
    again = FromLabels(replace(WATCHED, monitoring=plan), home / "employment", state)
    assert again.levels == {"employment": level}
    assert again.look(NOW + 120, wait=True) == {"employment": Coverage.VOID}
    assert again.levels["employment"] > level
    third = FromLabels(replace(WATCHED, monitoring=plan), home / "employment", state)
    third.look(NOW + 120)  # as the monitor asks: it does not wait, and has it soon
    until(lambda: third.look(NOW + 120) == again.coverage)
    assert third.levels == again.levels
