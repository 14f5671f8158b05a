"""Catalogue data: linear models (standard library)."""

from experiments.training.catalogue_shared import (
    CLASS_WEIGHT,
    INVERSE_PENALTY,
    SCALED,
    STOPPING,
    epochs,
    penalty_strength,
)
from experiments.training.params import TASKS, ModelType, ParamSpec

_INTERCEPT = ParamSpec(
    name="fit_intercept",
    type="boolean",
    default=True,
    title="Intercept",
    description="Add a constant to the weighted sum; switch off only for centred targets.",
    advanced=True,
)
_TOLERANCE = ParamSpec(
    name="tol",
    type="number",
    default=1e-4,
    minimum=1e-10,
    maximum=0.1,
    title="Tolerance",
    description="Stop when a further step changes less than this.",
    advanced=True,
)
LOGISTIC_REGRESSION = ModelType(
    name="logistic_regression",
    title="Logistic regression",
    description="Class probabilities from a weighted sum of the features: fast and readable.",
    tasks=("classification",),
    strategy="hook",
    units="max_iter",
    unit_name="iteration",
    supports_partial_stop=True,
    scaled=True,
    params=(
        INVERSE_PENALTY,
        ParamSpec(
            name="max_iter",
            type="integer",
            default=500,
            minimum=1,
            maximum=20_000,
            title="Iterations at most",
            description="The solver ends by itself when it has converged.",
            unit="iterations",
        ),
        _TOLERANCE,
        _INTERCEPT,
        *SCALED,
        CLASS_WEIGHT,
    ),
    templates={
        "quick": {"max_iter": 100, "tol": 1e-3},
        "balanced": {},
        "thorough": {"max_iter": 5000, "tol": 1e-6},
    },
    notes=("A paused fit starts again from the beginning; the result is the same.",),
)

LINEAR_REGRESSION = ModelType(
    name="linear_regression",
    title="Linear regression",
    description="A weighted sum of the features fitted by least squares.",
    tasks=("regression",),
    strategy="oneshot",
    scaled=True,
    params=(_INTERCEPT, *SCALED),
    templates={"quick": {}, "balanced": {}, "thorough": {"scaling": "quantile"}},
)

RIDGE = ModelType(
    name="ridge",
    title="Ridge regression",
    description="Linear regression with a penalty that tames correlated features.",
    tasks=("regression",),
    strategy="oneshot",
    scaled=True,
    params=(
        penalty_strength("alpha", default=1.0, minimum=0.0, maximum=1e6),
        _INTERCEPT,
        *SCALED,
    ),
    templates={"quick": {}, "balanced": {}, "thorough": {"scaling": "quantile"}},
)

SGD = ModelType(
    name="sgd",
    title="Stochastic gradient descent",
    description="A linear model learned row by row: small memory, for very large tables.",
    tasks=TASKS,
    strategy="epoch",
    units="max_iter",
    unit_name="epoch",
    supports_partial_stop=True,
    scaled=True,
    params=(
        epochs(default=50, maximum=5000),
        ParamSpec(
            name="loss",
            type="choice",
            default="log_loss",
            task_choices={
                "classification": ("log_loss", "modified_huber"),
                "regression": ("squared_error", "huber", "epsilon_insensitive"),
            },
            task_defaults={"classification": "log_loss", "regression": "squared_error"},
            title="Loss",
            description="What counts as an error; the 'huber' forms mind outliers less.",
            advanced=True,
        ),
        ParamSpec(
            name="penalty",
            type="choice",
            default="l2",
            choices=("l2", "l1", "elasticnet"),
            title="Kind of penalty",
            description="'l1' drops features, 'l2' shrinks all weights, 'elasticnet' does both.",
            advanced=True,
        ),
        penalty_strength("alpha", default=1e-4, minimum=1e-9, maximum=10.0),
        ParamSpec(
            name="learning_rate",
            type="choice",
            default="optimal",
            task_choices={
                "classification": ("optimal", "invscaling", "constant"),
                "regression": ("invscaling", "optimal", "constant"),
            },
            task_defaults={"classification": "optimal", "regression": "invscaling"},
            title="Step size schedule",
            description="How the step size shrinks while learning.",
            advanced=True,
        ),
        ParamSpec(
            name="eta0",
            type="number",
            default=0.01,
            minimum=1e-6,
            maximum=1.0,
            title="First step size",
            description="Used by the schedules 'invscaling' and 'constant'.",
            advanced=True,
        ),
        *SCALED,
        CLASS_WEIGHT,
        *STOPPING,
    ),
    templates={
        "quick": {"max_iter": 10},
        "balanced": {},
        "thorough": {"max_iter": 300, "early_stopping": True},
    },
)

MODEL_TYPES = (
    LOGISTIC_REGRESSION,
    LINEAR_REGRESSION,
    RIDGE,
    SGD,
)
