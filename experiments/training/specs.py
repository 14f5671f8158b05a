"""What a training is: the model catalogue and the full specification (standard library only)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any, Literal, Self, cast, get_args

from experiments.training import catalogue_linear, catalogue_other, catalogue_trees, estimates
from experiments.training.params import TASKS, ModelType, ParamSpec, SpecError, Task

__all__ = [
    "CATALOGUE",
    "TASKS",
    "ExcludedColumn",
    "ModelType",
    "ParamSpec",
    "SpecError",
    "Task",
    "TrainingSpec",
    "ValidationKind",
    "ValidationSpec",
    "estimate_duration_s",
    "get_model_type",
    "json_schema",
    "templates",
    "validate_hyperparameters",
]

ValidationKind = Literal["split", "stratified", "group", "time", "kfold", "test_dataset"]
VALIDATION_KINDS: tuple[ValidationKind, ...] = get_args(ValidationKind)

CATALOGUE: dict[str, ModelType] = {
    model_type.name: model_type
    for model_type in (
        *catalogue_trees.MODEL_TYPES,
        *catalogue_linear.MODEL_TYPES,
        *catalogue_other.MODEL_TYPES,
    )
}
TEMPLATE_WORDS = {
    "quick": ("Quick", "A first impression in seconds."),
    "balanced": ("Balanced", "Sensible defaults for most tables."),
    "thorough": ("Thorough", "More learning, several times slower."),
}
MAX_NETWORK_WEIGHTS = 4_000_000
MAX_SEED = 2**32 - 1
MAX_TIME_LIMIT_S = 7 * 24 * 3600
RESOURCE_FIELDS = ("time_limit_s", "memory_limit_bytes", "n_threads", "excluded")


def get_model_type(name: object) -> ModelType:
    """Return the catalogue entry.

    Raises:
        SpecError: field "model_type", if there is none of that name.
    """
    if not isinstance(name, str) or name not in CATALOGUE:
        raise SpecError(
            "model_type", f"There is no model type {name!r}. Choose one of: {', '.join(CATALOGUE)}."
        )
    return CATALOGUE[name]


def json_schema(model_type: str, task: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the hyperparameters of ``model_type``.

    With ``task`` only what applies to it; otherwise everything, marked by ``x-tasks``,
    ``x-choices-by-task`` and ``x-default-by-task``.
    """
    entry = get_model_type(model_type)
    params = entry.params if task is None else entry.params_for(task)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": entry.title,
        "description": entry.description,
        "type": "object",
        "properties": {param.name: param.json_schema(task) for param in params},
        "additionalProperties": False,
    }


def validate_hyperparameters(
    model_type: str, values: Mapping[str, Any] | None, task: str
) -> dict[str, Any]:
    """Return the complete hyperparameters: ``values`` checked, defaults filled in.

    Raises:
        SpecError: field "hyperparameters.<name>" for an unknown name, a wrong type, a value out
            of bounds or one that does not apply to ``task``; "task" if the type cannot do it.
    """
    entry = get_model_type(model_type)
    _check_task(entry, task)
    if values is not None and not isinstance(values, Mapping):
        raise SpecError("hyperparameters", "Hyperparameters must be an object of names and values.")
    given = dict(values or {})
    known = {param.name: param for param in entry.params_for(task)}
    for name in given:
        if name not in known:
            raise SpecError(f"hyperparameters.{name}", _unknown_name(entry, str(name), task))
    cleaned: dict[str, Any] = {}
    for name, param in known.items():
        where = f"hyperparameters.{name}"
        cleaned[name] = (
            param.clean(given[name], task, where=where)
            if name in given
            else param.default_for(task)
        )
    _check_network(cleaned)
    return cleaned


def _check_task(entry: ModelType, task: str) -> None:
    if task not in TASKS:
        raise SpecError("task", f"The task must be one of: {', '.join(TASKS)}.")
    if task not in entry.tasks:
        raise SpecError("model_type", f"{entry.title} does {entry.tasks[0]} only, not {task}.")


