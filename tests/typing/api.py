"""Never run, only type-checked: how a user writes a gate, a guard and a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from wardline import (
    Business,
    Category,
    Chain,
    Field,
    Finding,
    Gate,
    Inference,
    Launch,
    Onnx,
    Owner,
    Python,
    Retrain,
    Risk,
    Row,
    Rule,
    Stage,
    Tabular,
    Upstream,
    Verdict,
    features,
    judge,
)
from wardline.guards import OutOfDistribution, Range


class Loan(Row):
    income: Annotated[float, Field(ge=0)]
    housing: Literal["own", "rent", "free"]


class LoanFeatures(NamedTuple):
    income: float
    owns: bool
    region: Category


@features(version="2")
def loan_features(row: Loan) -> LoanFeatures:
    return LoanFeatures(row.income, row.housing == "own", 3)


@dataclass(frozen=True)
class Jackpot:
    most: float
    name: str = "jackpot"
    stage: Stage = Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        income = float(inference.feature("income") or 0.0)
        return judge(
            self, income / self.most, warn=1.0, block=10.0, reason="jackpot.income", subject="income"
        )


feed = Owner(team="feed", page="feed-oncall", escalate="risk", runbook="docs/runbooks/feed.md")

gate = Gate(
    "loan",
    contract=Tabular(
        Loan,
        examples=[{"income": 1.0, "housing": "own"}],
        upstream=Upstream(feed, fresh_s=3600, complete=0.99),
    ),
    features=loan_features,
    chain=Chain(
        Onnx("models/loan/3", deadline_ms=50),
        Python(lambda: lambda matrix: matrix[:, 0], name="simple"),
        Rule(lambda row: row.income, answers_blocked=True),
    ),
    guards=[Range(), OutOfDistribution(), Jackpot(most=1e6)],
    reference="models/loan/3",
    owner=Owner(
        team="risk", page="risk-oncall", escalate="platform", runbook="docs/runbooks/loan.md",
        overrides={"jackpot": feed},
    ),
    launch=Launch(
        training="risk", serving="platform", upstream="feed", performance="risk", latency="platform",
        business=Business("loans lost, share of a month", baseline=0.02, degradation=0.005),
        retrain=Retrain("drift that labels confirm", every_days=90),
        fallback_rate=0.02, abstain_rate=0.001, rows_per_day=10_000, keep_days=30,
    ),
    slices=["housing"],
    risk=Risk.CLOSED,
)  # fmt: skip

one: Verdict = gate({"income": 1.0, "housing": "own"})
same: Verdict = gate(b'{"income": 1.0, "housing": "own"}')
first: Verdict = next(iter(gate.batch([{"income": 1.0, "housing": "own"}])))
