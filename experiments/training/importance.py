"""How much worse a model gets on held-out rows when one column is shuffled."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline

from experiments.training.scores import ClassOutcome, row_log_losses

MAX_ROWS = 1_000
MAX_COLUMNS = 300
N_REPEATS = 3

# Takes rows that hold the same held-out rows several times over; returns one loss for each time.
Loss = Callable[[pd.DataFrame], NDArray[np.float64]]


def permutation_importance(
    loss: Loss,
    frame: pd.DataFrame,
    columns: Sequence[str],
    *,
    seed: int,
    check_stop: Callable[[], None],
    on_fraction: Callable[[float], None],
) -> list[dict[str, Any]]:
    """Return, per column of `columns`, how much the loss rises when it is shuffled, largest first.

    Columns are shuffled before any preparation, so a category counts as one feature. The repeats
    of a column are predicted in one call, which halves the time of forests.

    Args:
        loss: losses of the model on rows with these features, from `classifier_loss` or
            `regressor_loss`.
        frame: held-out rows; at most 1,000 are sensible.
        columns: which columns to measure.
        seed: makes the shuffles repeatable.
        check_stop: called before each column; raises to give up.
        on_fraction: told how much is done, from 0 to 1.
    """
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(frame)) for _ in range(N_REPEATS)])
    before = loss(frame)[0]
    repeated = pd.concat([frame] * N_REPEATS, ignore_index=True)
    rows = []
    for place, name in enumerate(columns):
        check_stop()
        shuffled = repeated.copy(deep=False)
        shuffled[name] = frame[name].to_numpy()[order]
        rises = loss(shuffled) - before
        rows.append(
            {"feature": str(name), "mean": float(np.mean(rises)), "std": float(np.std(rises))}
        )
        on_fraction((place + 1) / len(columns))
    return sorted(rows, key=lambda row: -row["mean"])


def columns_that_matter(
    loss: Loss, frame: pd.DataFrame, *, seed: int, check_stop: Callable[[], None]
) -> list[str]:
    """Return the columns worth measuring one by one: all, or of very many the likely 300.

    Neighbouring columns are shuffled together first; the groups whose shuffling hurts most are
    taken until 300 columns are there, so that the cost grows with the root of the width.
    """
    names = list(frame.columns)
    if len(names) <= MAX_COLUMNS:
        return names
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    before = loss(frame)[0]
    width = math.isqrt(len(names))
    groups = [names[start : start + width] for start in range(0, len(names), width)]
    rises = []
    for group in groups:
        check_stop()
        shuffled = frame.copy(deep=False)
        shuffled[group] = frame[group].to_numpy()[order]
        rises.append(float(loss(shuffled)[0] - before))
    ranked = sorted(range(len(groups)), key=lambda place: -rises[place])
    chosen = [name for place in ranked for name in groups[place]][:MAX_COLUMNS]
    return [name for name in names if name in set(chosen)]


def classifier_loss(
    pipeline: Pipeline, actual: NDArray[np.int64], labels: Sequence[str]
) -> tuple[Loss, str]:
    """Return the loss of a classifier and its name: log loss, or lost balanced accuracy.

    Args:
        pipeline: the fitted model.
        actual: class number of each row.
        labels: name of each class number; the model's own classes come first.
    """
    known = list(labels)
    if not hasattr(pipeline, "predict_proba"):
        names = np.asarray(known, dtype=object)[actual]

        def lost_accuracy(frame: pd.DataFrame) -> NDArray[np.float64]:
            said = np.asarray(pipeline.predict(frame), dtype=object).reshape(-1, len(actual))
            return np.array([-balanced_accuracy_score(names, part) for part in said])

        return lost_accuracy, "balanced_accuracy"

    def log_loss(frame: pd.DataFrame) -> NDArray[np.float64]:
        given = np.asarray(pipeline.predict_proba(frame), dtype=np.float64)
        padded = np.zeros((len(given), len(known)))
        padded[:, : given.shape[1]] = given
        truth = np.tile(actual, len(given) // len(actual))
        outcome = ClassOutcome(truth, truth, padded, padded, known)
        return np.asarray(row_log_losses(outcome, padded).reshape(-1, len(actual)).mean(axis=1))

    return log_loss, "log_loss"


def regressor_loss(pipeline: Pipeline, actual: NDArray[np.float64]) -> tuple[Loss, str]:
    """Return the loss of a regressor, root mean squared error, and its name."""

    def root_mean_squared_error(frame: pd.DataFrame) -> NDArray[np.float64]:
        said = np.asarray(pipeline.predict(frame), dtype=np.float64).reshape(-1, len(actual))
        return np.asarray(np.sqrt(((said - actual) ** 2).mean(axis=1)))

    return root_mean_squared_error, "rmse"
