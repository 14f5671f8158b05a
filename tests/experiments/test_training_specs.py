"""The catalogue and the training specification."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.training.specs import (
    CATALOGUE,
    ExcludedColumn,
    SpecError,
    TrainingSpec,
    ValidationSpec,
    estimate_duration_s,
    json_schema,
    templates,
    validate_hyperparameters,
)
from tests.experiments.training_samples import make_spec

PAIRS = [(name, task) for name, entry in CATALOGUE.items() for task in entry.tasks]


def test_catalogue_has_every_promised_model_type() -> None:
    promised = {
        "hist_gradient_boosting", "random_forest", "extra_trees", "gradient_boosting",
        "logistic_regression", "linear_regression", "ridge", "sgd", "mlp", "svm", "knn",
        "naive_bayes", "decision_tree", "dummy",
    }  # fmt: skip
    assert set(CATALOGUE) == promised


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_defaults_and_templates_of_every_type_are_valid(name: str, task: str) -> None:
    defaults = validate_hyperparameters(name, None, task)
    assert set(defaults) == {param.name for param in CATALOGUE[name].params_for(task)}
    assert validate_hyperparameters(name, defaults, task) == defaults
    for template in templates(name).values():
        validate_hyperparameters(name, template["hyperparameters"], task)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_json_schema_describes_every_hyperparameter_with_bounds(name: str, task: str) -> None:
    schema = json_schema(name, task)
    json.dumps(schema, allow_nan=False)
    for prop in schema["properties"].values():
        assert prop["title"]
        assert prop["description"]
        kinds = prop["type"] if isinstance(prop["type"], list) else [prop["type"]]
        if set(kinds) & {"integer", "number"}:
            assert prop["minimum"] <= prop["maximum"]
        if "string" in kinds:
            assert prop["default"] in prop["enum"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_estimators", 10**9),
        ("n_estimators", 0),
        ("n_estimators", 10**400),
        ("n_estimators", 10.5),
        ("n_estimators", "100"),
        ("n_estimators", True),
        ("n_estimators", None),
        ("max_depth", -1),
        ("max_features", "everything"),
        ("max_features", 3),
        ("bootstrap", "yes"),
        ("n_jobs", -1),
        ("random_state", "seven"),
    ],
)
def test_hyperparameter_bombs_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SpecError) as caught:
        validate_hyperparameters("random_forest", {name: value}, "classification")
    assert caught.value.field == f"hyperparameters.{name}"


@pytest.mark.parametrize(
    "sizes", [[10**5] * 10, [1024] * 6, [], [0], 64, [True], [1024, 1024, 1024, 1024, 1024]]
)
def test_oversized_networks_are_refused(sizes: object) -> None:
    with pytest.raises(SpecError, match="hidden_layer_sizes"):
        validate_hyperparameters("mlp", {"hidden_layer_sizes": sizes}, "classification")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e999])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(SpecError, match="finite"):
        validate_hyperparameters("logistic_regression", {"tol": value}, "classification")


def test_hyperparameter_of_the_other_task_is_refused() -> None:
    with pytest.raises(SpecError, match="does not apply to regression"):
        validate_hyperparameters("random_forest", {"class_weight": "balanced"}, "regression")


def test_choices_follow_the_task() -> None:
    assert validate_hyperparameters("sgd", {}, "regression")["loss"] == "squared_error"
    with pytest.raises(SpecError, match="log_loss"):
        validate_hyperparameters("sgd", {"loss": "squared_error"}, "classification")


def test_model_type_that_cannot_do_the_task_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        make_spec("naive_bayes", "regression")
    assert caught.value.field == "model_type"


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_specification_survives_json(name: str, task: str) -> None:
    spec = make_spec(
        name,
        task,
        excluded=(ExcludedColumn(column="star", reason="identifier"),),
        time_limit_s=60.0,
        n_threads=2,
    )
    again = TrainingSpec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False)))
    assert again == spec
    assert again.digest() == spec.digest()


def test_digest_changes_with_what_decides_the_model_and_not_with_limits() -> None:
    spec = make_spec()
    same = make_spec(time_limit_s=5.0, n_threads=4, memory_limit_bytes=2**30)
    assert same.digest() == spec.digest()
    others = [make_spec(seed=1), make_spec(features=("a", "b")), make_spec(kind="kfold")]
    assert len({spec.digest(), *(other.digest() for other in others)}) == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("features", []),
        ("features", ["a", "a"]),
        ("features", "a"),
        ("features", [1]),
        ("seed", -1),
        ("seed", 2**70),
        ("seed", "seven"),
        ("n_threads", -1),
        ("n_threads", 10**6),
        ("time_limit_s", 0),
        ("time_limit_s", float("nan")),
        ("memory_limit_bytes", 5),
        ("target", ""),
        ("task", "clustering"),
        ("model_type", "transformer"),
        ("positive_class", 1),
        ("wishes", 3),
        ("excluded", [{"reason": "no name"}]),
    ],
)
def test_wrong_field_is_refused_by_name(field: str, value: object) -> None:
    data = make_spec().to_json() | {field: value}
    with pytest.raises(SpecError) as caught:
        TrainingSpec.from_json(data)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("validation.kind", {"kind": "hope"}),
        ("validation.test_fraction", {"test_fraction": 0.0}),
        ("validation.test_fraction", {"test_fraction": float("nan")}),
        ("validation.n_folds", {"n_folds": 1}),
        ("validation.n_folds", {"n_folds": 10**6}),
        ("validation.group_column", {"kind": "group"}),
        ("validation.time_column", {"kind": "time"}),
        ("validation.time_column", {"time_column": 5}),
        ("validation.shuffle", {"shuffle": True}),
    ],
)
def test_wrong_validation_is_refused_by_name(field: str, data: dict[str, object]) -> None:
    with pytest.raises(SpecError) as caught:
        ValidationSpec.from_json(data)
    assert caught.value.field == field


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(CATALOGUE)),
    st.dictionaries(
        st.sampled_from(sorted({p.name for entry in CATALOGUE.values() for p in entry.params})),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.integers()),
    ),
)
def test_whatever_is_sent_is_either_clean_or_refused(name: str, values: dict[str, object]) -> None:
    task = CATALOGUE[name].tasks[0]
    try:
        cleaned = validate_hyperparameters(name, values, task)
    except SpecError:
        return
    json.dumps(cleaned, allow_nan=False)
    assert estimate_duration_s(name, cleaned, 1000, 10) > 0


def test_estimate_grows_with_rows_units_and_fits() -> None:
    few = estimate_duration_s("random_forest", {"n_estimators": 50}, 10_000, 20)
    assert estimate_duration_s("random_forest", {"n_estimators": 500}, 10_000, 20) > few
    assert estimate_duration_s("random_forest", {"n_estimators": 50}, 100_000, 20) > few
    folds = estimate_duration_s("random_forest", {"n_estimators": 50}, 10_000, 20, n_fits=6)
    assert folds == pytest.approx(6 * few)


def test_specifications_load_no_heavy_library() -> None:
    code = (
        "import sys, experiments.training.specs, experiments.training.preflight;"
        "print(sorted({'numpy', 'pandas', 'sklearn', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
