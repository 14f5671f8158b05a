"""How each model type learns in steps: growing, epochs, a hook inside one fit, or one piece."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor

from experiments.training import hgb_hook
from experiments.training.control import Control

GROWN_INCREMENT_S = 0.4
STAGE_INCREMENT_S = 1.0


@dataclass(frozen=True)
class Material:
    """What a model learns from: prepared inputs (n_rows, n_columns), class numbers or numbers."""

    inputs: NDArray[np.float64]
    target: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    n_classes: int
    seed: int


class Strategy(Protocol):
    """Learns ``model`` to the end or until ``control`` halts it, and returns the model.

    ``model`` is unfitted, or a frozen state from a checkpoint after ``control.units_done``
    units on the same material. The result is independent of where it was halted in between.
    """

    def __call__(self, model: Any, material: Material, control: Control) -> Any:
        """Return the model as far as it was learned."""


def grow_forest(model: Any, material: Material, control: Control) -> Any:
    """Add trees by warm start; the trees do not depend on the size of the increments."""
    inputs = material.inputs.astype(np.float32)
    model.set_params(warm_start=True)
    while control.units_done < control.units:
        target = control.next_target(GROWN_INCREMENT_S)
        model.set_params(n_estimators=target)
        model.fit(inputs, material.target, sample_weight=material.sample_weight)
        if control.tick(target, lambda: model, lambda: _frozen_forest(model)):
            break
    return model


def _frozen_forest(model: Any) -> Any:
    frozen = copy.copy(model)
    frozen.estimators_ = copy.copy(model.estimators_)
    return frozen


def grow_boosting(model: Any, material: Material, control: Control) -> Any:
    """Add stages by warm start; a wish to halt is heard after every single stage."""
    inputs = material.inputs.astype(np.float32)
    model.set_params(warm_start=True)
    while control.units_done < control.units:
        model.set_params(n_estimators=control.next_target(STAGE_INCREMENT_S))
        model.fit(
            inputs,
            material.target,
            sample_weight=material.sample_weight,
            monitor=lambda stage, *_: control.peek(stage + 1),
        )
        grown = len(model.estimators_)
        model.set_params(n_estimators=grown)
        if control.tick(grown, lambda: model, lambda: _frozen_boosting(model)):
            break
    return model


def _frozen_boosting(model: Any) -> Any:
    frozen = copy.copy(model)
    frozen.estimators_ = model.estimators_.copy()
    # The generator of the fit moves on with every stage; its state belongs to this moment.
    frozen.__dict__ = {**frozen.__dict__, **_copied_generators(model)}
    return frozen


def _copied_generators(model: Any) -> dict[str, Any]:
    return {
        name: copy.deepcopy(value)
        for name, value in vars(model).items()
        if isinstance(value, np.random.RandomState)
    }


def learn_epochs(model: Any, material: Material, control: Control) -> Any:
    """Go through all rows once per unit.

    The estimator gets a generator instead of the seed: with a number every epoch would
    shuffle the rows the same way.
    """
    if control.units_done == 0:
        model.set_params(random_state=np.random.RandomState(material.seed))
    arguments: dict[str, Any] = {}
    if material.sample_weight is not None:
        arguments["sample_weight"] = material.sample_weight
    if material.n_classes:
        arguments["classes"] = np.arange(material.n_classes)
    inputs = np.ascontiguousarray(material.inputs)
    while control.units_done < control.units:
        # Rows and settings are checked by the first epoch; checking them again would cost up to
        # a tenth of every further one.
        checked = control.units_done > 0
        with config_context(assume_finite=checked, skip_parameter_validation=checked):
            model.partial_fit(inputs, material.target, **arguments)
        epoch = control.units_done + 1
        if control.tick(epoch, lambda: model, lambda: copy.deepcopy(model)):
            break
    return model


def boost_histograms(model: Any, material: Material, control: Control) -> Any:
    """Grow inside one single fit, looking in after every iteration."""
    if control.units_done >= control.units:
        return model
    return hgb_hook.fit_watched(
        model,
        material.inputs,
        material.target,
        material.sample_weight,
        lambda count, half: control.tick(count, lambda: hgb_hook.snapshot(half)),
    )


class _HaltError(Exception):
    """Leaves a fit that offers no other way out."""


class _Watcher:
    """A scikit-learn callback handing every L-BFGS iteration to the control."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.latest: Any = None

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing: there is nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing: there is nothing to clean up."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **facts: Any) -> None:
        """Do nothing: an iteration is counted when it ends."""

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None, **facts: Any
    ) -> None:
        """Count a finished iteration and leave the fit if a halt is wanted."""
        if fitted_estimator is None or context.task_name != "lbfgs-iter":
            return
        self.latest = fitted_estimator
        count = min(self.control.units_done + 1, self.control.units)
        if self.control.tick(count, lambda: fitted_estimator):
            raise _HaltError


