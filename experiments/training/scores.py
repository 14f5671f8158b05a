"""Scalar quality figures of a model with their intervals: vectorised over bootstrap weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Scores = dict[str, FloatArray]

N_RESAMPLES = 200
CONFIDENCE = 0.95
# Above this many rows the bootstrap draws a subsample and rescales the interval (m out of n).
MAX_BOOTSTRAP_ROWS = 100_000
# Above this many cells (rows x classes) ranking figures get no interval: minutes for no insight.
MAX_RANKING_CELLS = 5_000_000
CHUNK_CELLS = 2_000_000

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "macro_f1": True,
    "weighted_f1": True,
    "roc_auc": True,
    "pr_auc": True,
    "log_loss": False,
    "brier": False,
    "mae": False,
    "rmse": False,
    "r2": True,
    "median_ae": False,
    "mape": False,
}
BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "accuracy": (0.0, 1.0),
    "balanced_accuracy": (0.0, 1.0),
    "macro_f1": (0.0, 1.0),
    "weighted_f1": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "pr_auc": (0.0, 1.0),
    "log_loss": (0.0, None),
    "brier": (0.0, 2.0),
    "mae": (0.0, None),
    "rmse": (0.0, None),
    "r2": (None, 1.0),
    "median_ae": (0.0, None),
    "mape": (0.0, None),
}


@dataclass(frozen=True)
class ClassOutcome:
    """Held-out labels and predictions of a classifier as class numbers.

    Attributes:
        actual: class number of each row, shape (n_rows,).
        predicted: predicted class number, shape (n_rows,).
        probabilities: shape (n_rows, n_classes), or None if the model gives none.
        ranking: any score that rises with the class, same shape, or None; defaults to the
            probabilities and may be a decision function for models without them.
        labels: name of each class number.
        positive: class number that counts as positive when there are two classes.
    """

    actual: IntArray
    predicted: IntArray
    probabilities: FloatArray | None
    ranking: FloatArray | None
    labels: list[str]
    positive: int = 1

    @property
    def is_binary(self) -> bool:
        """Whether there are exactly two classes."""
        return len(self.labels) == 2

    def take(self, rows: IntArray) -> "ClassOutcome":
        """Return the outcome restricted to some rows."""
        return ClassOutcome(
            actual=self.actual[rows],
            predicted=self.predicted[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            ranking=None if self.ranking is None else self.ranking[rows],
            labels=self.labels,
            positive=self.positive,
        )


@dataclass(frozen=True)
class ValueOutcome:
    """Held-out values and predictions of a regressor, both of shape (n_rows,)."""

    actual: FloatArray
    predicted: FloatArray

    def take(self, rows: IntArray) -> "ValueOutcome":
        """Return the outcome restricted to some rows."""
        return ValueOutcome(actual=self.actual[rows], predicted=self.predicted[rows])


@dataclass(frozen=True)
class Interval:
    """Lower and upper end of a 95 % interval; NaN where it is undefined."""

    low: float
    high: float


def class_counts(codes: IntArray, weights: FloatArray, n_classes: int) -> FloatArray:
    """Return weighted counts per class, shape (n_draws, n_classes)."""
    return np.stack([np.bincount(codes, weights=row, minlength=n_classes) for row in weights])


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _nanmean(values: FloatArray) -> FloatArray:
    """Mean over the last axis that ignores NaN and is NaN when nothing is left, silently."""
    valid = ~np.isnan(values)
    total = np.where(valid, values, 0.0).sum(axis=-1)
    return _divide(total, valid.sum(axis=-1).astype(np.float64))


def ranking_areas(
    is_class: NDArray[np.bool_], score: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ROC AUC and average precision per draw, exact with ties.

    Args:
        is_class: whether each row belongs to the class, shape (n_rows,).
        score: score of the class, shape (n_rows,).
        weights: weight of each row in each draw, shape (n_draws, n_rows).
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sorted_weights = weights[:, order]
    hits = sorted_weights * is_class[order]
    positives = np.add.reduceat(hits, starts, axis=1)
    negatives = np.add.reduceat(sorted_weights - hits, starts, axis=1)
    true_positives = np.cumsum(positives, axis=1)
    false_positives = np.cumsum(negatives, axis=1)
    n_positive, n_negative = true_positives[:, -1], false_positives[:, -1]
    area = (negatives * (true_positives - positives / 2)).sum(axis=1)
    precision = np.nan_to_num(_divide(true_positives, true_positives + false_positives))
    average_precision = _divide((positives * precision).sum(axis=1), n_positive)
    return _divide(area, n_positive * n_negative), average_precision


def _ranking_scores(outcome: ClassOutcome, ranking: FloatArray, weights: FloatArray) -> Scores:
    classes = [outcome.positive] if outcome.is_binary else range(len(outcome.labels))
    pairs = [
        ranking_areas(outcome.actual == number, ranking[:, number], weights) for number in classes
    ]
    roc = np.stack([pair[0] for pair in pairs], axis=-1)
    average_precision = np.stack([pair[1] for pair in pairs], axis=-1)
    return {"roc_auc": _nanmean(roc), "pr_auc": _nanmean(average_precision)}


def row_log_losses(outcome: ClassOutcome, probabilities: FloatArray) -> FloatArray:
    """Return the log loss of each row, shape (n_rows,)."""
    smallest = np.finfo(np.float64).eps
    sums = probabilities.sum(axis=1)
    chosen = probabilities[np.arange(len(outcome.actual)), outcome.actual]
    return np.asarray(-np.log(np.clip(chosen / np.where(sums > 0, sums, 1.0), smallest, 1.0)))


def row_briers(outcome: ClassOutcome, probabilities: FloatArray) -> FloatArray:
    """Return the Brier term of each row: 0 to 1 for two classes, 0 to 2 for more."""
    target = np.eye(len(outcome.labels))[outcome.actual]
    squared = ((probabilities - target) ** 2).sum(axis=1)
    return np.asarray(squared / 2 if outcome.is_binary else squared)


def classification_scores(
    outcome: ClassOutcome, weights: FloatArray, *, with_ranking: bool = True
) -> Scores:
    """Return every classification figure, one value per draw.

    Args:
        outcome: what the model said and what was true.
        weights: weight of each row in each draw, shape (n_draws, n_rows).
        with_ranking: leave out the two costly areas under curves when false.
    """
    n_classes = len(outcome.labels)
    hit = outcome.actual == outcome.predicted
    support = class_counts(outcome.actual, weights, n_classes)
    predicted = class_counts(outcome.predicted, weights, n_classes)
    correct = class_counts(outcome.actual[hit], weights[:, hit], n_classes)
    total = weights.sum(axis=1)
    f1 = _divide(2 * correct, support + predicted)
    scores: Scores = {
        "accuracy": correct.sum(axis=1) / total,
        "balanced_accuracy": _nanmean(_divide(correct, support)),
        "macro_f1": _nanmean(f1),
        "weighted_f1": (np.nan_to_num(f1) * support).sum(axis=1) / total,
    }
    nothing = np.full(len(weights), np.nan)
    ranked = outcome.ranking is not None and with_ranking
    scores |= (
        _ranking_scores(outcome, outcome.ranking, weights)
        if ranked and outcome.ranking is not None
        else {"roc_auc": nothing, "pr_auc": nothing}
    )
    if outcome.probabilities is None:
        return scores | {"log_loss": nothing, "brier": nothing}
    scores["log_loss"] = weights @ row_log_losses(outcome, outcome.probabilities) / total
    scores["brier"] = weights @ row_briers(outcome, outcome.probabilities) / total
    return scores


def mape_is_legitimate(actual: FloatArray) -> bool:
    """Return whether relative errors mean anything: no value near zero against the typical one."""
    size = np.abs(actual)
    return bool(len(size)) and bool(size.min() > 0.01 * np.median(size)) and bool(size.min() > 0)


def regression_scores(outcome: ValueOutcome, weights: FloatArray, *, with_mape: bool) -> Scores:
    """Return every regression figure, one value per draw (see `classification_scores`)."""
    total = weights.sum(axis=1)
    error = outcome.predicted - outcome.actual
    size = np.abs(error)
    squared = weights @ (error**2)
    # Centred first: the textbook sum of squares cancels badly for large means.
    centred = outcome.actual - outcome.actual.mean()
    mean = weights @ centred / total
    spread = weights @ (centred**2) - total * mean**2
    floor = 1e-12 * max(float((centred**2).sum()), 1e-300)
    scores = {
        "mae": weights @ size / total,
        "rmse": np.sqrt(squared / total),
        "r2": 1 - _divide(squared, np.where(spread > floor, spread, 0.0)),
        "median_ae": _weighted_medians(size, weights),
    }
    if with_mape:
        scores["mape"] = weights @ (size / np.abs(outcome.actual)) / total
    return scores


def _weighted_medians(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Median of values repeated `weights` times (whole numbers), one per draw."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    cumulated = np.cumsum(weights[:, order], axis=1)
    total = cumulated[:, -1]
    pairs = list(zip(cumulated, total, strict=True))
    lower = [np.searchsorted(row, np.floor((n + 1) / 2)) for row, n in pairs]
    upper = [np.searchsorted(row, np.ceil((n + 1) / 2)) for row, n in pairs]
    return np.asarray((ordered[lower] + ordered[upper]) / 2)


def bootstrap_intervals(
    score: Callable[[IntArray, FloatArray], Scores],
    n_rows: int,
    *,
    seed: int,
    check_stop: Callable[[], None],
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Interval]:
    """Return percentile intervals of every figure.

    Args:
        score: figures for (rows used, weights of those rows per draw).
        n_rows: how many held-out rows there are.
        seed: makes the draws repeatable.
        check_stop: called between chunks; raises to give up.
        n_resamples: how many times the rows are drawn again.
    """
    rng = np.random.default_rng(seed)
    n_used = min(n_rows, MAX_BOOTSTRAP_ROWS)
    rows = np.arange(n_rows)
    if n_used < n_rows:
        rows = np.sort(rng.choice(n_rows, size=n_used, replace=False))
    chunk = max(1, CHUNK_CELLS // max(1, n_used))
    parts: list[Scores] = []
    for start in range(0, n_resamples, chunk):
        check_stop()
        n_draws = min(chunk, n_resamples - start)
        draws = rng.integers(n_used, size=(n_draws, n_used))
        weights = np.stack([np.bincount(draw, minlength=n_used) for draw in draws])
        parts.append(score(rows, weights.astype(np.float64)))
    shrink = float(np.sqrt(n_used / n_rows)) if n_rows else 1.0
    return {
        name: _percentile_interval(np.concatenate([part[name] for part in parts]), shrink)
        for name in parts[0]
    }


def _percentile_interval(draws: FloatArray, shrink: float) -> Interval:
    defined = draws[np.isfinite(draws)]
    if len(defined) < len(draws) / 2:
        return Interval(float("nan"), float("nan"))
    middle = float(np.median(defined))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    return Interval(middle + (low - middle) * shrink, middle + (high - middle) * shrink)


def fold_interval(name: str, per_fold: Sequence[float]) -> tuple[float, Interval]:
    """Return the mean over folds and its interval, widened because folds share training rows.

    The variance factor 1/k + 1/(k-1) is Nadeau and Bengio's correction for overlapping folds.
    """
    values = np.array([value for value in per_fold if np.isfinite(value)])
    if len(values) == 0:
        return float("nan"), Interval(float("nan"), float("nan"))
    mean = float(values.mean())
    n_folds = len(values)
    if n_folds < 2:
        return mean, Interval(float("nan"), float("nan"))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, n_folds - 1))
    half = quantile * float(values.std(ddof=1)) * float(np.sqrt(1 / n_folds + 1 / (n_folds - 1)))
    lowest, highest = BOUNDS[name]
    low = mean - half if lowest is None else max(lowest, mean - half)
    high = mean + half if highest is None else min(highest, mean + half)
    return mean, Interval(low, high)