def _unknown_name(entry: ModelType, name: str, task: str) -> str:
    if entry.param(name) is not None:
        return f"{name!r} does not apply to {task}."
    names = ", ".join(param.name for param in entry.params_for(task))
    return f"{entry.title} has no hyperparameter {name!r}. It has: {names}."


def _check_network(values: Mapping[str, Any]) -> None:
    sizes = values.get("hidden_layer_sizes")
    if sizes and sum(a * b for a, b in pairwise(sizes)) > MAX_NETWORK_WEIGHTS:
        raise SpecError(
            "hyperparameters.hidden_layer_sizes",
            f"The network would have more than {MAX_NETWORK_WEIGHTS:,} weights; use smaller layers.",
        )


def templates(model_type: str) -> dict[str, dict[str, Any]]:
    """Return "quick", "balanced" and "thorough".

    Each holds title, description, hyperparameters (only those differing from the defaults) and
    ``time_hint``, the time relative to "balanced" in words; for seconds on given data use
    ``estimate_duration_s`` with the hyperparameters.
    """
    entry = get_model_type(model_type)
    task = entry.tasks[0]
    usual = _typical_s(entry, {}, task)
    result = {}
    for name, (title, description) in TEMPLATE_WORDS.items():
        values = {
            key: list(value) if isinstance(value, list | tuple) else value
            for key, value in entry.templates[name].items()
        }
        factor = _typical_s(entry, values, task) / usual
        result[name] = {
            "title": title,
            "description": description,
            "hyperparameters": values,
            "time_hint": f"about {factor:.1f} times the balanced time",
        }
    return result


def _typical_s(entry: ModelType, values: Mapping[str, Any], task: str) -> float:
    params = validate_hyperparameters(entry.name, values, task)
    return estimates.learning_s(entry.name, params, 10_000, 20, 2)


def estimate_duration_s(
    model_type: str,
    hyperparameters: Mapping[str, Any] | None,
    n_rows: int,
    n_features: int,
    *,
    task: str | None = None,
    n_classes: int = 2,
    n_fits: int = 1,
) -> float:
    """Return the rough seconds to learn on one core (a factor of two either way).

    ``n_fits`` is 1, or folds + 1 for k-fold validation.

    Raises:
        SpecError: if the hyperparameters are not valid.
    """
    entry = get_model_type(model_type)
    params = validate_hyperparameters(model_type, hyperparameters, task or entry.tasks[0])
    one = estimates.learning_s(model_type, params, n_rows, n_features, n_classes)
    return max(1, n_fits) * one


