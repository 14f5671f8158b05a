"""The report of a model from held-out rows: figures, intervals, baseline, curves; pure arrays in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.training import curves
from experiments.training.jsonable import to_json
from experiments.training.scores import (
    HIGHER_IS_BETTER,
    MAX_BOOTSTRAP_ROWS,
    MAX_RANKING_CELLS,
    N_RESAMPLES,
    ClassOutcome,
    Interval,
    Scores,
    ValueOutcome,
    bootstrap_intervals,
    class_counts,
    classification_scores,
    fold_interval,
    mape_is_legitimate,
    ranking_areas,
    regression_scores,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def never_stop() -> None:
    """Do nothing: the default for callers that cannot be stopped."""


@dataclass(frozen=True)
class Folds:
    """Which held-out positions belong to which fold of a cross-validation."""

    positions: list[IntArray]


@dataclass
class ReportOptions:
    """How a report is made.

    Attributes:
        seed: makes resampling and samples repeatable.
        folds: set for a cross-validation: intervals come from the folds.
        check_stop: called between pieces; raises to give up.
        notes: remarks that the report carries on; pieces append to it.
    """

    seed: int
    folds: Folds | None = None
    check_stop: Callable[[], None] = never_stop
    notes: list[str] = field(default_factory=list)


def _score_function(
    outcome: ClassOutcome | ValueOutcome, *, with_ranking: bool, with_mape: bool
) -> Callable[[IntArray, FloatArray], Scores]:
    def score(rows: IntArray, weights: FloatArray) -> Scores:
        part = outcome if len(rows) == len(outcome.actual) else outcome.take(rows)
        if isinstance(part, ClassOutcome):
            return classification_scores(part, weights, with_ranking=with_ranking)
        return regression_scores(part, weights, with_mape=with_mape)

    return score


def _point_scores(outcome: ClassOutcome | ValueOutcome, *, with_mape: bool) -> dict[str, float]:
    n_rows = len(outcome.actual)
    score = _score_function(outcome, with_ranking=True, with_mape=with_mape)
    return {
        name: float(values[0])
        for name, values in score(np.arange(n_rows), np.ones((1, n_rows))).items()
    }


def _fold_metrics(
    outcome: ClassOutcome | ValueOutcome, folds: Folds, *, with_mape: bool
) -> dict[str, tuple[float, Interval]]:
    per_fold = [
        _point_scores(outcome.take(positions), with_mape=with_mape)
        for positions in folds.positions
        if len(positions)
    ]
    return {name: fold_interval(name, [one[name] for one in per_fold]) for name in per_fold[0]}


def _bootstrap_metrics(
    outcome: ClassOutcome | ValueOutcome, options: ReportOptions, *, with_mape: bool
) -> dict[str, tuple[float, Interval]]:
    n_rows = len(outcome.actual)
    with_ranking = True
    if isinstance(outcome, ClassOutcome):
        n_cells = min(n_rows, MAX_BOOTSTRAP_ROWS) * len(outcome.labels)
        with_ranking = n_cells <= MAX_RANKING_CELLS
        if not with_ranking:
            options.notes.append("ROC AUC and PR AUC have no interval: too many rows and classes.")
    if n_rows > MAX_BOOTSTRAP_ROWS:
        options.notes.append(
            f"Intervals were resampled from {MAX_BOOTSTRAP_ROWS:,} of {n_rows:,} held-out rows "
            "and rescaled."
        )
    points = _point_scores(outcome, with_mape=with_mape)
    intervals = bootstrap_intervals(
        _score_function(outcome, with_ranking=with_ranking, with_mape=with_mape),
        n_rows,
        seed=options.seed,
        check_stop=options.check_stop,
    )
    return {name: (value, intervals[name]) for name, value in points.items()}


def _metric_table(
    outcome: ClassOutcome | ValueOutcome,
    baseline: ClassOutcome | ValueOutcome,
    options: ReportOptions,
    *,
    with_mape: bool = False,
) -> dict[str, dict[str, Any]]:
    if options.folds is None:
        metrics = _bootstrap_metrics(outcome, options, with_mape=with_mape)
        dummy = _point_scores(baseline, with_mape=with_mape)
    else:
        metrics = _fold_metrics(outcome, options.folds, with_mape=with_mape)
        per_fold = _fold_metrics(baseline, options.folds, with_mape=with_mape)
        dummy = {name: pair[0] for name, pair in per_fold.items()}
    return {
        name: {
            "value": value,
            "low": interval.low,
            "high": interval.high,
            "baseline": dummy[name],
            "higher_is_better": HIGHER_IS_BETTER[name],
        }
        for name, (value, interval) in metrics.items()
    }


def _intervals_name(options: ReportOptions) -> str:
    if options.folds is not None:
        return f"folds {len(options.folds.positions)}"
    return f"bootstrap {N_RESAMPLES}"


def _per_class(outcome: ClassOutcome) -> list[dict[str, Any]]:
    n_classes = len(outcome.labels)
    ones = np.ones((1, len(outcome.actual)))
    hit = outcome.actual == outcome.predicted
    support = class_counts(outcome.actual, ones, n_classes)[0]
    predicted = class_counts(outcome.predicted, ones, n_classes)[0]
    correct = class_counts(outcome.actual[hit], ones[:, hit], n_classes)[0]
    rows = []
    for number, label in enumerate(outcome.labels):
        area = None
        if outcome.ranking is not None:
            is_class = outcome.actual == number
            area = float(ranking_areas(is_class, outcome.ranking[:, number], ones)[0][0])
        found, said, right = support[number], predicted[number], correct[number]
        rows.append(
            {
                "label": label,
                "precision": right / said if said else None,
                "recall": right / found if found else None,
                "f1": 2 * right / (found + said) if found + said else None,
                "support": int(found),
                "roc_auc": area,
            }
        )
    return rows


def _note_undefined(metrics: dict[str, dict[str, Any]], notes: list[str]) -> None:
    undefined = sorted(name for name, row in metrics.items() if not np.isfinite(row["value"]))
    if undefined:
        notes.append("Undefined on these held-out rows: " + ", ".join(undefined) + ".")


def classification_report(
    outcome: ClassOutcome, baseline: ClassOutcome, options: ReportOptions
) -> dict[str, Any]:
    """Return the JSON-clean report of a classifier.

    Args:
        outcome: the model on the held-out rows.
        baseline: the most frequent class and the prior, on the same rows.
        options: seed, folds, stop check and notes.
    """
    absent = set(range(len(outcome.labels))) - set(np.unique(outcome.actual).tolist())
    if absent:
        names = ", ".join(outcome.labels[number] for number in sorted(absent)[:10])
        options.notes.append(f"No held-out row has the class: {names}.")
    if outcome.probabilities is None:
        options.notes.append(
            "This model gives no probabilities: log loss, Brier score, calibration and confidence "
            "do not exist for it."
        )
    metrics = _metric_table(outcome, baseline, options)
    _note_undefined(metrics, options.notes)
    report: dict[str, Any] = {"task": "classification", "metrics": metrics}
    pieces: list[tuple[str, Callable[[ClassOutcome], Any]]] = [
        ("per_class", _per_class),
        ("confusion_matrix", curves.confusion),
        ("roc_curve", curves.roc_points),
        ("pr_curve", curves.pr_points),
        ("calibration", curves.calibration_points),
        ("score_histograms", curves.score_histograms),
        ("thresholds", curves.threshold_table),
    ]
    for name, make in pieces:
        options.check_stop()
        report[name] = make(outcome)
    report |= {
        "classes": outcome.labels,
        "positive_class": outcome.labels[outcome.positive] if outcome.is_binary else None,
        "n_test": len(outcome.actual),
        "intervals": _intervals_name(options),
        "notes": options.notes,
    }
    return _as_dict(report)


def regression_report(
    outcome: ValueOutcome, baseline: ValueOutcome, options: ReportOptions
) -> dict[str, Any]:
    """Return the JSON-clean report of a regressor (see `classification_report`)."""
    with_mape = mape_is_legitimate(outcome.actual)
    if not with_mape:
        options.notes.append(
            "Mean absolute percentage error is left out: some true values are close to zero."
        )
    metrics = _metric_table(outcome, baseline, options, with_mape=with_mape)
    _note_undefined(metrics, options.notes)
    options.check_stop()
    report = {
        "task": "regression",
        "metrics": metrics,
        "residuals": curves.residual_pictures(outcome, seed=options.seed),
        "n_test": len(outcome.actual),
        "intervals": _intervals_name(options),
        "notes": options.notes,
    }
    return _as_dict(report)


def _as_dict(report: dict[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = to_json(report)
    return clean


def prior_baseline(
    train_counts: FloatArray, actual: IntArray, labels: list[str], positive: int
) -> ClassOutcome:
    """Return what always naming the most frequent class with the prior would score.

    Args:
        train_counts: training rows per class, shape (n_classes,).
        actual: class numbers of the held-out rows.
        labels: name of each class.
        positive: class that counts as positive when there are two.
    """
    n_rows = len(actual)
    prior = np.tile(train_counts / max(train_counts.sum(), 1.0), (n_rows, 1))
    return ClassOutcome(
        actual=actual,
        predicted=np.full(n_rows, int(np.argmax(train_counts)), dtype=np.int64),
        probabilities=prior,
        ranking=prior,
        labels=labels,
        positive=positive,
    )
