"""A gate over persons: one field is hashed, two are dropped."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from wardline import Chain, Field, Gate, Pii, Row, Rule, Tabular, features, rule
from wardline.keys import KeySettings

KEYS = KeySettings.from_env({"WARDLINE_PII_KEY": "an-operators-own-key"})
SECRETS = ("ada@lovelace.example", "Ada Lovelace", "1815181518")  # no id is this by chance


class Person(Row):
    email: Annotated[str, Pii("hash")]
    name: Annotated[str, Field(max_length=20), Pii("drop")]
    born: Annotated[int, Field(ge=1900), Pii("drop")]
    income: Annotated[float, Field(ge=0), Pii("keep")]

    @rule("name", "income", says="who is named earns something")
    def earns(self) -> bool:
        return self.income > 1


class PersonFeatures(NamedTuple):
    income: float


EXAMPLE = {"email": "x@y.example", "name": "N. N.", "born": 1990, "income": 10.0}
ADA = {"email": SECRETS[0], "name": SECRETS[1], "born": 1990, "income": 10.0}


@features(version="1")
def person_features(row: Person) -> PersonFeatures:
    return PersonFeatures(row.income)


def declared(slices: tuple[str, ...] = ("email",)) -> Gate:
    return Gate(
        "person",
        contract=Tabular(Person, examples=[EXAMPLE]),
        features=person_features,
        chain=Chain(Rule(lambda row: row.income)),
        slices=slices,
    )


BROKEN: list[dict[str, Any]] = [
    {**ADA, "born": -1815181518},
    {**ADA, "name": "Ada Lovelace" * 5},
    {**ADA, "email": ["ada@lovelace.example"]},
    {**ADA, "income": 0.5},
    {**ADA, "emial": "ada@lovelace.example"},
]

gate = declared()
