"""What makes a training impossible, found before a job exists (standard library only)."""

from collections.abc import Mapping
from typing import Any

from experiments.data.specs import ColumnSchema, DatasetSchema
from experiments.training.specs import SpecError, TrainingSpec
from experiments.training.stopping import MIN_ASIDE_ROWS

MIN_ROWS = 10
MAX_CLASSES = 500
NUMBER_TYPES = ("integer", "number", "boolean")
TIME_TYPES = ("datetime", "integer", "number")
USELESS_ROLES = ("constant", "empty")


def preflight(
    spec: TrainingSpec,
    schema: DatasetSchema,
    profile: Mapping[str, Any],
    *,
    target_summary: Mapping[str, Any] | None = None,
    test_schema: DatasetSchema | None = None,
    test_is_same: bool = False,
) -> None:
    """Return if the training can be tried.

    Args:
        spec: What is to be trained.
        schema: Columns of the dataset version.
        profile: Its stored profile ("n_rows" and "columns").
        target_summary: What ``analyse_target`` found for this target, if it is known.
        test_schema: Columns of the test dataset, where one is chosen.
        test_is_same: Whether the test dataset has the very same content as the dataset.

    Raises:
        SpecError: naming the first field that makes it impossible, and why.
    """
    columns = {entry["name"]: entry for entry in profile.get("columns", ())}
    target = _existing(schema, spec.target, "target")
    for name in spec.features:
        _existing(schema, name, "features")
    if spec.target in spec.features:
        raise SpecError("features", f"The target “{spec.target}” cannot be a feature as well.")
    n_rows = int(profile.get("n_rows", 0)) - int(columns.get(spec.target, {}).get("n_null") or 0)
    _check_rows(spec, n_rows)
    _check_target_type(spec, target)
    counts = class_counts(columns.get(spec.target, {}), target_summary)
    _check_values(spec, columns.get(spec.target, {}), counts)
    _check_repetition(spec, columns.get(spec.target, {}), n_rows)
    _check_features(spec, columns)
    _check_validation(spec, schema, columns, counts)
    _check_test_dataset(spec, schema, test_schema, is_same=test_is_same)
    _check_settings(spec, n_rows)


def class_counts(
    column: Mapping[str, Any], summary: Mapping[str, Any] | None
) -> dict[str, int] | None:
    """Return rows per class, or None where the stored figures are not complete."""
    entries = (summary or {}).get("classes")
    n_classes = (summary or {}).get("n_classes")
    if entries is None:
        entries, n_classes = column.get("top_values"), column.get("n_distinct")
        if column.get("distinct_is_estimate"):
            return None
    if not entries or n_classes is None or len(entries) < n_classes:
        return None
    return {str(entry["value"]): int(entry["count"]) for entry in entries}


def _existing(schema: DatasetSchema, name: str, field: str) -> ColumnSchema:
    for column in schema.columns:
        if column.name == name:
            return column
    raise SpecError(field, f"The dataset has no column “{name}”.")


def _check_rows(spec: TrainingSpec, n_rows: int) -> None:
    if n_rows <= 0:
        raise SpecError("target", f"The target “{spec.target}” has no value in any row.")
    if n_rows < MIN_ROWS:
        raise SpecError(
            "dataset",
            f"Only {n_rows} rows have a value of “{spec.target}”; "
            f"at least {MIN_ROWS} are needed to learn and to test.",
        )


def _check_target_type(spec: TrainingSpec, target: ColumnSchema) -> None:
    if spec.task == "regression" and target.type not in NUMBER_TYPES:
        raise SpecError(
            "task",
            f"A regression predicts numbers, but “{target.name}” holds {target.type} values. "
            "Choose classification or another target.",
        )
    if target.type == "datetime":
        raise SpecError("target", f"“{target.name}” holds dates; these cannot be predicted.")


def _check_values(
    spec: TrainingSpec, column: Mapping[str, Any], counts: Mapping[str, int] | None
) -> None:
    n_distinct = len(counts) if counts is not None else column.get("n_distinct")
    if n_distinct is not None and int(n_distinct) < 2:
        what = "one class" if spec.task == "classification" else "one value"
        raise SpecError(
            "target", f"The target “{spec.target}” has only {what}; there is nothing to learn."
        )
    if spec.task != "classification":
        if spec.positive_class is not None:
            raise SpecError("positive_class", "A regression has no positive class.")
        return
    if n_distinct is not None and int(n_distinct) > MAX_CLASSES:
        raise SpecError(
            "target",
            f"The target “{spec.target}” has {int(n_distinct):,} different values; a "
            f"classification takes at most {MAX_CLASSES} classes. Choose regression or "
            "another target.",
        )
    known = counts is not None and spec.positive_class not in (None, *counts)
    if known and spec.positive_class not in _label_words(counts or {}):
        raise SpecError(
            "positive_class", f"The target has no value “{spec.positive_class}” to be positive."
        )


