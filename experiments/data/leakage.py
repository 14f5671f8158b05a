"""Columns that know the target too well: the three leakage rules, on a sample of the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

MAX_ROWS = 20_000
MAX_CLASSES = 20
SUSPECT_AUC = 0.95
SUSPECT_R2 = 0.98
PURE_SHARE = 0.99
MIN_VALUE_SHARE = 0.05
MISSING_GAP = 0.5
_COARSE_MARGIN = 0.02
_N_BINS = 64
_SEED = 0

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Leak:
    """Why a column is suspected: in words, and the measured figure."""

    reason: str
    details: dict[str, Any]


def classification_leak(values: Floats, classes: Codes, labels: list[str]) -> Leak | None:
    """Return why a column gives the class away, None when it does not.

    Args:
        values: The column as numbers (categories as codes), NaN = missing, shape (n_rows,).
        classes: Class codes 0..k-1, shape (n_rows,).
        labels: Names of the k classes.
    """
    n_classes = len(labels)
    if len(values) < 10 or n_classes < 2:
        return None
    return (
        _pure_value(values, classes, labels)
        or _missing_gap(values, classes, labels)
        or _tree_auc(values, classes, labels)
    )


def regression_leak(values: Floats, target: Floats) -> Leak | None:
    """Return why a column gives the number away, None when it does not."""
    if len(values) < 10 or np.ptp(target) == 0:
        return None
    if _coarse_r2(values, target) < SUSPECT_R2 - _COARSE_MARGIN:
        return None
    tree = DecisionTreeRegressor(max_depth=6, min_samples_leaf=3, random_state=_SEED)
    folds = KFold(3, shuffle=True, random_state=_SEED)
    predicted = cross_val_predict(tree, _with_mask(values), target, cv=folds)
    r2 = 1.0 - float(np.sum((target - predicted) ** 2) / np.sum((target - target.mean()) ** 2))
    if r2 < SUSPECT_R2:
        return None
    return Leak(
        f"this column alone explains {r2:.1%} of the target", {"rule": "single_column", "r2": r2}
    )


def _with_mask(values: Floats) -> NDArray[np.float64]:
    missing = np.isnan(values)
    filled = np.where(missing, np.nanmin(values) - 1.0 if (~missing).any() else 0.0, values)
    return np.column_stack([filled, missing.astype(np.float64)])


def _pure_value(values: Floats, classes: Codes, labels: list[str]) -> Leak | None:
    """Rule: a value held by 5 % of the rows belongs to one class in 99 % of them."""
    n_rows, n_classes = len(values), len(labels)
    missing = np.isnan(values)
    shares = np.bincount(classes, minlength=n_classes) / n_rows
    groups: list[tuple[str, NDArray[np.bool_]]] = []
    if missing.any() and not missing.all():
        groups += [("missing", missing), ("present", ~missing)]
    uniques, counts = np.unique(values[~missing], return_counts=True)
    often = uniques[counts >= MIN_VALUE_SHARE * n_rows]
    if len(uniques) > 1:
        groups += [(f"{value:g}", values == value) for value in often]
    for name, member in groups:
        n_members = int(member.sum())
        if n_members < max(5, MIN_VALUE_SHARE * n_rows):
            continue
        found = np.bincount(classes[member], minlength=n_classes) / n_members
        best = int(found.argmax())
        # Where one class rules the whole table, a pure value says nothing new.
        if found[best] >= PURE_SHARE and shares[best] < 1 - 2 * (1 - PURE_SHARE):
            what = f"the value is {name}" if name in ("missing", "present") else "one value is held"
            return Leak(
                f"where {what} ({n_members / n_rows:.0%} of the rows), {found[best]:.1%} are "
                f"“{labels[best]}”",
                {"rule": "pure_value", "value": name, "share": float(found[best])},
            )
    return None


def _missing_gap(values: Floats, classes: Codes, labels: list[str]) -> Leak | None:
    """Rule: the share of missing values differs by more than half between two classes."""
    missing = np.isnan(values)
    counts = np.bincount(classes, minlength=len(labels))
    kept = counts >= max(5, 0.01 * len(values))
    if kept.sum() < 2:
        return None
    shares = np.bincount(classes, weights=missing, minlength=len(labels))[kept] / counts[kept]
    names = [label for label, keep in zip(labels, kept, strict=True) if keep]
    low, high = int(shares.argmin()), int(shares.argmax())
    if shares[high] - shares[low] <= MISSING_GAP:
        return None
    return Leak(
        f"it is missing in {shares[high]:.0%} of “{names[high]}” but in {shares[low]:.0%} of "
        f"“{names[low]}”",
        {"rule": "missing_gap", "gap": float(shares[high] - shares[low])},
    )


def _tree_auc(values: Floats, classes: Codes, labels: list[str]) -> Leak | None:
    """Rule: a depth-4 tree on this column alone reaches an AUC of 0.95 for some class."""
    counts = np.bincount(classes, minlength=len(labels))
    usable = counts >= 5
    if usable.sum() < 2 or _coarse_auc(values, classes, usable) < SUSPECT_AUC - _COARSE_MARGIN:
        return None
    tree = DecisionTreeClassifier(max_depth=4, random_state=_SEED)
    folds = StratifiedKFold(3, shuffle=True, random_state=_SEED)
    keep = usable[classes]
    y = classes[keep]
    scores = cross_val_predict(tree, _with_mask(values)[keep], y, cv=folds, method="predict_proba")
    present = np.unique(y)
    aucs = [float(roc_auc_score(y == code, scores[:, n])) for n, code in enumerate(present)]
    best = int(np.argmax(aucs))
    if aucs[best] < SUSPECT_AUC:
        return None
    return Leak(
        f"this column alone tells “{labels[present[best]]}” from the rest (AUC {aucs[best]:.3f})",
        {"rule": "single_column", "auc": aucs[best]},
    )


def _bins(values: Floats) -> Codes:
    """Return the quantile bin of each value; missing values have their own bin 0."""
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(len(values), dtype=np.int64)
    edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, _N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="left") + 1
    return np.where(missing, 0, bins).astype(np.int64)


def _coarse_auc(values: Floats, classes: Codes, usable: NDArray[np.bool_]) -> float:
    """Return the in-sample AUC of 64 bins, best class: a cheap upper bound for a small tree."""
    bins = _bins(values)
    n_classes = len(usable)
    table = np.bincount(bins * n_classes + classes, minlength=(bins.max() + 1) * n_classes)
    table = table.reshape(-1, n_classes).astype(np.float64)
    totals = table.sum(axis=1)
    table, totals = table[totals > 0], totals[totals > 0]
    best = 0.0
    for code in np.flatnonzero(usable):
        positive = table[:, code]
        negative = totals - positive
        order = np.argsort(positive / totals)
        below = np.cumsum(negative[order]) - negative[order] / 2
        area = float(np.sum(positive[order] * below))
        best = max(best, area / max(1.0, positive.sum() * negative.sum()))
    return best


def _coarse_r2(values: Floats, target: Floats) -> float:
    bins = _bins(values)
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=target) / np.maximum(counts, 1)
    residual = np.sum((target - means[bins]) ** 2)
    return 1.0 - float(residual / np.sum((target - target.mean()) ** 2))