def solve_logistic(model: LogisticRegression, material: Material, control: Control) -> Any:
    """Run L-BFGS with a look in at every iteration; a resumed fit starts from the beginning."""
    control.units_done = 0
    watcher = _Watcher(control)
    watched = copy.copy(model)
    watched.set_callbacks(watcher)
    try:
        watched.fit(material.inputs, material.target, sample_weight=material.sample_weight)
    except _HaltError:
        return _without_callbacks(watcher.latest, control.units_done)
    n_iterations = int(watched.n_iter_[0])
    plain = _without_callbacks(watched, n_iterations)
    control.tick(control.units, lambda: plain, step=n_iterations)
    return plain


def _without_callbacks(model: LogisticRegression, n_iterations: int) -> LogisticRegression:
    plain = LogisticRegression(**model.get_params())
    for name in ("classes_", "coef_", "intercept_", "n_features_in_"):
        if hasattr(model, name):
            setattr(plain, name, getattr(model, name))
    plain.n_iter_ = np.array([n_iterations], dtype=np.int32)
    return plain


def fit_at_once(model: Any, material: Material, control: Control) -> Any:
    """Fit in one piece; it cannot be halted from inside."""
    if material.sample_weight is None:
        model.fit(material.inputs, material.target)
    else:
        model.fit(material.inputs, material.target, sample_weight=material.sample_weight)
    control.tick(control.units, lambda: model)
    return model


STRATEGIES: Mapping[str, Strategy] = {
    "random_forest": grow_forest,
    "extra_trees": grow_forest,
    "gradient_boosting": grow_boosting,
    "sgd": learn_epochs,
    "mlp": learn_epochs,
    "hist_gradient_boosting": boost_histograms,
    "logistic_regression": solve_logistic,
}
RESUMABLE = (grow_forest, grow_boosting, learn_epochs, boost_histograms)


def strategy_of(model_type: str) -> Strategy:
    """Return how ``model_type`` learns; what has no steps is fitted at once."""
    return STRATEGIES.get(model_type, fit_at_once)


def can_resume(model_type: str) -> bool:
    """Say whether learning goes on from a checkpoint instead of from the beginning."""
    return strategy_of(model_type) in RESUMABLE


def detach(model: Any) -> Any:
    """Return a copy that can be finished while the original goes on learning."""
    if isinstance(model, hgb_hook.BOOSTING):
        return hgb_hook.snapshot(model)
    if hasattr(model, "partial_fit"):
        return copy.deepcopy(model)
    return copy.copy(model)


def finish(model: Any, *, seed: int) -> Any:
    """Return the learned model as a plain one: no traces of how it was learned in steps.

    A forest or boosting says how many trees it has; the seed is a number again; the state of
    a network's optimiser is dropped, the number of threads is left to whoever predicts.
    """
    settings = model.get_params(deep=False)
    plain: dict[str, Any] = {}
    if "n_estimators" in settings:
        plain["n_estimators"] = len(model.estimators_)
    if settings.get("warm_start"):
        plain["warm_start"] = False
    if settings.get("n_jobs") is not None:
        plain["n_jobs"] = None
    if "random_state" in settings:
        plain["random_state"] = seed
    model.set_params(**plain)
    for name in ("_optimizer", "_random_state"):
        model.__dict__.pop(name, None)
    return model


def unscale_target(model: Any, *, mean: float, scale: float) -> None:
    """Make a linear model or network learned on (target - mean) / scale predict the target.

    Exact: the last layer of both is linear.
    """
    if isinstance(model, MLPRegressor):
        model.coefs_[-1] = model.coefs_[-1] * scale
        model.intercepts_[-1] = model.intercepts_[-1] * scale + mean
    else:
        model.coef_ = model.coef_ * scale
        model.intercept_ = model.intercept_ * scale + mean