@dataclass(frozen=True, kw_only=True)
class ExcludedColumn:
    """A column left out of the features, and why."""

    column: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ValidationSpec:
    """How rows are held out: by share, by class, by group, by time, in folds or an own table.

    Raises:
        SpecError: if a field is out of bounds or a needed column is not named.
    """

    kind: ValidationKind = "stratified"
    test_fraction: float = 0.25
    n_folds: int = 5
    group_column: str | None = None
    time_column: str | None = None

    def __post_init__(self) -> None:
        """Refuse nonsense at birth."""
        if self.kind not in VALIDATION_KINDS:
            raise SpecError(
                "validation.kind", f"Validation must be one of: {', '.join(VALIDATION_KINDS)}."
            )
        _check_number("validation.test_fraction", self.test_fraction, 0.01, 0.9)
        _check_whole("validation.n_folds", self.n_folds, 2, 20)
        if self.kind == "group" and not self.group_column:
            raise SpecError("validation.group_column", "Name the column that holds the groups.")
        if self.kind == "time" and not self.time_column:
            raise SpecError("validation.time_column", "Name the column that holds the time.")

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the specification in ``data``.

        Raises:
            SpecError: for unknown or wrong fields.
        """
        _check_keys(cls, data, "validation")
        for name in ("group_column", "time_column"):
            if data.get(name) is not None and not isinstance(data[name], str):
                raise SpecError(f"validation.{name}", "This must be the name of a column.")
        return cls(**data)


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """Everything that decides which model comes out, and the limits of the run.

    ``hyperparameters`` come out of ``validate_hyperparameters``; ``features`` are column names
    in the order the model sees them. ``n_threads`` is how many cores the fit may use.

    Raises:
        SpecError: naming the first impossible field.
    """

    target: str
    task: Task
    model_type: str
    features: tuple[str, ...]
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    excluded: tuple[ExcludedColumn, ...] = ()
    validation: ValidationSpec = field(default_factory=ValidationSpec)
    seed: int = 0
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None
    n_threads: int = 1
    positive_class: str | None = None

    def __post_init__(self) -> None:
        """Check every field and fill in default hyperparameters."""
        _check_text("target", self.target)
        cleaned = validate_hyperparameters(self.model_type, self.hyperparameters, self.task)
        object.__setattr__(self, "hyperparameters", cleaned)
        object.__setattr__(self, "features", _clean_features(self.features))
        _check_whole("seed", self.seed, 0, MAX_SEED)
        _check_whole("n_threads", self.n_threads, 1, 256)
        if self.time_limit_s is not None:
            _check_number("time_limit_s", self.time_limit_s, 1, MAX_TIME_LIMIT_S)
        if self.memory_limit_bytes is not None:
            _check_whole("memory_limit_bytes", self.memory_limit_bytes, 64 * 2**20, 2**50)
        if self.positive_class is not None and not isinstance(self.positive_class, str):
            raise SpecError("positive_class", "The positive class is a text, e.g. '1'.")

    @property
    def model(self) -> ModelType:
        """Return the catalogue entry of the model type."""
        return CATALOGUE[self.model_type]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON; ``from_json`` turns it back."""
        data = asdict(self)
        data["features"] = list(self.features)
        data["excluded"] = [asdict(column) for column in self.excluded]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the specification in ``data``.

        Raises:
            SpecError: naming the first unknown, missing or wrong field.
        """
        _check_keys(cls, data, "")
        for name in ("target", "task", "model_type", "features"):
            if name not in data:
                raise SpecError(name, "This field is required.")
        values = dict(data)
        values["validation"] = ValidationSpec.from_json(data.get("validation") or {})
        values["excluded"] = tuple(_excluded(item) for item in data.get("excluded") or ())
        return cls(**values)

    def digest(self) -> str:
        """Return the SHA-256 of what decides the model; limits and threads are left out."""
        data = {k: v for k, v in self.to_json().items() if k not in RESOURCE_FIELDS}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _excluded(item: object) -> ExcludedColumn:
    if isinstance(item, Mapping) and isinstance(item.get("column"), str):
        return ExcludedColumn(column=item["column"], reason=str(item.get("reason", "")))
    raise SpecError("excluded", "Every excluded column needs a name ('column') and a 'reason'.")


def _clean_features(features: object) -> tuple[str, ...]:
    if not isinstance(features, list | tuple):
        raise SpecError("features", "Features must be a list of column names.")
    names = cast("tuple[object, ...]", tuple(features))
    for name in names:
        if not isinstance(name, str):
            raise SpecError("features", "Features must be a list of column names.")
    texts = tuple(str(name) for name in names)
    if not texts:
        raise SpecError("features", "No features are left; choose at least one column.")
    if len(set(texts)) != len(texts):
        raise SpecError("features", "A feature is named twice.")
    return texts


def _check_keys(cls: type, data: object, where: str) -> None:
    if not isinstance(data, Mapping):
        raise SpecError(where or "spec", "This must be an object of names and values.")
    known = {item.name for item in fields(cls)}
    for name in data:
        if name not in known:
            path = f"{where}.{name}" if where else str(name)
            raise SpecError(path, f"Unknown field. Known: {', '.join(sorted(known))}.")


def _check_text(where: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise SpecError(where, "Name the column to predict.")


def _check_whole(where: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(where, f"This must be a whole number from {low} to {high}.")


def _check_number(where: str, value: object, low: float, high: float) -> None:
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or not low <= cast("float", value) <= high:
        raise SpecError(where, f"This must be a number from {low:g} to {high:g}.")
