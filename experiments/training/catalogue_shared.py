"""Hyperparameters that several model types of the catalogue share (standard library)."""

from experiments.training.params import ParamSpec

CLASS_WEIGHT = ParamSpec(
    name="class_weight",
    type="choice",
    default="none",
    choices=("none", "balanced"),
    title="Class weights",
    description="'balanced' gives rare classes as much say as frequent ones; 'none' counts rows.",
    tasks=("classification",),
)
MISSING_INDICATOR = ParamSpec(
    name="missing_indicator",
    type="boolean",
    default=False,
    title="Mark missing values",
    description="Missing numbers are replaced by the median; this adds a column saying where.",
    advanced=True,
)
SCALING = ParamSpec(
    name="scaling",
    type="choice",
    default="standard",
    choices=("standard", "robust", "quantile", "none"),
    title="Scaling of numbers",
    description=(
        "'standard': mean 0, spread 1. 'robust': median and quartiles, for outliers. "
        "'quantile': bell-shaped by rank, often best for neighbours, SVM and neural networks."
    ),
)
EARLY_STOPPING = ParamSpec(
    name="early_stopping",
    type="boolean",
    default=False,
    title="Stop early",
    description=(
        "Sets a tenth of the training rows aside, stops when they no longer improve and keeps "
        "the best state. The held-out test rows take no part in it."
    ),
)
PATIENCE = ParamSpec(
    name="patience",
    type="integer",
    default=5,
    minimum=1,
    maximum=50,
    title="Patience",
    description="With early stopping: how many checks without improvement to wait (50 in a run).",
    unit="checks",
    advanced=True,
)
STOPPING = (EARLY_STOPPING, PATIENCE)
SCALED = (SCALING, MISSING_INDICATOR)


def trees(*, default: int, maximum: int = 2000) -> ParamSpec:
    """Return the number of trees of a forest or of boosting stages."""
    return ParamSpec(
        name="n_estimators",
        type="integer",
        default=default,
        minimum=1,
        maximum=maximum,
        title="Number of trees",
        description="More trees give a steadier model and take proportionally longer.",
        unit="trees",
    )


def depth(*, default: int | None, maximum: int = 64, nullable: bool = True) -> ParamSpec:
    """Return the maximum depth of a tree."""
    words = "How many questions in a row a tree may ask."
    return ParamSpec(
        name="max_depth",
        type="integer",
        default=default,
        minimum=1,
        maximum=maximum,
        nullable=nullable,
        title="Maximum depth",
        description=f"{words} Empty: no limit." if nullable else words,
        unit="levels",
    )


def leaf(*, default: int) -> ParamSpec:
    """Return the smallest number of rows in a leaf."""
    return ParamSpec(
        name="min_samples_leaf",
        type="integer",
        default=default,
        minimum=1,
        maximum=10_000,
        title="Smallest leaf",
        description="A leaf holds at least this many training rows; larger values smooth more.",
        unit="rows",
    )


def feature_share(*, classification: str, regression: str) -> ParamSpec:
    """Return how many features a split may look at."""
    return ParamSpec(
        name="max_features",
        type="choice",
        default=classification,
        task_defaults={"classification": classification, "regression": regression},
        choices=("sqrt", "log2", "third", "half", "all"),
        title="Features per split",
        description="How many randomly chosen features every split may look at.",
        advanced=True,
    )


CRITERION = ParamSpec(
    name="criterion",
    type="choice",
    default="gini",
    choices=("gini", "entropy"),
    title="Split quality",
    description="How the purity of a split is measured.",
    tasks=("classification",),
    advanced=True,
)


def learning_rate(*, default: float) -> ParamSpec:
    """Return the shrinkage of boosting."""
    return ParamSpec(
        name="learning_rate",
        type="number",
        default=default,
        minimum=0.001,
        maximum=1.0,
        title="Learning rate",
        description="How much every tree corrects; smaller needs more trees and overfits less.",
    )


def penalty_strength(name: str, *, default: float, minimum: float, maximum: float) -> ParamSpec:
    """Return the strength of the penalty on large weights."""
    return ParamSpec(
        name=name,
        type="number",
        default=default,
        minimum=minimum,
        maximum=maximum,
        title="Penalty on large weights",
        description="Larger values keep the weights smaller and the model simpler.",
    )


def epochs(*, default: int, maximum: int) -> ParamSpec:
    """Return the number of passes over the training rows."""
    return ParamSpec(
        name="max_iter",
        type="integer",
        default=default,
        minimum=1,
        maximum=maximum,
        title="Epochs",
        description="How many times the training goes through all rows.",
        unit="epochs",
    )


INVERSE_PENALTY = ParamSpec(
    name="C",
    type="number",
    default=1.0,
    minimum=1e-5,
    maximum=1e5,
    title="Freedom of the weights (C)",
    description="The inverse of the penalty: larger values fit the training rows more closely.",
)
