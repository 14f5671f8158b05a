"""Rough training times before a run, for forms and queues (standard library).

Constants are seconds on one ordinary core, fitted to runs on tables of 1,000 to 100,000 rows;
expect a factor of two either way.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

START_S = 0.6


def _levels(params: Mapping[str, Any], n_rows: int) -> float:
    """Return the expected depth of a tree grown on ``n_rows``."""
    natural = math.log2(max(4.0, n_rows / max(1, params.get("min_samples_leaf", 1))))
    limit = params.get("max_depth") or 64
    return min(natural, float(limit))


def _share(params: Mapping[str, Any], n_features: int) -> float:
    """Return how many features one split looks at."""
    words = {
        "sqrt": math.sqrt(n_features),
        "log2": math.log2(n_features + 1),
        "third": n_features / 3,
        "half": n_features / 2,
        "all": float(n_features),
    }
    return max(1.0, words.get(str(params.get("max_features", "all")), float(n_features)))


def _forest(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    per_tree = n_rows * _levels(params, n_rows) * _share(params, n_features)
    return float(params["n_estimators"] * (5e-8 * per_tree + 2e-3))


def _extra(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return 0.45 * _forest(params, n_rows, n_features, outputs)


def _hist(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    leaves = params.get("max_leaf_nodes") or 255
    scan = n_rows * n_features * 2.4e-9 * math.log2(leaves + 1)
    return float(params["max_iter"] * outputs * (scan + leaves * n_features * 3.7e-6))


def _boosting(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    per_tree = n_rows * params.get("subsample", 1.0) * params["max_depth"]
    per_tree *= _share(params, n_features)
    return float(7e-8 * params["n_estimators"] * outputs * per_tree)


def _tree(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return 9e-8 * n_rows * _levels(params, n_rows) * n_features


def _logistic(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return 1e-9 * float(min(params["max_iter"], 300)) * n_rows * n_features * outputs


def _linear(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return 1e-9 * n_rows * n_features * n_features + 2e-8 * n_rows * n_features


def _sgd(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return float(params["max_iter"] * outputs * n_rows * (6e-8 + 4e-9 * n_features))


def _mlp(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    sizes = [n_features, *params["hidden_layer_sizes"], outputs]
    weights = sum(a * b for a, b in pairwise(sizes))
    steps = n_rows / params["batch_size"]
    return float(params["max_iter"] * (n_rows * weights * 4e-10 + steps * 4e-4))


def _svm(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    fits = 3.0 if params.get("probability") else 1.0
    return (
        fits * 1.8e-9 * float(n_rows) ** 2 * (n_features + 10) * 0.25 * math.sqrt(params["C"] + 1)
    )


def _instant(params: Mapping[str, Any], n_rows: int, n_features: int, outputs: int) -> float:
    return 2e-8 * n_rows * n_features


FORMULAS: Mapping[str, Callable[[Mapping[str, Any], int, int, int], float]] = {
    "hist_gradient_boosting": _hist,
    "random_forest": _forest,
    "extra_trees": _extra,
    "gradient_boosting": _boosting,
    "decision_tree": _tree,
    "logistic_regression": _logistic,
    "linear_regression": _linear,
    "ridge": _linear,
    "sgd": _sgd,
    "mlp": _mlp,
    "svm": _svm,
    "knn": _instant,
    "naive_bayes": _instant,
    "dummy": _instant,
}


def learning_s(
    model_type: str, params: Mapping[str, Any], n_rows: int, n_features: int, n_classes: int
) -> float:
    """Return the seconds one core needs to learn from ``n_rows`` rows."""
    outputs = n_classes if n_classes > 2 else 1
    return START_S + FORMULAS[model_type](params, max(1, n_rows), max(1, n_features), outputs)
