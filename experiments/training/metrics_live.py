"""Curves while learning: loss and quality on small fixed samples, within a time budget."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from experiments.training import hgb_hook

SAMPLE_ROWS = 1000
# Types fitted at once have one single point; slow predictors (SVM, neighbours) are among them.
ONESHOT_SAMPLE_ROWS = 500
# Part of the time learned so far that curves may cost, after a first allowance for short runs.
BUDGET_SHARE = 0.04
ALLOWANCE_S = 0.15
FORESTS = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
)
SMALLEST_PROBABILITY = 1e-15


@dataclass
class Sample:
    """Prepared rows a curve is measured on.

    ``inputs`` has shape (n_rows, n_columns); ``target`` holds class numbers (-1: a class the
    training rows do not have) or numbers. ``sums`` keeps the added outputs of the first
    ``n_trees`` trees of a growing forest, so that no tree is asked twice.
    """

    name: str
    inputs: NDArray[np.float64]
    target: NDArray[Any]
    sums: NDArray[np.float64] | None = None
    n_trees: int = 0
    growing: hgb_hook.GrowingOutputs | None = None


def draw_sample(
    name: str, inputs: NDArray[Any], target: NDArray[Any], *, seed: int, limit: int = SAMPLE_ROWS
) -> Sample:
    """Return at most ``limit`` rows, always the same for the same seed."""
    if len(target) > limit:
        chosen = np.random.default_rng(seed).choice(len(target), limit, replace=False)
        chosen.sort()
        inputs, target = inputs[chosen], target[chosen]
    return Sample(name=name, inputs=np.ascontiguousarray(inputs), target=target)


def outputs_of(model: Any, sample: Sample, *, classification: bool) -> NDArray[np.float64]:
    """Return probabilities (n_rows, n_classes), hard votes as 0/1, or predicted numbers."""
    if isinstance(model, FORESTS):
        return _forest_outputs(model, sample, classification=classification)
    if isinstance(model, hgb_hook.BOOSTING):
        if sample.growing is None:
            sample.growing = hgb_hook.GrowingOutputs(sample.inputs)
        return sample.growing.update(model)
    if not classification:
        return np.asarray(model.predict(sample.inputs), dtype=np.float64)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(sample.inputs), dtype=np.float64)
    places = np.searchsorted(model.classes_, model.predict(sample.inputs))
    votes: NDArray[np.float64] = np.eye(len(model.classes_))[places]
    return votes


def _forest_outputs(model: Any, sample: Sample, *, classification: bool) -> NDArray[np.float64]:
    if sample.inputs.dtype != np.float32:
        sample.inputs = sample.inputs.astype(np.float32)
    trees = model.estimators_
    if sample.n_trees > len(trees):
        sample.sums, sample.n_trees = None, 0
    for tree in trees[sample.n_trees :]:
        ask = tree.predict_proba if classification else tree.predict
        output = ask(sample.inputs, check_input=False)
        sample.sums = output if sample.sums is None else sample.sums + output
    sample.n_trees = len(trees)
    if sample.sums is None:
        message = "a forest without trees has no outputs"
        raise ValueError(message)
    return sample.sums / len(trees)


def quality(
    outputs: NDArray[np.float64], target: NDArray[Any], *, classification: bool
) -> dict[str, float]:
    """Return loss and accuracy, or rmse and r2; without rows nothing."""
    if not len(target):
        return {}
    if not classification:
        squared = float(np.mean((outputs - target) ** 2))
        spread = float(np.var(target))
        values = {"rmse": float(np.sqrt(squared))}
        if spread > 0:
            values["r2"] = 1.0 - squared / spread
        return values
    known = target >= 0
    chosen = np.zeros(len(target))
    chosen[known] = outputs[known, target[known]]
    return {
        "loss": abs(float(np.mean(np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1.0))))),
        "accuracy": float(np.mean(outputs.argmax(axis=1) == target)),
    }


@dataclass
class Curves:
    """Measures the curves of one part, as often as the budget allows.

    ``inverse`` turns predictions of a standardised target back into its own unit.
    """

    samples: Sequence[Sample]
    classification: bool
    prefix: str = ""
    inverse: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    clock: Callable[[], float] = time.perf_counter
    spent_s: float = field(default=0.0, init=False)
    last_cost_s: float = field(default=0.0, init=False)
    last_step: int = field(default=-1, init=False)

    def is_affordable(self, learned_s: float) -> bool:
        """Say whether measuring once more stays within the budget."""
        return self.spent_s + self.last_cost_s <= ALLOWANCE_S + BUDGET_SHARE * learned_s

    def measure(self, step: int, model: Any) -> dict[str, float]:
        """Return the points at ``step``, named "<prefix><sample>_<measure>"."""
        started = self.clock()
        values: dict[str, float] = {}
        for sample in self.samples:
            outputs = outputs_of(model, sample, classification=self.classification)
            if self.inverse is not None:
                outputs = self.inverse(outputs)
            scores = quality(outputs, sample.target, classification=self.classification)
            values |= {f"{self.prefix}{sample.name}_{key}": val for key, val in scores.items()}
        self.last_cost_s = self.clock() - started
        self.spent_s += self.last_cost_s
        self.last_step = step
        return {name: value for name, value in values.items() if np.isfinite(value)}
