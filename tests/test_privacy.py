"""Fields about persons: nothing of them is written, traced or shown but what the contract allows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.persons import ADA, BROKEN, EXAMPLE, KEYS, SECRETS, declared, person_features
from tests.serving.server import serving
from wardline import Settings
from wardline.errors import DeclarationError, OpeningError
from wardline.launch.sampling import GoldenSampler
from wardline.log import read
from wardline.privacy import Privacy
from wardline.serving import app


def test_nothing_of_a_person_is_answered_or_written(tmp_path: Path) -> None:
    with serving(app(declared(), Settings(home=tmp_path, keys=KEYS))) as client:
        answers = [client.post("/predict", json=row) for row in (ADA, *BROKEN, [ADA["email"]])]
        answers.append(client.post("/predict", json={"rows": [ADA, *BROKEN]}))
    assert [answer.status_code for answer in answers] == [200, *[422] * 6, 200]
    for answer in answers:
        assert not [secret for secret in SECRETS if secret in answer.text]
    rows = read(tmp_path / "person" / "records")
    assert rows.num_rows == 7 + 6
    written = json.dumps(rows.to_pylist(), default=str)
    assert not [secret for secret in SECRETS if secret in written]
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert not [secret for secret in SECRETS if secret.encode() in file.read_bytes()], file


def test_a_hash_is_keyed_and_equal_for_equal_values_of_one_field(tmp_path: Path) -> None:
    gate = declared()
    gate.open(Settings(home=tmp_path, keys=KEYS))
    gate.batch([ADA, ADA, EXAMPLE])
    gate.close()
    first, second, other = read(tmp_path / "person" / "records")["slice.email"].to_pylist()
    assert first == second != other
    assert first.startswith("hmac:")
    another = Privacy({"email": "hash"})
    another.unlock(b"another key")
    assert another.told("email", ADA["email"]) != first


def test_a_gate_that_hashes_does_not_open_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(OpeningError, match=r"email must be hashed.*WARDLINE_PII_KEY_FILE"):
        declared().open(Settings(home=tmp_path))


def test_the_key_is_never_shown() -> None:
    assert repr(KEYS.pii) not in repr(Settings(keys=KEYS))
    assert "operators" not in repr(Settings(keys=KEYS))


def test_a_dropped_field_splits_no_report() -> None:
    with pytest.raises(DeclarationError, match="'name' is a field that is to be dropped"):
        declared(slices=("name",))


def test_golden_rows_have_the_examples_person_instead_of_a_real_one() -> None:
    gate = declared()
    sampler = GoldenSampler(seed=0)
    block = person_features.of_rows(gate.contract.admit(ADA).rows)
    sampler.add([ADA] * 3, person_features.schema.block([(10.0,)] * 3))
    kept = sampler.finish(gate.contract, person_features, {})
    assert len(block) == 1
    assert all(json.loads(row)["email"] == EXAMPLE["email"] for row in kept.inputs)
    assert not [secret for secret in SECRETS if secret in "".join(map(str, kept.inputs))]


def test_the_schema_says_how_a_field_is_treated() -> None:
    fields = declared().contract.schema()["properties"]
    assert [fields[name].get("x-pii") for name in ("email", "name", "income")] == ["hash", "drop", "keep"]
