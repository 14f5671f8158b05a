"""Why a model says what it says about a row: contributions per feature, by the cheapest honest way."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from experiments.training.estimators import MODEL, PREPARE, source_columns
from experiments.training.predicting import single_threaded

FloatArray = NDArray[np.float64]

LINEAR = (LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor)
FORESTS = (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
)
BOOSTED = (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
BACKGROUND_ROWS = 12
MEAN_ROWS = 1_000
# Rows per step: between two steps a stop is seen and the time looked at.
TREE_CHUNK_ROWS = 50
SAMPLED_CHUNK_ROWS = 1
MIN_SAMPLED_ROWS = 20
MAX_SAMPLED_ROWS = 200
EXACT_BUDGET_S = 20.0
# How many rows are sampled follows from estimated work, the same everywhere; the wall-clock guard
# only catches machines that are far slower than thought.
SAMPLING_WORK_S = 10.0
SAMPLING_GUARD_S = 60.0
# Rough seconds to predict one row (2026-11, one core), per number that the model multiplies.
KERNEL_S = 2.5e-9
NEIGHBOUR_S = 2.5e-10
OTHER_ROW_S = 1e-5
# Largest table that sampling builds at once (8 bytes a cell).
MAX_BLOCK_CELLS = 2_000_000
# Elementary steps of exact tree attribution a second (2026-11, one busy core; a forest of 200
# trees of depth 12 took 36 ms a row).
TREE_STEPS_PER_S = 1.0e9
N_PERMUTATIONS = 2


@dataclass(frozen=True)
class ExplainerState:
    """What explaining needs beyond the model; plain data, kept beside it.

    Attributes:
        method: linear, tree, tree_approximate, permutation or none.
        means: mean of each prepared column over training rows (linear).
        background: prepared training rows to compare with (permutation).
        seed: makes sampling repeatable.
    """

    method: str
    means: list[float] | None = None
    background: list[list[float]] | None = None
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict."""
        return {
            "method": self.method,
            "means": self.means,
            "background": self.background,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ExplainerState":
        """Build from `to_json()` output."""
        return cls(
            method=str(data["method"]),
            means=data.get("means"),
            background=data.get("background"),
            seed=int(data.get("seed", 0)),
        )


@dataclass(frozen=True)
class Explanation:
    """Contributions of each feature to what was predicted, for the first rows of a frame.

    Attributes:
        contributions: shape (n_explained, n_features), for the predicted class of each row.
        base: value before any feature is known, shape (n_explained,).
        output: what a contribution is measured in: log_odds, probability, score or target.
    """

    contributions: FloatArray
    base: FloatArray
    output: str


def prepare_explainer(pipeline: Pipeline, train: pd.DataFrame, *, seed: int) -> ExplainerState:
    """Return how predictions of a fitted pipeline are explained.

    Args:
        pipeline: the steps "prepare" and "model", fitted.
        train: training rows as the pipeline takes them.
        seed: chooses the rows for comparison.
    """
    model = pipeline.named_steps[MODEL]
    method = _method(model)
    if method in {"linear", "permutation"}:
        wanted = MEAN_ROWS if method == "linear" else BACKGROUND_ROWS
        prepared = _prepared(pipeline, _sample(train, wanted, seed))
        if method == "linear":
            return ExplainerState(method, means=prepared.mean(axis=0).tolist(), seed=seed)
        return ExplainerState(method, background=prepared.tolist(), seed=seed)
    return ExplainerState(method, seed=seed)


def choose_tree_method(pipeline: Pipeline, state: ExplainerState, n_rows: int) -> ExplainerState:
    """Return the state for explaining `n_rows` at once: path attribution where exact is too slow."""
    if state.method != "tree":
        return state
    seconds = _exact_tree_s(pipeline.named_steps[MODEL]) * n_rows
    return state if seconds <= EXACT_BUDGET_S else ExplainerState("tree_approximate")


def explain(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    predicted: NDArray[np.int64] | None,
    state: ExplainerState,
    *,
    check_stop: Callable[[], None] = lambda: None,
    on_fraction: Callable[[float], None] = lambda _: None,
    budget_s: float = SAMPLING_GUARD_S,
) -> Explanation | None:
    """Return contributions for the predicted class, one-hot parts summed to their source column.

    Types that need sampling explain the first 20 to 200 rows, by estimated work, and fewer if the
    time is used up; the rows that come back do not depend on how many follow.

    Args:
        pipeline: fitted, with the steps "prepare" and "model".
        frame: rows to explain.
        predicted: class number of each row's prediction; None for a regression.
        state: from `prepare_explainer`.
        check_stop: called between pieces; raises to give up.
        on_fraction: told how much is done, from 0 to 1.
        budget_s: wall time after which sampling ends.
    """
    if state.method == "none" or len(frame) == 0:
        return None
    model = pipeline.named_steps[MODEL]
    prepared = _prepared(pipeline, frame)
    explain_chunk, chunk_rows, output = _chunk_explainer(model, state)
    if state.method == "permutation":
        prepared = prepared[: _sampled_rows(model, prepared.shape[1])]
    started_at = time.monotonic()
    values: list[FloatArray] = []
    bases: list[FloatArray] = []
    with single_threaded():
        for start in range(0, len(prepared), chunk_rows):
            check_stop()
            if state.method == "permutation" and time.monotonic() - started_at > budget_s:
                break
            chunk = prepared[start : start + chunk_rows]
            classes = None if predicted is None else predicted[start : start + len(chunk)]
            raw, base = explain_chunk(chunk, start)
            part, part_base = _of_predicted(raw, base, classes)
            values.append(part)
            bases.append(part_base)
            on_fraction(min(1.0, (start + len(chunk)) / len(prepared)))
    if not values:
        return None
    summed = _to_sources(np.concatenate(values), source_columns(pipeline), list(frame.columns))
    return Explanation(summed, np.concatenate(bases), output)


Answer = Callable[[FloatArray], Any]
ChunkExplainer = Callable[[FloatArray, int], tuple[FloatArray, FloatArray]]


def _method(model: Any) -> str:
    if isinstance(model, LINEAR):
        return "linear"
    if isinstance(model, GradientBoostingClassifier) and model.n_classes_ > 2:
        return "permutation"
    if isinstance(model, FORESTS + BOOSTED):
        return "tree"
    if type(model).__name__.startswith("Dummy"):
        return "none"
    return "permutation"


def _prepared(pipeline: Pipeline, frame: pd.DataFrame) -> FloatArray:
    return np.asarray(pipeline.named_steps[PREPARE].transform(frame), dtype=np.float64)


def _sample(frame: pd.DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    if len(frame) <= n_rows:
        return frame
    rows = np.random.default_rng(seed).choice(len(frame), size=n_rows, replace=False)
    return frame.iloc[np.sort(rows)]


def _chunk_explainer(model: Any, state: ExplainerState) -> tuple[ChunkExplainer, int, str]:
    if state.method == "linear":
        return _linear(model, state), MEAN_ROWS, _linear_output(model)
    if state.method == "permutation":
        output = "target"
        if hasattr(model, "classes_"):
            output = "probability" if hasattr(model, "predict_proba") else "score"
        return _permutation(model, state), SAMPLED_CHUNK_ROWS, output
    output = "target"
    if hasattr(model, "classes_"):
        output = "log_odds" if isinstance(model, BOOSTED) else "probability"
    return _tree(model, approximate=state.method == "tree_approximate"), TREE_CHUNK_ROWS, output


def _linear_output(model: Any) -> str:
    if not hasattr(model, "classes_"):
        return "target"
    is_logistic = isinstance(model, LogisticRegression) or model.loss == "log_loss"
    return "log_odds" if is_logistic else "score"


def _linear(model: Any, state: ExplainerState) -> ChunkExplainer:
    coefficients = np.atleast_2d(model.coef_)
    intercepts = np.atleast_1d(model.intercept_)
    means = np.asarray(state.means, dtype=np.float64)
    base = coefficients @ means + intercepts

    def explain_chunk(chunk: FloatArray, start: int) -> tuple[FloatArray, FloatArray]:
        raw = (chunk - means)[:, :, None] * coefficients.T[None, :, :]
        return raw[:, :, 0] if raw.shape[2] == 1 else raw, base

    return explain_chunk


def _tree(model: Any, *, approximate: bool) -> ChunkExplainer:
    import shap

    explainer = shap.TreeExplainer(model)

    def explain_chunk(chunk: FloatArray, start: int) -> tuple[FloatArray, FloatArray]:
        raw = explainer.shap_values(chunk, check_additivity=False, approximate=approximate)
        return np.asarray(raw, dtype=np.float64), np.atleast_1d(explainer.expected_value)

    return explain_chunk


def _permutation(model: Any, state: ExplainerState) -> ChunkExplainer:
    """Sample Shapley values along random orders of columns and back, exact in their sum.

    Not shap's PermutationExplainer: it compiles for 8 s of CPU in every new process (2026-11), and
    seeds NumPy's global state.
    """
    background = np.asarray(state.background, dtype=np.float64)
    if hasattr(model, "classes_"):
        answer = getattr(model, "predict_proba", None) or model.decision_function
    else:
        answer = model.predict

    def explain_chunk(chunk: FloatArray, start: int) -> tuple[FloatArray, FloatArray]:
        explained = [
            _sampled_row(answer, row, background, np.random.default_rng([state.seed, start + at]))
            for at, row in enumerate(chunk)
        ]
        base = _block_means(answer, background[None], len(background))[0]
        return np.stack(explained), np.atleast_1d(base)

    return explain_chunk


def _sampled_row(
    answer: Answer, row: FloatArray, background: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return contributions of one row, shape (n_columns,) or (n_columns, n_classes)."""
    n_columns = len(row)
    total: FloatArray | None = None
    for _ in range(N_PERMUTATIONS):
        order = rng.permutation(n_columns)
        # There and back: the second path cancels most of what depends on the order.
        for path in (order, order[::-1]):
            values = _path_values(answer, row, background, path)
            steps = np.empty_like(values[1:])
            steps[path] = np.diff(values, axis=0)
            total = steps if total is None else total + steps
    return np.asarray(total) / (2 * N_PERMUTATIONS)


def _path_values(
    answer: Answer, row: FloatArray, background: FloatArray, path: NDArray[np.int64]
) -> FloatArray:
    """Return the mean answer with the first 0, 1, ... columns of the path taken from the row."""
    n_columns = len(row)
    rank = np.empty(n_columns, dtype=np.int64)
    rank[path] = np.arange(n_columns)
    known = rank[None, :] < np.arange(n_columns + 1)[:, None]
    per_block = max(1, MAX_BLOCK_CELLS // background.size)
    blocks = [
        np.where(known[start : start + per_block, None, :], row, background[None])
        for start in range(0, n_columns + 1, per_block)
    ]
    return np.concatenate([_block_means(answer, block, len(background)) for block in blocks])


def _block_means(answer: Answer, block: FloatArray, n_background: int) -> FloatArray:
    said = np.asarray(answer(block.reshape(-1, block.shape[-1])), dtype=np.float64)
    return np.asarray(said.reshape(-1, n_background, *said.shape[1:]).mean(axis=1))


def prediction_s(model: Any) -> float:
    """Return the rough seconds to predict one row: an estimate that is the same everywhere."""
    inner = getattr(model, "regressor_", model)
    if hasattr(inner, "calibrated_classifiers_"):
        inner = inner.calibrated_classifiers_[0].estimator
    if isinstance(inner, SVC | SVR):
        return float(KERNEL_S * inner.support_vectors_.size)
    if hasattr(inner, "n_samples_fit_"):
        return float(NEIGHBOUR_S * inner.n_samples_fit_ * inner.n_features_in_)
    return OTHER_ROW_S


def _sampled_rows(model: Any, n_columns: int) -> int:
    """Return how many rows are explained by sampling, from the work one of them takes."""
    n_predictions = N_PERMUTATIONS * 2 * (n_columns + 1) * BACKGROUND_ROWS
    wanted = int(SAMPLING_WORK_S / (n_predictions * prediction_s(model)))
    return max(MIN_SAMPLED_ROWS, min(MAX_SAMPLED_ROWS, wanted))


def _of_predicted(
    raw: FloatArray, base: FloatArray, predicted: NDArray[np.int64] | None
) -> tuple[FloatArray, FloatArray]:
    """Pick the predicted class out of (n, d, k) values, or turn a binary margin towards it."""
    n_rows = len(raw)
    rows = np.arange(n_rows)
    if raw.ndim == 3:
        if predicted is None:
            predicted = np.zeros(n_rows, dtype=np.int64)
        bases = np.broadcast_to(base, (n_rows, raw.shape[2]))
        return raw[rows, :, predicted], bases[rows, predicted]
    bases = np.broadcast_to(base if base.ndim == 1 else base[:, 0], (n_rows,))
    if predicted is None:
        return raw, bases
    sign = np.where(predicted == 1, 1.0, -1.0)
    return raw * sign[:, None], bases * sign


def _to_sources(values: FloatArray, sources: Sequence[str], features: Sequence[str]) -> FloatArray:
    """Sum prepared columns back to the features they come from."""
    position = {name: place for place, name in enumerate(features)}
    places = np.array([position[name] for name in sources])
    belongs = np.zeros((len(sources), len(features)))
    belongs[np.arange(len(sources)), places] = 1.0
    return np.asarray(values @ belongs)


def _exact_tree_s(model: Any) -> float:
    """Return a rough time of exact attribution for one row."""
    if isinstance(model, BOOSTED):
        return 0.0
    trees = getattr(model, "estimators_", [model])
    n_outputs = len(getattr(model, "classes_", [0]))
    steps = sum(int(tree.tree_.n_leaves) * max(1, int(tree.tree_.max_depth)) ** 2 for tree in trees)
    return steps * n_outputs / TREE_STEPS_PER_S
