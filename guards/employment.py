"""Is this person in work? Answered from the codes of the American Community Survey (PUMS).

A quiet control beside the taxi gate: the same survey every year, with little real drift. The field names
are the survey's own, so that its codebook reads as the documentation of this contract.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from wardline import (
    Business,
    Category,
    Chain,
    Field,
    Gate,
    Launch,
    Onnx,
    Owner,
    Retrain,
    Risk,
    Row,
    Rule,
    Tabular,
    Unit,
    Upstream,
    features,
    rule,
)
from wardline.guards import (
    Confidence,
    ConformalSet,
    Hold,
    Margin,
    Missing,
    NewCategory,
    OutOfDistribution,
    Range,
)

YesNo = Literal[1, 2]  # the survey's way: 1 is yes, 2 is no


class Person(Row):
    """One person's answers. A code of 0 stands for the survey's blank: not asked at that age."""

    AGEP: Annotated[int, Field(ge=0, le=99), Unit("year")]
    SCHL: Annotated[int, Field(ge=0, le=24)]  # schooling: 16 is a high school diploma, 21 a bachelor's degree
    MAR: Literal[1, 2, 3, 4, 5]  # married, widowed, divorced, separated, never married
    RELP: Annotated[int, Field(ge=0, le=17)]  # place in the household; 16 lives in an institution
    DIS: YesNo  # any disability
    ESP: Annotated[int, Field(ge=0, le=8)]  # how the parents of a child work
    CIT: Literal[1, 2, 3, 4, 5]  # citizenship
    MIG: Literal[0, 1, 2, 3]  # where they lived a year ago
    MIL: Literal[0, 1, 2, 3, 4]  # military service
    ANC: Literal[1, 2, 3, 4]  # how ancestry was reported
    NATIVITY: Literal[1, 2]  # native, foreign born
    DEAR: YesNo  # hearing difficulty
    DEYE: YesNo  # vision difficulty
    DREM: Literal[0, 1, 2]  # cognitive difficulty
    SEX: Literal[1, 2]  # male, female
    RAC1P: Annotated[int, Field(ge=1, le=9)]  # the survey's race codes

    # The survey keeps these promises in every row of 2015 to 2018: a row that breaks one was assembled
    # wrongly. Written as plain arithmetic, they judge whole columns as well as single rows.

    @rule("AGEP", "SCHL", says="schooling is blank (0) exactly for children under 3")
    def schooling_is_asked_from_three(self) -> bool:
        """A shifted or defaulted schooling column shows here."""
        return (self.SCHL == 0) == (self.AGEP < 3)

    @rule("AGEP", "MIL", says="military service is blank (0) exactly for people under 17")
    def service_is_asked_from_seventeen(self) -> bool:
        """An age in months, or a service code recoded to 0, shows here."""
        return (self.MIL == 0) == (self.AGEP < 17)

    @rule("CIT", "NATIVITY", says="NATIVITY 2 (foreign born) goes with CIT 4 or 5, and only with them")
    def nativity_follows_citizenship(self) -> bool:
        """Two columns that say one thing must agree."""
        return (self.NATIVITY == 2) == (self.CIT >= 4)


class PersonFeatures(NamedTuple):
    """What both models see, in this order: the survey's columns, then what people would read out of them."""

    age: int
    schooling: int
    marital: Category
    relation: Category
    disability: bool
    parents_work: Category
    citizenship: Category
    moved: Category
    military: Category
    ancestry: Category
    foreign_born: bool
    hearing: bool
    vision: bool
    cognition: Category
    male: bool
    race: Category
    age_band: Category  # decades: 3 is the thirties
    minor: bool
    young: bool
    past_65: bool
    years_from_45: int
    diploma: bool
    degree: bool
    institution: bool
    limits: int  # how many of hearing, vision and cognition are impaired


@features(version="1", columnar=True)
def person_features(person: Person) -> PersonFeatures:
    """Comparisons and arithmetic only: the same lines compute one row or a thousand at once."""
    age, schooling = person.AGEP, person.SCHL
    return PersonFeatures(
        age=age,
        schooling=schooling,
        marital=person.MAR,
        relation=person.RELP,
        disability=person.DIS == 1,
        parents_work=person.ESP,
        citizenship=person.CIT,
        moved=person.MIG,
        military=person.MIL,
        ancestry=person.ANC,
        foreign_born=person.NATIVITY == 2,
        hearing=person.DEAR == 1,
        vision=person.DEYE == 1,
        cognition=person.DREM,
        male=person.SEX == 1,
        race=person.RAC1P,
        age_band=age // 10,
        minor=age < 16,
        young=(age >= 16) & (age < 25),
        past_65=age >= 65,
        years_from_45=abs(age - 45),
        diploma=schooling >= 16,
        degree=schooling >= 21,
        institution=person.RELP == 16,
        limits=1 * (person.DEAR == 1) + 1 * (person.DEYE == 1) + 1 * (person.DREM == 1),
    )


def by_age(person: Person) -> str:
    """Answer without a model: of working age, not disabled and not in an institution."""
    working_age = 20 <= person.AGEP < 65
    return "employed" if working_age and person.DIS == 2 and person.RELP != 16 else "not employed"


gate = Gate(
    "employment",
    contract=Tabular(
        Person,
        examples=[
            {
                "AGEP": 41, "SCHL": 21, "MAR": 1, "RELP": 0, "DIS": 2, "ESP": 0, "CIT": 1, "MIG": 1,
                "MIL": 4, "ANC": 1, "NATIVITY": 1, "DEAR": 2, "DEYE": 2, "DREM": 2, "SEX": 2, "RAC1P": 1,
            }
        ],
        upstream=Upstream(
            Owner("survey", page="survey-desk", escalate="survey-ml", runbook="docs/runbooks/employment.md"),
            complete=0.999,
        ),
    ),
    features=person_features,
    chain=Chain(
        Onnx("models/employment/1", deadline_ms=50),  # gradient boosting
        Onnx("models/employment-linear/1", deadline_ms=20),  # logistic regression
        Rule(by_age, answers_blocked=True),  # it reads three codes whose ranges the contract has checked
    ),
    guards=[
        Hold(),
        Missing(),
        Range(),
        NewCategory(),
        OutOfDistribution(),
        Margin(),
        Confidence(warn=None),  # warns of nothing: estimates without labels are made from it
        ConformalSet(level=0.9),
    ],
    reference="models/employment/1",
    owner=Owner(
        team="survey-ml",
        page="survey-ml-oncall",
        escalate="ml-platform",
        runbook="docs/runbooks/employment.md",
    ),
    launch=Launch(
        training="survey-ml",
        serving="ml-platform",
        upstream="survey",
        performance="survey-ml",
        latency="ml-platform",
        business=Business("share of people placed wrongly", baseline=0.173, degradation=0.01),
        retrain=Retrain("a new survey year", every_days=365),
        fallback_rate=0.02,
        abstain_rate=0.001,
        rows_per_day=70_000,  # a state's survey year in one day's batch
        keep_days=30,
    ),
    slices=["SEX", "RAC1P", "DIS", "age_band"],
    risk=Risk.CLOSED,
    classes=("not employed", "employed"),
)  # fmt: skip
