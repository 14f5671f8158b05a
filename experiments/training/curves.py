"""Curves and tables of a report, computed on all rows and only then thinned for the page."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import precision_recall_curve, roc_curve

from experiments.training.scores import ClassOutcome, ValueOutcome

ROC_POINTS = 100
RECALL_LEVELS = 201
N_THRESHOLDS = 201
CALIBRATION_BINS = 15
HISTOGRAM_BINS = 30
SAMPLE_POINTS = 2_000
QQ_POINTS = 100
MAX_CONFUSION_LABELS = 30
MAX_TOP_CONFUSIONS = 100
# A curve per class beyond this many would be unreadable and heavy: the most frequent are kept.
MAX_CURVE_CLASSES = 30

FloatArray = NDArray[np.float64]


def thin_by_arc_length(x: FloatArray, y: FloatArray, n_points: int) -> NDArray[np.int64]:
    """Return indices of about `n_points` points, spread evenly along the curve, ends included."""
    if len(x) <= n_points:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    wanted = np.linspace(0.0, length[-1], n_points)
    picked = np.clip(np.searchsorted(length, wanted), 0, len(x) - 1)
    return np.unique(np.concatenate([[0], picked, [len(x) - 1]]))


def _curve_classes(outcome: ClassOutcome) -> list[int]:
    if outcome.is_binary:
        return [outcome.positive]
    support = np.bincount(outcome.actual, minlength=len(outcome.labels))
    frequent = np.argsort(-support, kind="stable")[:MAX_CURVE_CLASSES]
    return sorted(int(number) for number in frequent if 0 < support[number] < len(outcome.actual))


def roc_points(outcome: ClassOutcome) -> dict[str, Any] | None:
    """Return ROC points per class: `{"classes": [{"label", "fpr", "tpr", "thresholds"}]}`."""
    if outcome.ranking is None:
        return None
    classes = []
    for number in _curve_classes(outcome):
        is_class = outcome.actual == number
        if is_class.all() or not is_class.any():
            continue
        fpr, tpr, thresholds = roc_curve(
            is_class, outcome.ranking[:, number], drop_intermediate=False
        )
        keep = thin_by_arc_length(fpr, tpr, ROC_POINTS)
        classes.append(
            {
                "label": outcome.labels[number],
                "fpr": fpr[keep],
                "tpr": tpr[keep],
                "thresholds": thresholds[keep],
            }
        )
    return {"classes": classes}


def pr_points(outcome: ClassOutcome) -> dict[str, Any] | None:
    """Return precision at 201 recall levels per class, with the share of the class."""
    if outcome.ranking is None:
        return None
    levels = np.linspace(0.0, 1.0, RECALL_LEVELS)
    classes = []
    for number in _curve_classes(outcome):
        is_class = outcome.actual == number
        if not is_class.any():
            continue
        precision, recall, _ = precision_recall_curve(is_class, outcome.ranking[:, number])
        # scikit-learn's points run from recall 1 to 0; the last of them is a convention.
        rising_recall, matching = recall[::-1][1:], precision[::-1][1:]
        at = np.clip(np.searchsorted(rising_recall, levels - 1e-12), 0, len(matching) - 1)
        classes.append(
            {
                "label": outcome.labels[number],
                "precision": matching[at],
                "share": float(is_class.mean()),
            }
        )
    return {"recall": levels, "classes": classes}


def calibration_points(outcome: ClassOutcome) -> dict[str, Any] | None:
    """Return mean claimed probability and seen frequency in 15 quantile bins per class."""
    if outcome.probabilities is None:
        return None
    classes = []
    for number in _curve_classes(outcome):
        claimed = outcome.probabilities[:, number]
        happened = (outcome.actual == number).astype(np.float64)
        edges = np.unique(np.quantile(claimed, np.linspace(0, 1, CALIBRATION_BINS + 1)))
        bins = np.clip(np.searchsorted(edges, claimed, side="right") - 1, 0, max(len(edges) - 2, 0))
        counts = np.bincount(bins)
        used = counts > 0
        classes.append(
            {
                "label": outcome.labels[number],
                "predicted": (np.bincount(bins, weights=claimed)[used] / counts[used]),
                "observed": (np.bincount(bins, weights=happened)[used] / counts[used]),
                "counts": counts[used],
            }
        )
    return {"classes": classes}


def score_histograms(outcome: ClassOutcome) -> dict[str, Any] | None:
    """Return, per class, how its probability is spread over rows of the class and of the rest."""
    if outcome.probabilities is None:
        return None
    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    classes = []
    for number in _curve_classes(outcome):
        claimed = outcome.probabilities[:, number]
        is_class = outcome.actual == number
        classes.append(
            {
                "label": outcome.labels[number],
                "of_class": np.histogram(claimed[is_class], bins=edges)[0],
                "of_others": np.histogram(claimed[~is_class], bins=edges)[0],
            }
        )
    return {"edges": edges, "classes": classes}


def threshold_table(outcome: ClassOutcome) -> dict[str, Any] | None:
    """Return true/false positives/negatives at 201 thresholds; None unless two classes.

    A row counts as positive when its probability is at least the threshold.
    """
    if outcome.probabilities is None or not outcome.is_binary:
        return None
    thresholds = np.linspace(0.0, 1.0, N_THRESHOLDS)
    score = outcome.probabilities[:, outcome.positive]
    positive = outcome.actual == outcome.positive

    def at_least(values: FloatArray) -> NDArray[np.int64]:
        # A hair of tolerance: 0.35 out of linspace is not bit-equal to 0.35 out of a model.
        return len(values) - np.searchsorted(np.sort(values), thresholds - 1e-12)

    true_positives, false_positives = at_least(score[positive]), at_least(score[~positive])
    return {
        "positive": outcome.labels[outcome.positive],
        "negative": outcome.labels[1 - outcome.positive],
        "threshold": thresholds,
        "tp": true_positives,
        "fp": false_positives,
        "tn": int((~positive).sum()) - false_positives,
        "fn": int(positive.sum()) - true_positives,
    }


def confusion(outcome: ClassOutcome) -> dict[str, Any]:
    """Return raw counts (rows = actual); over 30 classes the most frequent and top confusions."""
    n_classes = len(outcome.labels)
    pairs, counts = np.unique(outcome.actual * n_classes + outcome.predicted, return_counts=True)
    actual, predicted = pairs // n_classes, pairs % n_classes
    kept = np.arange(n_classes)
    if n_classes > MAX_CONFUSION_LABELS:
        support = np.bincount(outcome.actual, minlength=n_classes)
        kept = np.sort(np.argsort(-support, kind="stable")[:MAX_CONFUSION_LABELS])
    position = {int(number): place for place, number in enumerate(kept)}
    matrix = np.zeros((len(kept), len(kept)), dtype=np.int64)
    for row, column, count in zip(actual, predicted, counts, strict=True):
        if int(row) in position and int(column) in position:
            matrix[position[int(row)], position[int(column)]] = count
    answer: dict[str, Any] = {
        "labels": [outcome.labels[number] for number in kept],
        "counts": matrix,
    }
    if n_classes > MAX_CONFUSION_LABELS:
        wrong = np.flatnonzero(actual != predicted)
        top = wrong[np.argsort(-counts[wrong], kind="stable")][:MAX_TOP_CONFUSIONS]
        answer["truncated_from"] = n_classes
        answer["top_confusions"] = [
            {
                "actual": outcome.labels[actual[at]],
                "predicted": outcome.labels[predicted[at]],
                "count": counts[at],
            }
            for at in top
        ]
    return answer


def residual_pictures(outcome: ValueOutcome, *, seed: int) -> dict[str, Any]:
    """Return residual sample (predicted against actual), histogram and normal QQ points.

    A residual is actual minus predicted. The sample holds at most 2,000 rows.
    """
    residual = outcome.actual - outcome.predicted
    n_rows = len(residual)
    rows = np.arange(n_rows)
    if n_rows > SAMPLE_POINTS:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(n_rows, size=SAMPLE_POINTS, replace=False))
    counts, edges = np.histogram(residual, bins=HISTOGRAM_BINS)
    levels = (np.arange(QQ_POINTS) + 0.5) / QQ_POINTS
    spread = float(residual.std())
    qq = None
    if spread > 0:
        qq = {
            "theoretical": stats.norm.ppf(levels),
            "observed": (np.quantile(residual, levels) - residual.mean()) / spread,
        }
    return {
        "sample": {
            "actual": outcome.actual[rows],
            "predicted": outcome.predicted[rows],
            "residual": residual[rows],
            "of_rows": n_rows,
        },
        "histogram": {"edges": edges, "counts": counts},
        "qq": qq,
        "mean": float(residual.mean()),
        "std": spread,
    }
