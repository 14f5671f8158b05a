"""The rows a model is judged on: truth, predictions and what a dummy would say."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.data.specs import EngineError
from experiments.training.checkpoints import TrainedModel
from experiments.training.frames import TrainingTable
from experiments.training.predicting import Predicted, label_codes, predict_frame
from experiments.training.reports import Folds, prior_baseline
from experiments.training.scores import ClassOutcome, ValueOutcome
from experiments.training.specs import TrainingSpec
from experiments.training.watch import Watch

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows with the truth and what was said, and the rows that were learned from.

    Attributes:
        rows: row numbers in the table they come from.
        features: their features.
        outcome: truth and predictions.
        baseline: truth and what the dummy says.
        train_features: rows the final model learned from.
        folds: positions per fold after a cross-validation.
    """

    rows: IntArray
    features: pd.DataFrame
    outcome: ClassOutcome | ValueOutcome
    baseline: ClassOutcome | ValueOutcome
    train_features: pd.DataFrame
    folds: Folds | None


def collect(
    spec: TrainingSpec,
    trained: TrainedModel,
    table: TrainingTable,
    test: TrainingTable | None,
    watch: Watch,
) -> HeldOut:
    """Return the held-out rows with truth, predictions and baseline."""
    train = table.locate(trained.train_rows)
    source = test if trained.test_table and test is not None else table
    if trained.oof is not None:
        rows = trained.oof.rows
    elif trained.test_table and test is not None:
        rows = test.rows
    else:
        rows = trained.test_rows
    if len(rows) == 0:
        raise EngineError("no_test_rows", "No rows were held out, so there is nothing to evaluate.")
    at = source.locate(rows)
    features = source.features.iloc[at].reset_index(drop=True)
    folds = None
    if trained.oof is not None:
        numbers = trained.oof.folds
        folds = Folds([np.flatnonzero(numbers == fold) for fold in np.unique(numbers)])
    outcome: ClassOutcome | ValueOutcome
    baseline: ClassOutcome | ValueOutcome
    if trained.classes is None:
        outcome, baseline = _values(trained, source, at, features, table.target[train], watch)
    else:
        outcome, baseline = _classes(spec, trained, source, at, features, train, table, watch)
    train_features = table.features.iloc[train]
    return HeldOut(rows, features, outcome, baseline, train_features, folds)


def _said(trained: TrainedModel, features: pd.DataFrame, watch: Watch) -> Predicted:
    if trained.oof is None:
        return predict_frame(
            trained.pipeline,
            features,
            trained.classes,
            check_stop=watch.check,
            on_fraction=watch.fraction("evaluating", 0.0, 0.5),
        )
    if trained.classes is None:
        return Predicted(values=np.asarray(trained.oof.predictions, dtype=np.float64))
    codes = label_codes(trained.oof.predictions, trained.classes)
    given = trained.oof.probabilities
    return Predicted(codes=codes, probabilities=given, ranking=given)


def _values(
    trained: TrainedModel,
    source: TrainingTable,
    at: IntArray,
    features: pd.DataFrame,
    train_target: NDArray[Any],
    watch: Watch,
) -> tuple[ValueOutcome, ValueOutcome]:
    actual = np.asarray(source.target[at], dtype=np.float64)
    said = _said(trained, features, watch).values
    mean = float(np.asarray(train_target, dtype=np.float64).mean())
    outcome = ValueOutcome(actual, cast("NDArray[np.float64]", said))
    if trained.oof is None:
        return outcome, ValueOutcome(actual, np.full(len(actual), mean))
    constant = np.empty(len(actual))
    for fold in np.unique(trained.oof.folds):
        inside = trained.oof.folds == fold
        constant[inside] = actual[~inside].mean()
    return outcome, ValueOutcome(actual, constant)


def _classes(
    spec: TrainingSpec,
    trained: TrainedModel,
    source: TrainingTable,
    at: IntArray,
    features: pd.DataFrame,
    train: IntArray,
    table: TrainingTable,
    watch: Watch,
) -> tuple[ClassOutcome, ClassOutcome]:
    known = list(trained.classes or ())
    truth = np.asarray(source.target[at], dtype=np.str_)
    # Classes that only the test rows have: always wrong, never left out.
    labels = known + sorted(set(truth.tolist()) - set(known))
    actual = label_codes(truth, labels)
    said = _said(trained, features, watch)
    positive = labels.index(spec.positive_class) if spec.positive_class in labels else 1
    positive = min(positive, len(labels) - 1)
    outcome = ClassOutcome(
        actual=actual,
        predicted=cast("IntArray", said.codes),
        probabilities=_padded(said.probabilities, len(labels), 0.0),
        ranking=_padded(said.ranking, len(labels), _lowest(said)),
        labels=labels,
        positive=positive,
    )
    trained_codes = label_codes(table.target[train], labels)
    baseline = _class_baseline(trained, outcome, trained_codes)
    return outcome, baseline


def _class_baseline(
    trained: TrainedModel, outcome: ClassOutcome, trained_codes: IntArray
) -> ClassOutcome:
    n_classes = len(outcome.labels)
    if trained.oof is None:
        counts = np.bincount(trained_codes, minlength=n_classes).astype(np.float64)
        return prior_baseline(counts, outcome.actual, outcome.labels, outcome.positive)
    predicted = np.empty(len(outcome.actual), dtype=np.int64)
    prior = np.empty((len(outcome.actual), n_classes))
    for fold in np.unique(trained.oof.folds):
        inside = trained.oof.folds == fold
        counts = np.bincount(outcome.actual[~inside], minlength=n_classes).astype(np.float64)
        predicted[inside], prior[inside] = int(np.argmax(counts)), counts / counts.sum()
    return replace(outcome, predicted=predicted, probabilities=prior, ranking=prior)


def _lowest(said: Predicted) -> float:
    """Return a score below every given one, for classes the model does not know."""
    if said.ranking is None or said.probabilities is not None:
        return 0.0
    return float(said.ranking.min()) - 1.0


def _padded(
    values: NDArray[np.float64] | None, n_classes: int, filling: float
) -> NDArray[np.float64] | None:
    if values is None or values.shape[1] == n_classes:
        return values
    extra = np.full((len(values), n_classes - values.shape[1]), filling)
    return np.hstack([values, extra])
