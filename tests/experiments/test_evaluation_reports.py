"""Reports from arrays: the same figures as scikit-learn, honest intervals, clean JSON."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from experiments.training import curves
from experiments.training.reports import (
    Folds,
    ReportOptions,
    classification_report,
    prior_baseline,
    regression_report,
)
from experiments.training.scores import ClassOutcome, ValueOutcome, bootstrap_intervals


def make_outcome(
    n_rows: int = 400, n_classes: int = 3, *, seed: int = 0, coarse: bool = False
) -> ClassOutcome:
    rng = np.random.default_rng(seed)
    actual = rng.integers(n_classes, size=n_rows)
    raw = rng.random((n_rows, n_classes)) + np.eye(n_classes)[actual] * 0.6
    if coarse:
        raw = np.round(raw, 1) + 0.1
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    return ClassOutcome(
        actual=actual,
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        ranking=probabilities,
        labels=[f"class {number}" for number in range(n_classes)],
    )


def make_report(outcome: ClassOutcome, **options: object) -> dict[str, object]:
    counts = np.bincount(outcome.actual, minlength=len(outcome.labels)).astype(float)
    baseline = prior_baseline(counts, outcome.actual, outcome.labels, outcome.positive)
    return classification_report(outcome, baseline, ReportOptions(seed=7, **options))


@pytest.mark.parametrize("coarse", [False, True], ids=["distinct scores", "tied scores"])
def test_multi_class_figures_equal_scikit_learn(coarse):
    outcome = make_outcome(coarse=coarse)
    found = make_report(outcome)["metrics"]
    y, p, proba = outcome.actual, outcome.predicted, outcome.probabilities
    expected = {
        "accuracy": reference.accuracy_score(y, p),
        "balanced_accuracy": reference.balanced_accuracy_score(y, p),
        "macro_f1": reference.f1_score(y, p, average="macro"),
        "weighted_f1": reference.f1_score(y, p, average="weighted"),
        "roc_auc": reference.roc_auc_score(y, proba, multi_class="ovr"),
        "pr_auc": np.mean(
            [reference.average_precision_score(y == k, proba[:, k]) for k in range(3)]
        ),
        "log_loss": reference.log_loss(y, proba, labels=[0, 1, 2]),
        "brier": reference.brier_score_loss(y, proba, labels=[0, 1, 2]),
    }
    assert {name: row["value"] for name, row in found.items()} == pytest.approx(expected)


def test_binary_figures_equal_scikit_learn():
    outcome = make_outcome(n_classes=2)
    found = make_report(outcome)["metrics"]
    y, score = outcome.actual, outcome.probabilities[:, 1]
    assert found["roc_auc"]["value"] == pytest.approx(reference.roc_auc_score(y, score))
    assert found["pr_auc"]["value"] == pytest.approx(reference.average_precision_score(y, score))
    assert found["brier"]["value"] == pytest.approx(reference.brier_score_loss(y, score))


def test_every_figure_lies_in_its_interval_and_beats_the_baseline():
    report = make_report(make_outcome())
    for name, row in report["metrics"].items():
        assert row["low"] <= row["value"] <= row["high"], name
        better = row["value"] > row["baseline"]
        assert better == row["higher_is_better"], name
    assert report["metrics"]["roc_auc"]["baseline"] == pytest.approx(0.5)
    assert report["intervals"] == "bootstrap 200"


def test_bootstrap_interval_agrees_with_a_plain_loop():
    outcome = make_outcome(n_rows=150)
    report = make_report(outcome)
    rng = np.random.default_rng(99)
    draws = []
    for _ in range(400):
        rows = rng.integers(150, size=150)
        draws.append(
            reference.roc_auc_score(
                outcome.actual[rows], outcome.probabilities[rows], multi_class="ovr"
            )
        )
    low, high = np.percentile(draws, [2.5, 97.5])
    row = report["metrics"]["roc_auc"]
    assert row["low"] == pytest.approx(low, abs=0.02)
    assert row["high"] == pytest.approx(high, abs=0.02)


def test_same_seed_gives_the_same_report():
    assert make_report(make_outcome()) == make_report(make_outcome())


def test_report_is_strict_json():
    text = json.dumps(make_report(make_outcome(n_rows=30)), allow_nan=False)
    assert json.loads(text)["n_test"] == 30


def test_confusion_matrix_counts_rows_by_actual_class():
    outcome = make_outcome()
    expected = reference.confusion_matrix(outcome.actual, outcome.predicted)
    assert make_report(outcome)["confusion_matrix"]["counts"] == expected.tolist()


def test_many_classes_keep_the_frequent_ones_and_the_top_confusions():
    matrix = curves.confusion(make_outcome(n_rows=600, n_classes=45))
    assert len(matrix["labels"]) == 30
    assert matrix["truncated_from"] == 45
    counts = [row["count"] for row in matrix["top_confusions"]]
    assert counts == sorted(counts, reverse=True)
    assert all(row["actual"] != row["predicted"] for row in matrix["top_confusions"])


def test_one_class_only_leaves_undefined_figures_null_with_a_note():
    outcome = make_outcome(n_rows=40, n_classes=2)
    only = outcome.take(np.flatnonzero(outcome.actual == 1))
    report = make_report(only)
    assert report["metrics"]["roc_auc"]["value"] is None
    assert report["metrics"]["accuracy"]["value"] is not None
    assert any("roc_auc" in note for note in report["notes"])
    assert any("class 0" in note for note in report["notes"])
    json.dumps(report, allow_nan=False)


def test_a_single_held_out_row_still_gives_a_report():
    report = make_report(make_outcome().take(np.array([3])))
    assert report["n_test"] == 1
    json.dumps(report, allow_nan=False)


def test_model_without_probabilities_ranks_by_its_decision_function():
    outcome = make_outcome(n_classes=2)
    bare = ClassOutcome(
        actual=outcome.actual,
        predicted=outcome.predicted,
        probabilities=None,
        ranking=outcome.ranking,
        labels=outcome.labels,
    )
    report = make_report(bare)
    assert report["metrics"]["roc_auc"]["value"] > 0.5
    assert report["metrics"]["log_loss"]["value"] is None
    assert report["calibration"] is None
    assert report["thresholds"] is None
    assert any("no probabilities" in note for note in report["notes"])


def test_thinned_roc_keeps_the_area():
    outcome = make_outcome(n_rows=5_000, n_classes=2)
    points = curves.roc_points(outcome)["classes"][0]
    assert len(points["fpr"]) <= 102
    exact = reference.roc_auc_score(outcome.actual, outcome.probabilities[:, 1])
    assert np.trapezoid(points["tpr"], points["fpr"]) == pytest.approx(exact, abs=1e-3)


def test_pr_curve_at_201_levels_keeps_the_area():
    outcome = make_outcome(n_rows=5_000, n_classes=2)
    curve = curves.pr_points(outcome)
    exact = reference.average_precision_score(outcome.actual, outcome.probabilities[:, 1])
    assert len(curve["recall"]) == 201
    assert np.trapezoid(curve["classes"][0]["precision"], curve["recall"]) == pytest.approx(
        exact, abs=5e-3
    )


def test_threshold_table_equals_counting_by_hand():
    outcome = make_outcome(n_classes=2)
    table = curves.threshold_table(outcome)
    score, positive = outcome.probabilities[:, 1], outcome.actual == 1
    for at in (0, 50, 101, 200):
        said = score >= table["threshold"][at]
        assert table["tp"][at] == (said & positive).sum()
        assert table["fp"][at] == (said & ~positive).sum()
        assert table["tn"][at] == (~said & ~positive).sum()
        assert table["fn"][at] == (~said & positive).sum()


def test_calibration_bins_hold_every_row_once():
    points = curves.calibration_points(make_outcome())["classes"]
    assert [int(one["counts"].sum()) for one in points] == [400, 400, 400]
    assert all(len(one["counts"]) == 15 for one in points)


def test_calibration_of_a_constant_probability_is_one_bin():
    outcome = make_outcome(n_rows=20, n_classes=2)
    flat = np.full((20, 2), 0.5)
    constant = ClassOutcome(outcome.actual, outcome.predicted, flat, flat, outcome.labels)
    points = curves.calibration_points(constant)["classes"][0]
    assert points["counts"].tolist() == [20]
    assert points["predicted"].tolist() == [0.5]


def test_k_fold_intervals_come_from_the_folds():
    outcome = make_outcome()
    folds = Folds([np.arange(start, 400, 5) for start in range(5)])
    report = make_report(outcome, folds=folds)
    per_fold = [(outcome.actual == outcome.predicted)[rows].mean() for rows in folds.positions]
    row = report["metrics"]["accuracy"]
    assert row["value"] == pytest.approx(np.mean(per_fold))
    assert row["low"] < min(per_fold) < max(per_fold) < row["high"] + 0.05
    assert report["intervals"] == "folds 5"


def make_values(n_rows: int = 300, *, offset: float = 10.0) -> ValueOutcome:
    rng = np.random.default_rng(3)
    actual = rng.normal(offset, 2.0, size=n_rows)
    return ValueOutcome(actual=actual, predicted=actual + rng.normal(0, 0.5, size=n_rows))


def make_regression_report(outcome: ValueOutcome) -> dict[str, object]:
    mean = np.full_like(outcome.actual, outcome.actual.mean())
    baseline = ValueOutcome(outcome.actual, mean)
    return regression_report(outcome, baseline, ReportOptions(seed=7))


def test_regression_figures_equal_scikit_learn():
    outcome = make_values()
    found = make_regression_report(outcome)["metrics"]
    y, p = outcome.actual, outcome.predicted
    expected = {
        "mae": reference.mean_absolute_error(y, p),
        "rmse": reference.root_mean_squared_error(y, p),
        "r2": reference.r2_score(y, p),
        "median_ae": reference.median_absolute_error(y, p),
        "mape": reference.mean_absolute_percentage_error(y, p),
    }
    assert {name: row["value"] for name, row in found.items()} == pytest.approx(expected)
    assert all(row["low"] < row["value"] < row["high"] for row in found.values())
    assert found["r2"]["baseline"] == pytest.approx(0.0, abs=1e-9)


def test_percentage_error_is_left_out_near_zero():
    report = make_regression_report(make_values(offset=0.0))
    assert "mape" not in report["metrics"]
    assert any("percentage" in note for note in report["notes"])


def test_constant_target_has_no_r2():
    actual = np.full(20, 4.0)
    report = make_regression_report(ValueOutcome(actual, actual + 0.5))
    assert report["metrics"]["r2"]["value"] is None
    json.dumps(report, allow_nan=False)


def test_residual_pictures_are_bounded():
    pictures = make_regression_report(make_values(n_rows=5_000))["residuals"]
    assert len(pictures["sample"]["actual"]) == 2_000
    assert pictures["sample"]["of_rows"] == 5_000
    assert len(pictures["qq"]["observed"]) == 100
    assert sum(pictures["histogram"]["counts"]) == 5_000


def test_large_tests_are_subsampled_and_the_interval_rescaled(monkeypatch):
    monkeypatch.setattr("experiments.training.scores.MAX_BOOTSTRAP_ROWS", 500)
    values = np.random.default_rng(0).normal(size=4_000)

    def mean(rows, weights):
        return {"mean": weights @ values[rows] / weights.sum(axis=1)}

    small = bootstrap_intervals(mean, 4_000, seed=1, check_stop=lambda: None)["mean"]
    width = small.high - small.low
    assert width == pytest.approx(2 * 1.96 / np.sqrt(4_000), rel=0.25)
