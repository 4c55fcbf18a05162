"""The bundle: what is saved is what is loaded, and nothing else is ever loaded."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline.errors import BundleError
from wardline.reference import JSON_NAME, NPZ_NAME, Estimate, load, save
from wardline.testing import example_reference

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def reference():
    rng = np.random.default_rng(1)
    return example_reference(
        {
            "miles": rng.lognormal(size=300).tolist(),
            "zone": rng.integers(0, 9, size=300).tolist(),
            "fuel": rng.choice(["gas", "électrique", "\ud800"], size=300).tolist(),
        },
        rungs={"model": rng.normal(size=200).tolist()},
        targets=rng.normal(size=200).tolist(),
    )


def same(left, right):
    """Compare two structs that hold arrays."""
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
    if isinstance(left, msgspec.Struct):
        names = left.__struct_fields__
        return type(left) is type(right) and all(same(getattr(left, n), getattr(right, n)) for n in names)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def test_what_is_loaded_is_what_was_saved(reference, tmp_path):
    saved = save(reference, tmp_path)
    assert same(load(tmp_path), saved)
    assert len(saved.id) == 12
    assert json.loads((tmp_path / JSON_NAME).read_bytes())["content_sha256"].startswith(saved.id)
    assert sorted(path.name for path in tmp_path.iterdir()) == [JSON_NAME, NPZ_NAME]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(NUMBERS, min_size=2, max_size=20),
    names=st.lists(st.text(), min_size=1, max_size=5, unique=True),
    figure=NUMBERS,
)
def test_any_reference_survives_the_round_trip(values, names, figure, tmp_path):
    with np.errstate(all="ignore"):  # extreme values are the point here, not their mean
        made = example_reference(
            {"a": [1.0], **{f"x{n}": [n] for n in names}}, rungs={"m": [0.0] * len(values)}
        )
    rung = made.rungs["m"]
    rung = msgspec.structs.replace(
        rung,
        performance={name: Estimate(figure, figure, figure, 3) for name in names},
        predictions=msgspec.structs.replace(rung.predictions, edges=np.array(values), atoms=tuple(values)),
    )
    made = msgspec.structs.replace(made, rungs={"m": rung}, notes=tuple(names), period=("a", "b"))
    saved = save(made, tmp_path)
    assert same(load(tmp_path), saved)


def test_the_id_follows_the_content_and_nothing_else(reference, tmp_path):
    first = save(reference, tmp_path / "a")
    again = save(msgspec.structs.replace(reference, id="other"), tmp_path / "b")
    changed = save(msgspec.structs.replace(reference, rows=reference.rows + 1), tmp_path / "c")
    assert first.id == again.id != changed.id
    for name in (JSON_NAME, NPZ_NAME):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", [JSON_NAME, NPZ_NAME])
def test_every_flipped_byte_is_refused(reference, tmp_path, name):
    save(reference, tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    places = {0, 1, len(whole) - 1, *np.random.default_rng(2).integers(0, len(whole), size=150).tolist()}
    for place in places:
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            with pytest.raises(BundleError, match="wardline reference"):
                load(tmp_path)


@pytest.mark.parametrize("name", [JSON_NAME, NPZ_NAME])
def test_a_file_cut_off_or_grown_is_refused(reference, tmp_path, name):
    save(reference, tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    for content in (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole + b"\n", whole + whole):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="wardline reference"):
            load(tmp_path)


def test_two_files_of_different_builds_do_not_fit_together(reference, tmp_path):
    save(reference, tmp_path / "a")
    ood = msgspec.structs.replace(reference.ood, center=reference.ood.center + 1)
    save(msgspec.structs.replace(reference, ood=ood), tmp_path / "b")
    (tmp_path / "b" / NPZ_NAME).replace(tmp_path / "a" / NPZ_NAME)
    with pytest.raises(BundleError, match=r"not the one that reference\.json was written with"):
        load(tmp_path / "a")


def test_a_missing_file_is_named_with_the_command_that_makes_it(reference, tmp_path):
    with pytest.raises(
        BundleError, match=r"no .*reference\.json: restore it, or build it anew with `wardline"
    ):
        load(tmp_path)
    save(reference, tmp_path)
    (tmp_path / NPZ_NAME).unlink()
    with pytest.raises(BundleError, match=r"no .*reference\.npz"):
        load(tmp_path)


def test_the_reference_of_another_gate_is_refused_by_name(reference, tmp_path):
    save(reference, tmp_path)
    assert load(tmp_path, gate="example").gate == "example"
    with pytest.raises(BundleError, match="of gate 'example', not of 'loan'"):
        load(tmp_path, gate="loan")


def test_a_newer_format_asks_for_a_newer_wardline(reference, tmp_path):
    save(reference, tmp_path)
    path = tmp_path / JSON_NAME
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(BundleError, match="upgrade wardline"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"reference": 3}', "[" * 100_000, '"\\ud800"'])
def test_any_other_json_is_no_reference(reference, tmp_path, text):
    save(reference, tmp_path)
    (tmp_path / JSON_NAME).write_text(text)
    with pytest.raises(BundleError, match="wardline reference"):
        load(tmp_path)


def test_objects_are_never_pickled_into_a_bundle(reference, tmp_path):
    ood = msgspec.structs.replace(reference.ood, center=np.array([object()]))
    with pytest.raises(NotImplementedError, match="numbers, text and arrays"):
        save(msgspec.structs.replace(reference, ood=ood), tmp_path)
    assert not list(tmp_path.iterdir())


def test_loaded_arrays_cannot_be_changed_by_a_guard(reference, tmp_path):
    save(reference, tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        load(tmp_path).features["miles"].edges[0] = 0.0


def test_a_save_that_fails_leaves_the_old_bundle_whole(reference, tmp_path):
    old = save(reference, tmp_path)
    broken = msgspec.structs.replace(reference, extra={"x": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(broken, tmp_path)
    assert load(tmp_path).id == old.id
