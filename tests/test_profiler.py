"""The builder: exact where it says so, calibrated on held-out rows only, the same for the same seed."""

import msgspec
import numpy as np
import pytest

from wardline.errors import BundleError
from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.inference import Outputs
from wardline.profiler import Origin, ReferenceBuilder
from wardline.profiles import Limits
from wardline.reference import load, save
from wardline.stats import bins, conformal, ood
from wardline.verdict import Coverage

SCHEMA = FeatureSchema(
    (
        Feature("miles", Kind.CONTINUOUS, "float64"),
        Feature("zone", Kind.CATEGORICAL, "int64"),
        Feature("night", Kind.CATEGORICAL, "bool"),
        Feature("fuel", Kind.TEXT, "string"),
    )
)
ORIGIN = Origin(
    gate="taxi", created="2024-01-01T00:00:00Z", target="minutes", features_version="1", features_hash="f",
    contract_hash="c", models={"model": ("taxi/1", "abc")},
)  # fmt: skip


def _rows(n, seed):
    rng = np.random.default_rng(seed)
    miles = rng.lognormal(size=n)
    miles[rng.random(n) < 0.02] = np.nan
    matrix = np.stack([miles, rng.integers(1, 80, size=n) // 2, rng.random(n) < 0.3], axis=1)
    fuel = rng.choice(np.array(["gas", "diesel", None], dtype=object), size=n, p=[0.7, 0.2, 0.1])
    truth = 5 + 3 * np.nan_to_num(miles) + rng.normal(size=n)
    return FeatureBlock(SCHEMA, matrix, {"fuel": fuel.tolist()}), truth


def _parts(block, targets, size):
    for start in range(0, len(block), size):
        rows = np.arange(start, min(start + size, len(block)))
        yield block.take(rows), targets[rows]


def _answer(block):
    return Outputs(5 + 3 * np.nan_to_num(block.matrix[:, 0]))


def _build(training, held_out=None, *, size=700, seed=0, limits=None, classes=(), answer=_answer):
    builder = ReferenceBuilder(SCHEMA, classes=classes, seed=seed, limits=limits)
    for block, targets in _parts(*training, size):
        builder.observe(block, targets)
    builder.freeze()
    for block, targets in _parts(*training, size):
        builder.count(block, targets)
        builder.answered("model", answer(block), targets, _slices(block), held_out=False)
    for block, targets in _parts(*held_out, size) if held_out else ():
        builder.hold_out(block)
        builder.answered("model", answer(block), targets, _slices(block), held_out=True)
    builder.timed("model", np.array([0.001, 0.002, 0.003]))
    return builder.finish(ORIGIN)


def _slices(block):
    return {"fuel": [str(fuel) for fuel in block.text["fuel"]]}


@pytest.fixture(scope="module")
def training():
    return _rows(4_000, 1)


@pytest.fixture(scope="module")
def held_out():
    return _rows(1_500, 2)


@pytest.fixture(scope="module")
def reference(training, held_out):
    return _build(training, held_out)


def test_numbers_are_profiled_exactly(reference, training):
    profile, miles = reference.features["miles"], training[0].matrix[:, 0]
    finite = miles[np.isfinite(miles)]
    assert (profile.rows, profile.nulls) == (4_000, int(np.isnan(miles).sum()))
    assert (profile.minimum, profile.maximum) == (finite.min(), finite.max())
    assert (profile.mean, profile.std) == (pytest.approx(finite.mean()), pytest.approx(finite.std()))
    assert np.allclose(profile.percentiles, np.percentile(finite, np.arange(101)))
    assert np.array_equal(profile.counts, bins.count(profile.edges, profile.atoms, miles))
    assert profile.counts.sum() == 4_000


def test_categories_are_counted_exactly(reference, training):
    profile = reference.features["fuel"]
    fuel = training[0].text["fuel"]
    assert profile.categories == {"gas": fuel.count("gas"), "diesel": fuel.count("diesel")}
    assert (profile.nulls, profile.other) == (fuel.count(None), 0)
    zones = reference.features["zone"]
    assert zones.known == {str(zone) for zone in range(40)}
    assert zones.counts.sum() == sum(zones.categories.values()) == 4_000
    assert set(reference.features["night"].categories) == {"0", "1"}


def test_the_stream_may_come_in_any_blocks(training, held_out, reference, tmp_path):
    whole = _build(training, held_out, size=10_000)
    assert np.array_equal(whole.features["miles"].counts, reference.features["miles"].counts)
    assert np.array_equal(whole.ood.distances, reference.ood.distances)
    mae, same = (r.rungs["model"].performance["mae"].value for r in (whole, reference))
    assert mae == pytest.approx(same)


def test_the_same_rows_and_seed_build_the_same_bundle(training, held_out, tmp_path):
    limits = Limits(sample=500)
    first, again, other = (
        save(_build(training, held_out, seed=seed, limits=limits), tmp_path / str(place))
        for place, seed in enumerate((3, 3, 4))
    )
    assert first.id == again.id != other.id
    assert load(tmp_path / "0", gate="taxi").id == first.id


def test_a_sample_shapes_the_bins_of_more_rows_than_fit_and_counts_stay_exact(training):
    reference = _build(training, limits=Limits(sample=300))
    profile, miles = reference.features["miles"], training[0].matrix[:, 0]
    assert np.array_equal(profile.counts, bins.count(profile.edges, profile.atoms, miles))
    assert profile.counts[: len(profile.edges) + 1].min() > 4_000 / 10 / 2
    assert profile.maximum == np.nanmax(miles) == profile.percentiles[100]


def test_too_many_categories_are_bounded_and_said_to_be(training):
    profile = _build(training, limits=Limits(known=10, categories=3)).features["zone"]
    assert not profile.known_complete
    assert len(profile.known) <= 13
    assert len(profile.categories) == 3
    assert profile.other + sum(profile.categories.values()) == 4_000


def test_performance_comes_from_held_out_rows_by_slice_with_intervals(reference, held_out):
    block, truth = held_out
    rung = reference.rungs["model"]
    errors = np.abs(_answer(block).values - truth)
    mae = rung.performance["mae"]
    assert (mae.value, mae.rows) == (pytest.approx(errors.mean()), 1_500)
    assert mae.low < mae.value < mae.high
    gas = np.array(block.text["fuel"], dtype=object) == "gas"
    assert rung.slices["fuel=gas"]["mae"].value == pytest.approx(errors[gas].mean())
    assert set(rung.slices) == {"fuel=gas", "fuel=diesel", "fuel=None"}
    assert reference.extra["in_sample"]["model"]["mae"] != mae.value
    assert reference.notes == ()


def test_rare_slices_are_not_reported_and_crowded_ones_are_said_to_be(training):
    reference = _build(training, limits=Limits(slice_rows=1_000, slice_values=2))
    assert set(reference.rungs["model"].slices) == {"fuel=gas"}
    assert any("slice fuel has more than 2 values" in note for note in reference.notes)


def test_calibration_is_of_held_out_rows_and_keeps_its_promise(reference):
    rung = reference.rungs["model"]
    assert (rung.coverage, rung.coverage_reason) == (Coverage.VALID, "")
    assert sum(len(scores) for scores in rung.calibration.scores) == 1_500
    assert all(len(scores) >= 200 for scores in rung.calibration.scores)
    block, truth = _rows(4_000, 5)
    limits = conformal.thresholds(rung.calibration.scores, 0.9)
    low, high = conformal.intervals(_answer(block).values, limits, rung.calibration.band_edges).T
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.9, abs=0.02)


def test_without_held_out_rows_nothing_is_promised_and_performance_is_called_in_sample(training):
    reference = _build(training)
    rung = reference.rungs["model"]
    assert (rung.coverage, rung.coverage_reason) == (Coverage.VOID, "no held-out rows were given")
    assert rung.calibration is None
    assert "in-sample" in reference.notes[0]


@pytest.mark.parametrize(
    ("rows", "status"), [(5, Coverage.VOID), (50, Coverage.WATCH), (150, Coverage.VALID)]
)
def test_few_held_out_rows_promise_little(training, rows, status):
    assert _build(training, _rows(rows, 3)).rungs["model"].coverage is status


def test_distances_rank_rows_that_did_not_shape_the_whitening(reference):
    assert reference.ood.names == ("miles", "night")  # codes have no distance
    assert len(reference.ood.distances) == 2_000 + 1_500
    block, _ = _rows(3_000, 6)
    fresh = ood.distances(block.matrix[:, [0, 2]], reference.ood.center, reference.ood.whitening)
    p = conformal.p_value(reference.ood.distances, fresh)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_bundle_is_bounded_and_errs_to_the_safe_side(training, held_out, reference):
    small = _build(training, held_out, limits=Limits(scores=100))
    assert len(small.ood.distances) == 100
    scores, whole = (r.rungs["model"].calibration.scores for r in (small, reference))
    assert sum(map(len, scores)) <= 100 + len(scores)
    assert all(
        conformal.quantile(a, 0.8) >= conformal.quantile(b, 0.8) for a, b in zip(scores, whole, strict=True)
    )


def test_latency_is_in_milliseconds_a_row(reference):
    assert reference.rungs["model"].latency_ms["p50"] == pytest.approx(2.0)
    assert (reference.rungs["model"].file, reference.rungs["model"].sha256) == ("taxi/1", "abc")


def _classify(block):
    p = 1 / (1 + np.exp(1 - np.nan_to_num(block.matrix[:, 0])))
    P = np.stack([1 - p, p], axis=1)
    return Outputs(P.argmax(axis=1).astype(float), P)


def _labelled(n, seed):
    block, _ = _rows(n, seed)
    return block, (np.random.default_rng(seed).random(n) < _classify(block).probabilities[:, 1]).astype(float)


def test_classes_are_profiled_by_name_and_calibrated_each():
    reference = _build(_labelled(2_000, 1), _labelled(1_000, 2), classes=("no", "yes"), answer=_classify)
    rung = reference.rungs["model"]
    assert reference.targets.kind is Kind.CATEGORICAL
    assert list(reference.targets.categories) == list(rung.predictions.categories) == ["no", "yes"]
    assert reference.targets.counts.sum() == rung.predictions.rows == 2_000
    assert set(rung.performance) == {"accuracy", "log_loss", "brier"}
    assert rung.confidence.rows == 1_000
    assert rung.confidence.minimum >= 0.5
    assert rung.calibration.per_class
    assert len(rung.calibration.scores) == 2
    assert rung.coverage is Coverage.VALID


def test_a_rung_without_probabilities_promises_no_set():
    plain = lambda block: Outputs(np.zeros(len(block)))  # noqa: E731 - one line of data
    reference = _build(_labelled(500, 1), _labelled(200, 2), classes=("no", "yes"), answer=plain)
    rung = reference.rungs["model"]
    assert (rung.coverage, rung.calibration) == (Coverage.VOID, None)
    assert "without probabilities" in rung.coverage_reason


def test_answers_that_are_no_number_widen_the_promise_and_are_said(training, held_out):
    def answer(block):
        values = _answer(block).values
        values[::10] = np.nan
        return Outputs(values)

    reference = _build(training, held_out, answer=answer)
    assert any("not finite" in note for note in reference.notes)
    assert np.isinf(np.concatenate(reference.rungs["model"].calibration.scores)).sum() == pytest.approx(
        150, abs=3
    )


def test_no_rows_and_changed_rows_are_refused(training):
    builder = ReferenceBuilder(SCHEMA)
    with pytest.raises(BundleError, match="not one row"):
        builder.freeze()
    builder.observe(*training)
    builder.freeze()
    with pytest.raises(BundleError, match="the data changed meanwhile"):
        builder.finish(ORIGIN)


def test_extreme_values_still_make_a_bundle(tmp_path):
    block, truth = _rows(50, 1)
    matrix = block.matrix.copy()
    matrix[:4, 0] = [1e308, -1e308, np.inf, np.nan]
    odd = msgspec.structs.replace(block, matrix=matrix), truth
    profile = save(_build(odd, answer=lambda b: Outputs(np.zeros(len(b)))), tmp_path).features["miles"]
    assert (profile.nonfinite, profile.maximum) == (1, 1e308)
    assert np.isfinite([profile.mean, profile.std]).all()
