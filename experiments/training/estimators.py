"""From a specification to an unfitted scikit-learn pipeline, preparation of columns included."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
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
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from experiments.training.specs import TrainingSpec

PREPARE = "prepare"
MODEL = "model"
MANY_LEVELS = 50
CALIBRATION_FOLDS = 3
FEATURE_SHARES: Mapping[str, str | float] = {
    "sqrt": "sqrt",
    "log2": "log2",
    "third": 1 / 3,
    "half": 0.5,
    "all": 1.0,
}


@dataclass(frozen=True)
class Facts:
    """What the choice of steps needs to know about the training rows."""

    numeric: tuple[str, ...]
    few_levels: tuple[str, ...]
    many_levels: tuple[str, ...]
    n_rows: int
    rarest_class: int

    @classmethod
    def of(
        cls, features: pd.DataFrame, numeric: Sequence[str], codes: NDArray[np.int64] | None
    ) -> "Facts":
        """Return the facts about training rows; ``codes`` are class numbers or None."""
        texts = [name for name in features.columns if name not in set(numeric)]
        many = [name for name in texts if features[name].nunique() > MANY_LEVELS]
        return cls(
            numeric=tuple(numeric),
            few_levels=tuple(name for name in texts if name not in many),
            many_levels=tuple(many),
            n_rows=len(features),
            rarest_class=0 if codes is None else int(np.bincount(codes).min()),
        )


def build_pipeline(spec: TrainingSpec, facts: Facts) -> Pipeline:
    """Return the unfitted pipeline "prepare" then "model".

    ``class_weight`` is not in it: the fit passes ``class_weights`` as sample weights, which
    all types understand alike and which grown models do not warn about.
    """
    return Pipeline([(PREPARE, _prepare(spec, facts)), (MODEL, _model(spec, facts))])


def class_weights(spec: TrainingSpec, codes: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return one weight per row, shape (n_rows,), or None if all count the same."""
    if spec.hyperparameters.get("class_weight") != "balanced":
        return None
    counts = np.bincount(codes)
    weights: NDArray[np.float64] = (len(codes) / (len(counts) * counts))[codes]
    return weights


def drop_splitters(pipeline: Pipeline) -> None:
    """Replace splitters used while fitting by plain numbers: the stored model needs none."""
    preparation = pipeline.named_steps[PREPARE]
    for _, step, _ in [*preparation.transformers, *preparation.transformers_]:
        if isinstance(_first(step), TargetEncoder):
            _first(step).set_params(cv=5)
    model = pipeline.named_steps[MODEL]
    if isinstance(model, CalibratedClassifierCV):
        model.set_params(cv=CALIBRATION_FOLDS)


def source_columns(pipeline: Pipeline) -> list[str]:
    """Return, for every column the fitted preparation puts out, the feature it comes from."""
    sources: list[str] = []
    for name, step, columns in pipeline.named_steps[PREPARE].transformers_:
        if name == "remainder":
            continue
        names = [str(column) for column in columns]
        if isinstance(step, OneHotEncoder):
            sources += _one_hot_sources(step, names)
        elif isinstance(encoder := _first(step), TargetEncoder):
            several = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
            sources += [column for column in names for _ in range(several)]
        else:
            sources += names + _indicator_sources(step, names)
    return sources


def _one_hot_sources(encoder: OneHotEncoder, names: Sequence[str]) -> list[str]:
    sources: list[str] = []
    rare_levels = encoder.infrequent_categories_
    for column, levels, rare in zip(names, encoder.categories_, rare_levels, strict=True):
        n_rare = 0 if rare is None else len(rare)
        sources += [column] * (len(levels) - n_rare + (1 if n_rare else 0))
    return sources


def _indicator_sources(step: Any, names: Sequence[str]) -> list[str]:
    indicator = getattr(_first(step), "indicator_", None)
    return [] if indicator is None else [names[index] for index in indicator.features_]


def _first(step: Any) -> Any:
    return step[0] if isinstance(step, Pipeline) else step


def _prepare(spec: TrainingSpec, facts: Facts) -> ColumnTransformer:
    parts: list[tuple[str, Any, list[str]]] = []
    if facts.numeric:
        parts.append(("numbers", _numbers(spec, facts), list(facts.numeric)))
    if facts.few_levels:
        parts.append(("categories", _categories(spec, facts), list(facts.few_levels)))
    if facts.many_levels:
        folds = KFold(min(5, facts.n_rows), shuffle=True, random_state=spec.seed)
        target_type = "auto" if _is_classification(spec) else "continuous"
        encoder: Any = TargetEncoder(target_type=target_type, cv=folds)
        if spec.model.scaled:
            # The codes are in units of the target: unscaled they drown everything else.
            encoder = Pipeline([("encode", encoder), ("scale", StandardScaler())])
        parts.append(("levels", encoder, list(facts.many_levels)))
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)


def _numbers(spec: TrainingSpec, facts: Facts) -> Any:
    if spec.model_type == "hist_gradient_boosting":
        return "passthrough"
    imputer = SimpleImputer(
        strategy="median",
        keep_empty_features=True,
        add_indicator=bool(spec.hyperparameters.get("missing_indicator", False)),
    )
    scaler = _scaler(spec, facts) if spec.model.scaled else None
    return imputer if scaler is None else Pipeline([("impute", imputer), ("scale", scaler)])


