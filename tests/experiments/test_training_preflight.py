"""Impossible specifications are refused before a job exists, naming the field."""

from typing import Any

import pytest

from experiments.data.specs import ColumnSchema, DatasetSchema
from experiments.training.preflight import preflight
from experiments.training.specs import SpecError, ValidationSpec
from tests.experiments.training_samples import TYPES, make_spec

SCHEMA = DatasetSchema(tuple(ColumnSchema(name, name, kind) for name, kind in TYPES.items()))


def make_profile(n_rows: int = 100, **changes: dict[str, Any]) -> dict[str, Any]:
    """Return a stored profile; ``changes`` override figures of single columns."""
    columns = {
        name: {"name": name, "n_null": 0, "n_distinct": 20, "top_values": [], "role": None}
        for name in TYPES
    }
    columns["kind"]["n_distinct"] = 3
    columns["kind"]["top_values"] = classes(dust=40, planet=40, star=20)
    for name, figures in changes.items():
        columns[name] |= figures
    return {"n_rows": n_rows, "n_columns": len(columns), "columns": list(columns.values())}


def classes(**counts: int) -> list[dict[str, Any]]:
    """Return top values in the form of a profile."""
    return [{"value": value, "count": count} for value, count in counts.items()]


def test_possible_specifications_pass() -> None:
    preflight(make_spec(), SCHEMA, make_profile())
    preflight(make_spec("ridge", "regression"), SCHEMA, make_profile())
    preflight(make_spec(kind="kfold"), SCHEMA, make_profile())
    preflight(make_spec(target="flag", features=("a",)), SCHEMA, make_profile())


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("target", {"target": "nothing"}, {}, "no column"),
    ("features", {"features": ("a", "nothing")}, {}, "no column"),
    ("features", {"features": ("a", "kind")}, {}, "cannot be a feature"),
    ("target", {}, {"kind": {"n_null": 100}}, "no value in any row"),
    ("dataset", {}, {"kind": {"n_null": 98}}, "Only 2 rows"),
    ("target", {}, {"kind": {"n_distinct": 1, "top_values": classes(star=100)}}, "one class"),
    ("target", {}, {"kind": {"n_distinct": 10_000}}, "at most 500 classes"),
    ("target", {"target": "when"}, {}, "dates"),
    ("task", {"model_type": "ridge", "task": "regression", "target": "kind"}, {}, "numbers"),
    (
        "target",
        {"model_type": "ridge", "task": "regression", "target": "size"},
        {"size": {"n_distinct": 1}},
        "one value",
    ),
    (
        "features",
        {"features": ("a", "b")},
        {"a": {"role": "constant"}, "b": {"role": "empty"}},
        "empty or has the same value",
    ),
    ("positive_class", {"positive_class": "comet"}, {}, "comet"),
    (
        "validation.kind",
        {},
        {"kind": {"top_values": classes(dust=50, planet=49, star=1)}},
        "one row only",
    ),
    (
        "validation.n_folds",
        {"validation": ValidationSpec(kind="kfold", n_folds=5)},
        {"kind": {"top_values": classes(dust=50, planet=46, star=4)}},
        "5 folds",
    ),
    (
        "validation.group_column",
        {"validation": ValidationSpec(kind="group", group_column="nothing")},
        {},
        "no column",
    ),
    (
        "validation.group_column",
        {"validation": ValidationSpec(kind="group", group_column="kind")},
        {},
        "target",
    ),
    (
        "validation.group_column",
        {"validation": ValidationSpec(kind="group", group_column="star")},
        {"star": {"n_distinct": 1}},
        "1 groups",
    ),
    (
        "validation.time_column",
        {"validation": ValidationSpec(kind="time", time_column="colour")},
        {},
        "no order in time",
    ),
    (
        "validation.time_column",
        {"validation": ValidationSpec(kind="time", time_column="when")},
        {"when": {"n_null": 7}},
        "missing in 7 rows",
    ),
    (
        "hyperparameters.n_neighbors",
        {"model_type": "knn", "hyperparameters": {"n_neighbors": 80}},
        {},
        "80 neighbours",
    ),
    (
        "hyperparameters.early_stopping",
        {"hyperparameters": {"early_stopping": True}},
        {"kind": {"n_null": 70, "top_values": classes(dust=10, planet=10, star=10)}},
        "at least 40",
    ),
]


@pytest.mark.parametrize(("field", "values", "figures", "words"), REFUSED)
def test_impossible_specification_names_field_and_reason(
    field: str, values: dict[str, Any], figures: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        preflight(make_spec(**values), SCHEMA, make_profile(**figures))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("columns", "same", "words"),
    [
        (None, False, "Choose the dataset"),
        (TYPES, True, "is the training dataset"),
        ({name: kind for name, kind in TYPES.items() if name != "town"}, False, "lacks: town"),
        (TYPES | {"a": "category"}, False, "number values in the training dataset"),
    ],
)
def test_unfit_test_dataset_is_refused(
    columns: dict[str, str] | None, same: bool, words: str
) -> None:
    other = None
    if columns is not None:
        other = DatasetSchema(tuple(ColumnSchema(n, n, kind) for n, kind in columns.items()))
    with pytest.raises(SpecError, match=words) as caught:
        preflight(
            make_spec(kind="test_dataset"),
            SCHEMA,
            make_profile(),
            test_schema=other,
            test_is_same=same,
        )
    assert caught.value.field == "test_dataset"


def test_class_sizes_come_from_the_analysed_target_where_it_is_known() -> None:
    summary = {"n_classes": 2, "classes": classes(no=99, yes=1)}
    with pytest.raises(SpecError, match="one row only"):
        preflight(make_spec(), SCHEMA, make_profile(), target_summary=summary)


def test_incomplete_class_figures_refuse_nothing() -> None:
    profile = make_profile(kind={"n_distinct": 40, "top_values": classes(dust=1)})
    preflight(make_spec(), SCHEMA, profile)
