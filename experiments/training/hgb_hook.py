"""Histogram gradient boosting in one fit with a look in at every iteration.

The only place that touches private attributes of scikit-learn's HistGradientBoosting. A callable
``scoring`` is called at every iteration with the half-grown model; returning the number of trees
so far (strictly rising) means go on, returning less ends the fit gracefully at this iteration.
The result is bit-identical to a plain fit with early stopping off; the tests hold that for the
pinned release.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
# One of BOOSTING; scikit-learn publishes no types, least of all for private attributes.
Boosting: TypeAlias = Any
OnIteration = Callable[[int, Boosting], bool]
WATCHING = {"early_stopping": True, "validation_fraction": None, "n_iter_no_change": 1, "tol": 0.0}
PLAIN = {
    "early_stopping": False,
    "validation_fraction": 0.1,
    "n_iter_no_change": 10,
    "tol": 1e-7,
    "scoring": "loss",
    "warm_start": False,
}


def n_iterations(model: Boosting) -> int:
    """Return the number of iterations grown so far."""
    return len(getattr(model, "_predictors", ()))


def snapshot(model: Boosting) -> Boosting:
    """Return a plain, usable copy of a model that may be in the middle of its fit.

    Trees are shared (they never change once grown), the list of them is not.
    """
    frozen = copy.copy(model)
    frozen.__dict__.pop("_in_fit", None)
    frozen._predictors = list(model._predictors)
    frozen._feature_subsample_rng = copy.deepcopy(model._feature_subsample_rng)
    frozen.train_score_ = np.empty(0)
    frozen.validation_score_ = np.empty(0)
    frozen._scorer = None
    frozen.set_params(**PLAIN)
    frozen.do_early_stopping_ = False
    frozen._use_validation_data = True
    return frozen


def fit_watched(
    model: Boosting,
    inputs: NDArray[np.float64],
    target: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    on_iteration: OnIteration,
) -> Boosting:
    """Fit ``model`` (or continue a ``snapshot`` of it on the same data) and return it plain.

    ``on_iteration(n, model)`` is called after iteration n with the model in the making and
    returns True to end the fit there. Use ``snapshot`` to predict or keep the state.
    """
    done = n_iterations(model)

    def scoring(half_grown: Boosting, *_: Any, **__: Any) -> float:
        count = n_iterations(half_grown)
        halt = count > done and on_iteration(count, half_grown)
        # A lower score than the one before it ends the fit; only the tree count may decide.
        return -1.0 if halt else float(count)

    if done:
        model._scorer = scoring
        # The fit judges the new scores against the last one of the earlier fit.
        model.train_score_ = np.array([float(done)])
        model.validation_score_ = np.empty(0)
    model.set_params(**WATCHING, scoring=scoring, warm_start=bool(done))
    model.fit(inputs, target, sample_weight=sample_weight)
    return snapshot(model)


@dataclass
class GrowingOutputs:
    """The outputs of a growing model on fixed rows, each tree asked once.

    ``inputs`` has shape (n_rows, n_columns), C order, float64.
    """

    inputs: NDArray[np.float64]
    n_iterations: int = 0
    raw: NDArray[np.float64] | None = None

    def update(self, model: Boosting) -> NDArray[np.float64]:
        """Return what ``predict_proba`` or ``predict`` of a ``snapshot`` would return."""
        predictors = model._predictors
        if self.raw is None or self.n_iterations > len(predictors):
            shape = (len(self.inputs), model.n_trees_per_iteration_)
            self.raw = np.zeros(shape, order="F") + model._baseline_prediction
            self.raw = np.asfortranarray(self.raw)
            self.n_iterations = 0
        fresh = predictors[self.n_iterations :]
        model._predict_iterations(self.inputs, fresh, self.raw, is_binned=False, n_threads=1)
        self.n_iterations = len(predictors)
        if isinstance(model, HistGradientBoostingClassifier):
            return np.asarray(model._loss.predict_proba(self.raw))
        return np.asarray(model._loss.link.inverse(self.raw.ravel()))