def _scaler(spec: TrainingSpec, facts: Facts) -> Any:
    kind = spec.hyperparameters["scaling"]
    if kind == "standard":
        return StandardScaler()
    if kind == "robust":
        return RobustScaler()
    if kind == "quantile":
        return QuantileTransformer(
            n_quantiles=min(1000, facts.n_rows),
            output_distribution="normal",
            random_state=spec.seed,
        )
    return None


def _categories(spec: TrainingSpec, facts: Facts) -> Any:
    if spec.model.scaled:
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=min(10, max(1, facts.n_rows // 100)),
            sparse_output=False,
        )
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def _model(spec: TrainingSpec, facts: Facts) -> BaseEstimator:
    return BUILDERS[spec.model_type](spec, dict(spec.hyperparameters), facts)


def _pick(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _is_classification(spec: TrainingSpec) -> bool:
    return spec.task == "classification"


def _forest(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    pairs = {
        "random_forest": (RandomForestClassifier, RandomForestRegressor),
        "extra_trees": (ExtraTreesClassifier, ExtraTreesRegressor),
    }
    forest = pairs[spec.model_type][0 if _is_classification(spec) else 1]
    return forest(
        max_features=FEATURE_SHARES[values["max_features"]],
        random_state=spec.seed,
        n_jobs=spec.n_threads,
        **_pick(values, "n_estimators", "max_depth", "min_samples_leaf", "criterion", "bootstrap"),
    )


def _hist(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    boosting = (
        HistGradientBoostingClassifier
        if _is_classification(spec)
        else HistGradientBoostingRegressor
    )
    names = (
        "max_iter",
        "learning_rate",
        "max_leaf_nodes",
        "max_depth",
        "min_samples_leaf",
        "l2_regularization",
        "max_features",
        "max_bins",
        "loss",
    )
    return boosting(early_stopping=False, random_state=spec.seed, **_pick(values, *names))


def _boosting(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    boosting = GradientBoostingClassifier if _is_classification(spec) else GradientBoostingRegressor
    names = ("n_estimators", "learning_rate", "max_depth", "min_samples_leaf", "subsample", "loss")
    return boosting(
        max_features=FEATURE_SHARES[values["max_features"]],
        random_state=spec.seed,
        **_pick(values, *names),
    )


def _tree(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    tree = DecisionTreeClassifier if _is_classification(spec) else DecisionTreeRegressor
    names = ("max_depth", "min_samples_leaf", "criterion", "ccp_alpha")
    return tree(random_state=spec.seed, **_pick(values, *names))


def _logistic(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    return LogisticRegression(**_pick(values, "C", "max_iter", "tol", "fit_intercept"))


def _linear(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    return LinearRegression(**_pick(values, "fit_intercept"))


def _ridge(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    return Ridge(**_pick(values, "alpha", "fit_intercept"))


def _sgd(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    sgd = SGDClassifier if _is_classification(spec) else SGDRegressor
    names = ("max_iter", "loss", "penalty", "alpha", "learning_rate", "eta0")
    return sgd(random_state=spec.seed, **_pick(values, *names))


def _mlp(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    mlp = MLPClassifier if _is_classification(spec) else MLPRegressor
    names = ("max_iter", "learning_rate_init", "alpha", "activation", "solver")
    return mlp(
        hidden_layer_sizes=tuple(values["hidden_layer_sizes"]),
        batch_size=min(values["batch_size"], facts.n_rows),
        random_state=spec.seed,
        **_pick(values, *names),
    )


def _svm(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    names = ("C", "kernel", "gamma", "degree", "epsilon")
    steps = -1 if values["max_iter"] is None else values["max_iter"]
    if not _is_classification(spec):
        machine = SVR(max_iter=steps, **_pick(values, *names))
        return TransformedTargetRegressor(regressor=machine, transformer=StandardScaler())
    machine = SVC(max_iter=steps, random_state=spec.seed, **_pick(values, *names))
    if not values["probability"] or facts.rarest_class < CALIBRATION_FOLDS:
        return machine
    folds = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=spec.seed)
    return CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)


def _knn(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    knn = KNeighborsClassifier if _is_classification(spec) else KNeighborsRegressor
    # A search tree cannot be stored in the safe model format and gains little on wide tables.
    return knn(algorithm="brute", **_pick(values, "n_neighbors", "weights", "metric"))


def _bayes(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    return GaussianNB(**_pick(values, "var_smoothing"))


def _dummy(spec: TrainingSpec, values: dict[str, Any], facts: Facts) -> BaseEstimator:
    if _is_classification(spec):
        return DummyClassifier(strategy=values["strategy"], random_state=spec.seed)
    return DummyRegressor(strategy=values["strategy"])


BUILDERS: Mapping[str, Callable[[TrainingSpec, dict[str, Any], Facts], BaseEstimator]] = {
    "hist_gradient_boosting": _hist,
    "random_forest": _forest,
    "extra_trees": _forest,
    "gradient_boosting": _boosting,
    "decision_tree": _tree,
    "logistic_regression": _logistic,
    "linear_regression": _linear,
    "ridge": _ridge,
    "sgd": _sgd,
    "mlp": _mlp,
    "svm": _svm,
    "knn": _knn,
    "naive_bayes": _bayes,
    "dummy": _dummy,
}