def _check_repetition(spec: TrainingSpec, column: Mapping[str, Any], n_rows: int) -> None:
    n_distinct = column.get("n_distinct")
    if spec.task != "classification" or n_distinct is None or column.get("distinct_is_estimate"):
        return
    if int(n_distinct) * 2 > n_rows:
        raise SpecError(
            "target",
            f"The target “{spec.target}” has {int(n_distinct):,} different values in {n_rows:,} "
            "rows, so that most appear once and cannot be learned. Choose regression or another "
            "target.",
        )


def _label_words(counts: Mapping[str, int]) -> set[str]:
    """Return the spellings labels may have: a stored 1.0 is the label "1", True is "true"."""
    return {word.removesuffix(".0") for word in counts} | {word.lower() for word in counts}


def _check_features(spec: TrainingSpec, columns: Mapping[str, Mapping[str, Any]]) -> None:
    useless = [name for name in spec.features if _is_useless(columns.get(name, {}))]
    if len(useless) == len(spec.features):
        raise SpecError(
            "features",
            "Every chosen feature is empty or has the same value in all rows: "
            f"{', '.join(useless[:5])}.",
        )


def _is_useless(column: Mapping[str, Any]) -> bool:
    if column.get("role") in USELESS_ROLES:
        return True
    return column.get("n_distinct") == 0


def _check_validation(
    spec: TrainingSpec,
    schema: DatasetSchema,
    columns: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, int] | None,
) -> None:
    validation = spec.validation
    if validation.group_column is not None:
        _existing(schema, validation.group_column, "validation.group_column")
        if validation.group_column == spec.target:
            raise SpecError("validation.group_column", "The target cannot be the group.")
        needed = validation.n_folds if validation.kind == "kfold" else 2
        n_groups = columns.get(validation.group_column, {}).get("n_distinct")
        if n_groups is not None and int(n_groups) < needed:
            raise SpecError(
                "validation.group_column",
                f"“{validation.group_column}” has {n_groups} groups; {needed} are needed.",
            )
    if validation.time_column is not None:
        _check_time(schema, validation.time_column, columns)
    _check_class_sizes(spec, counts)


def _check_time(schema: DatasetSchema, name: str, columns: Mapping[str, Mapping[str, Any]]) -> None:
    field = "validation.time_column"
    column = _existing(schema, name, field)
    if column.type not in TIME_TYPES:
        raise SpecError(field, f"“{name}” holds {column.type} values, which have no order in time.")
    if columns.get(name, {}).get("n_null"):
        raise SpecError(
            field, f"“{name}” is missing in {columns[name]['n_null']:,} rows; these have no time."
        )


def _check_class_sizes(spec: TrainingSpec, counts: Mapping[str, int] | None) -> None:
    validation = spec.validation
    if counts is None or spec.task != "classification":
        return
    rarest = min(counts, key=lambda label: counts[label])
    if validation.kind == "stratified" and counts[rarest] < 2:
        raise SpecError(
            "validation.kind",
            f"The class “{rarest}” has one row only, which cannot be on both sides of a "
            "stratified split. Choose a plain split or remove the row.",
        )
    by_class = validation.kind == "kfold" and validation.group_column is None
    if by_class and counts[rarest] < validation.n_folds:
        raise SpecError(
            "validation.n_folds",
            f"The class “{rarest}” has {counts[rarest]} rows; "
            f"{validation.n_folds} folds need at least one each.",
        )


def _check_test_dataset(
    spec: TrainingSpec, schema: DatasetSchema, test_schema: DatasetSchema | None, *, is_same: bool
) -> None:
    if spec.validation.kind != "test_dataset":
        return
    if test_schema is None:
        raise SpecError("test_dataset", "Choose the dataset to test on.")
    if is_same:
        raise SpecError(
            "test_dataset",
            "The test dataset is the training dataset; a test needs rows the model has not seen.",
        )
    present = {column.name: column.type for column in test_schema.columns}
    missing = [name for name in (*spec.features, spec.target) if name not in present]
    if missing:
        raise SpecError("test_dataset", f"The test dataset lacks: {', '.join(missing)}.")
    for name in (*spec.features, spec.target):
        trained = schema.column(name).type
        if (trained in NUMBER_TYPES) != (present[name] in NUMBER_TYPES):
            raise SpecError(
                "test_dataset",
                f"“{name}” holds {trained} values in the training dataset, "
                f"but {present[name]} values in the test dataset.",
            )


def _check_settings(spec: TrainingSpec, n_rows: int) -> None:
    validation = spec.validation
    if validation.kind == "kfold":
        n_train = n_rows - -(-n_rows // validation.n_folds)
    elif validation.kind == "test_dataset":
        n_train = n_rows
    else:
        n_train = n_rows - round(n_rows * validation.test_fraction)
    neighbours = spec.hyperparameters.get("n_neighbors")
    if neighbours is not None and neighbours > n_train:
        raise SpecError(
            "hyperparameters.n_neighbors",
            f"{neighbours} neighbours need as many training rows; there are {n_train}.",
        )
    if spec.hyperparameters.get("early_stopping") and n_train < 2 * MIN_ASIDE_ROWS:
        raise SpecError(
            "hyperparameters.early_stopping",
            f"Early stopping needs at least {2 * MIN_ASIDE_ROWS} training rows; "
            f"there are {n_train}.",
        )
