"""A collapsed segment, coverage that is not reached and a business figure past its bound page their owner."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.coverage import held_back
from guards import employment
from tests.late import answered, columns, label
from wardline.cli.target import watched
from wardline.labelling import Labelling
from wardline.log.columns import Coded
from wardline.log.figures import FigureLog
from wardline.log.joining import labelled
from wardline.log.labelled import ClassLabelled, Labelled
from wardline.log.labels import read_labels
from wardline.monitor import outcome
from wardline.monitor.budget import Budget
from wardline.monitor.process import Monitor
from wardline.monitor.signal import Standing, settle
from wardline.monitoring import Monitoring
from wardline.owner import Business, Launch
from wardline.reference import Estimate
from wardline.truth import Figure

GATE = employment.gate
DAY = 86_400.0
START = 1_700_000_000.0
PEOPLE = 6000
KNOWN = replace(
    watched(GATE),
    monitoring=Monitoring(labels=Labelling(lag_s=0.0), silent_s=1e9),
    launch=Launch(business=Business("refunds", baseline=0.02, degradation=0.005)),
)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("home")
    table = held_back("employment").slice(0, PEOPLE)
    return folder, answered(GATE, folder, columns(GATE, table), at=START, every_s=60.0)


def truths(turned: np.ndarray) -> list[str]:
    real = held_back("employment")["employed"].to_numpy()[:PEOPLE].astype(int)
    return [GATE.classes[value] for value in np.where(turned, 1 - real, real)]


def judged(monitor: Monitor, clock: Clock) -> list[tuple[str, str]]:
    """Let labels come in and be judged, and what they say stand for a moment."""
    clock.now += 60.0
    monitor.tick()  # hears that something came, and begins to judge
    assert monitor._labels._thread is not None
    monitor._labels._thread.join(240)
    found = []
    for _ in range(4):
        clock.now += 1.0
        found += [(event.to, event.id) for event in monitor.tick()]
    return found


def test_a_collapsed_segment_pages_its_owner_and_resolves_when_it_is_mended(
    home: tuple[Path, list[str]],
) -> None:
    folder, ids = home
    clock = Clock(START + DAY)
    monitor = Monitor(KNOWN, folder, clock=clock, env={})
    try:
        at = [START + 7200.0 + i for i in range(PEOPLE)]
        women = held_back("employment")["SEX"].to_numpy()[:PEOPLE] == 2
        half = PEOPLE // 2
        label(GATE, folder, ids[:half], truths(women & False)[:half], observed=at[:half], came=clock.now)
        assert judged(monitor, clock) == []
        known = {signal.key: signal for signal in monitor.signals if signal.family == "performance"}
        assert known["performance.error/employment"].standing is Standing.OK
        assert known["performance.error/employment"].rows == 1000
        assert known["performance.error/employment/SEX=2"].standing is Standing.OK

        rng = np.random.default_rng(5)
        broken = truths(women & (rng.uniform(size=PEOPLE) < 0.5))
        label(GATE, folder, ids[half:], broken[half:], observed=at[half:], came=clock.now)
        assert {to for to, _ in judged(monitor, clock)} >= {"pending", "firing"}
        lines = [json.loads(line) for line in (folder / GATE.name / "alerts.jsonl").read_text().splitlines()]
        firing = next(e for e in lines if e["to"] == "firing" and e["alert"]["rule"] == "performance")
        assert "performance.error/employment/SEX=2" in firing["alert"]["signals"]
        assert "performance.error/employment/SEX=1" not in firing["alert"]["signals"]
        owner = KNOWN.owner
        assert owner is not None
        assert (firing["alert"]["owner"], firing["alert"]["runbook"]) == (owner.team, owner.runbook)
        assert any("were wrong" in each["says"] for each in firing["evidence"]["signals"])
        monitor.close()

        monitor = Monitor(KNOWN, folder, clock=clock, env={})  # a restart forgets nothing
        clock.now += 1.0
        assert [event.to for event in monitor.tick()] == []
        label(GATE, folder, ids[half:], truths(women & False)[half:], observed=[a + 1 for a in at[half:]],
              came=clock.now)  # fmt: skip
        assert monitor._labels._thread is not None
        monitor._labels._thread.join(240)
        done = judged(monitor, clock)
        assert ("resolved", firing["id"]) in done
    finally:
        monitor.close()


def test_a_business_figure_past_its_bound_pages_too(home: tuple[Path, list[str]], tmp_path: Path) -> None:
    clock = Clock(START + 40 * DAY)
    monitor = Monitor(KNOWN, tmp_path, clock=clock, env={})
    rng = np.random.default_rng(6)
    try:
        ledger = FigureLog(tmp_path / GATE.name / "business")
        days = [START + i * DAY for i in range(25)]
        ledger.append(
            [Figure("refunds", float(rng.normal(0.06, 0.004)), int(at * 1e9), None, None) for at in days]
        )
        ledger.close()
        assert "firing" in {to for to, _ in judged(monitor, clock)}
        (alert,) = monitor.board.alerts.values()
        assert (alert.rule, alert.signals) == ("business", ["business.target/refunds"])
        (signal,) = (each for each in monitor.signals if each.name == "business.target")
        assert f"until {datetime.fromtimestamp(days[-1], UTC):%Y-%m-%d}, bound 0.025" in signal.says
    finally:
        monitor.close()


def test_coverage_that_is_not_reached_alerts_and_reached_does_not(home: tuple[Path, list[str]]) -> None:
    folder, _ = home
    came = read_labels(folder / GATE.name / "labels", classes=True)
    known = labelled(folder / GATE.name / "records", came, classes=GATE.classes, slices=GATE.slices)
    rng = np.random.default_rng(7)
    level = Budget(KNOWN.monitoring).level("coverage")

    def standing(miss: float) -> Standing:
        covered = rng.uniform(size=len(known)) >= miss
        some = replace(known, covered=covered, label=np.nan_to_num(known.label))
        found = outcome.coverage(some, KNOWN.reference, Labelling(), "employment")
        assert found is not None
        return settle([found], level)[0].standing

    assert standing(0.10) is Standing.OK
    assert standing(0.30) is Standing.ALERT
    few = known.take(np.arange(40))
    found = outcome.coverage(replace(few, label=np.zeros(40)), KNOWN.reference, Labelling(), "employment")
    assert found is not None
    assert settle([found], level)[0].standing is Standing.INSUFFICIENT


BASE = {"classes": Estimate(0.8, 0.79, 0.81, 6000), "numbers": Estimate(3.0, 2.95, 3.05, 20_000)}


def losses(rng: np.random.Generator, memory: float, *, classes: bool, worse: float = 1.0) -> Labelled:
    """Labelled answers at the very limit that alerts, whose errors follow each other."""
    steps = rng.normal(size=1200)
    z = np.empty(1200)
    z[0] = steps[0]
    for i in range(1, 1200):
        z[i] = memory * z[i - 1] + np.sqrt(1 - memory**2) * steps[i]
    reach = 3.2905 / 1.96
    if classes:
        limit = (0.2 + 0.01 * reach + outcome.DROP) * worse
        value = (z > float(np.quantile(np.random.default_rng(0).normal(size=200_000), 1 - limit))).astype(
            float
        )
    else:
        limit = (3.0 + 0.05 * reach) * (1 + outcome.RISE) * worse
        value = np.exp(z) * limit / np.exp(0.5)  # log-normal: skewed, as errors are
    kind = ClassLabelled if classes else Labelled
    none = np.full(1200, np.nan)
    code = Coded(np.zeros(1200, np.int32), ["m"])
    return kind(
        time=np.arange(1200), ids=np.full(1200, "", object), rung=code, reference=code, value=value,
        label=np.zeros(1200), lag_s=none, confidence=none, width=none, ood_p=none, level=none,
        stated=np.zeros(1200, bool), covered=np.zeros(1200, bool), slices={},
    )  # fmt: skip


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_errors_at_the_limit_alert_no_oftener_than_the_level(classes: bool, memory: float) -> None:
    rng = np.random.default_rng(8)
    base = BASE["classes" if classes else "numbers"]
    runs, level = 300, 0.01
    alarms = 0
    for _ in range(runs):
        some = losses(rng, memory, classes=classes)
        signal = outcome._performance(some, ("m", ""), base, Monitoring())
        alarms += settle([signal], level)[0].standing is Standing.ALERT
    assert alarms <= runs * level + 3 * np.sqrt(runs * level)
    worse = outcome._performance(losses(rng, 0.0, classes=classes, worse=1.6), ("m", ""), base, Monitoring())
    assert settle([worse], 1e-7)[0].standing is Standing.ALERT


def test_a_figure_that_follows_the_one_before_is_worth_less() -> None:
    rng = np.random.default_rng(9)
    declared = replace(KNOWN, launch=Launch(business=Business("m", baseline=0.0, degradation=0.0)))

    def alarms(memory: float) -> int:
        found = 0
        for _ in range(400):
            z = rng.normal(size=30)
            for i in range(1, 30):
                z[i] = memory * z[i - 1] + np.sqrt(1 - memory**2) * z[i]
            figures = [Figure("m", float(value), i, None, None) for i, value in enumerate(z)]
            (signal,) = outcome.business(figures, declared)
            found += settle([signal], 0.01)[0].standing is Standing.ALERT
        return found

    assert max(alarms(0.0), alarms(0.5)) <= 4 + 3 * 2


def test_nothing_to_judge_says_nothing() -> None:
    assert list(outcome.business([], replace(KNOWN, launch=Launch()))) == []
    found = list(outcome.business([Figure("refunds", 1.0, 1, None, None)], KNOWN))
    assert [settle([each], 0.01)[0].standing for each in found] == [Standing.INSUFFICIENT]
