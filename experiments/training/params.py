"""The vocabulary of the catalogue: what a hyperparameter and a model type are (standard library)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Task = Literal["classification", "regression"]
Strategy = Literal["grow", "epoch", "hook", "oneshot"]
ParamType = Literal["integer", "number", "boolean", "choice", "integer_list"]

TASKS: tuple[Task, ...] = ("classification", "regression")
JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "choice": "string"}


class SpecError(ValueError):
    """A training specification that cannot work; says which field and why in plain words."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}")
        self.field = field_name
        self.message = message


@dataclass(frozen=True, kw_only=True)
class ParamSpec:
    """One hyperparameter: its type, bounds and default, and the words a form shows.

    ``minimum`` and ``maximum`` are inclusive; for ``integer_list`` they bound every item and
    ``max_items`` the length. ``tasks`` names the tasks it applies to. ``task_choices`` and
    ``task_defaults`` override ``choices`` and ``default`` where these depend on the task.
    """

    name: str
    type: ParamType
    default: Any
    title: str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    unit: str = ""
    advanced: bool = False
    max_items: int = 1
    tasks: tuple[Task, ...] = TASKS
    task_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    task_defaults: Mapping[str, Any] = field(default_factory=dict)

    def choices_for(self, task: str | None) -> tuple[str, ...]:
        """Return the allowed words for ``task``; for None those of any task."""
        if not self.task_choices:
            return self.choices
        if task is not None:
            return self.task_choices[task]
        return tuple(dict.fromkeys(word for words in self.task_choices.values() for word in words))

    def default_for(self, task: str | None) -> Any:
        """Return the default for ``task``."""
        if task is not None and task in self.task_defaults:
            return self.task_defaults[task]
        return list(self.default) if self.type == "integer_list" else self.default

    def json_schema(self, task: str | None) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of one value."""
        schema: dict[str, Any] = {"title": self.title, "description": self.description}
        schema["default"] = self.default_for(task)
        if self.type == "integer_list":
            schema |= {"type": "array", "minItems": 1, "maxItems": self.max_items}
            schema["items"] = {
                "type": "integer",
                "minimum": self.minimum,
                "maximum": self.maximum,
            }
        else:
            kind = JSON_TYPES[self.type]
            schema["type"] = [kind, "null"] if self.nullable else kind
            if self.type == "choice":
                schema["enum"] = [*self.choices_for(task), *([None] if self.nullable else [])]
            if self.minimum is not None:
                schema["minimum"] = self.minimum
            if self.maximum is not None:
                schema["maximum"] = self.maximum
        schema["x-advanced"] = self.advanced
        if self.unit:
            schema["x-unit"] = self.unit
        if self.tasks != TASKS:
            schema["x-tasks"] = list(self.tasks)
        if task is None and self.task_choices:
            schema["x-choices-by-task"] = {k: list(v) for k, v in self.task_choices.items()}
        if task is None and self.task_defaults:
            schema["x-default-by-task"] = dict(self.task_defaults)
        return schema

    def clean(self, value: Any, task: str, *, where: str) -> Any:
        """Return ``value`` in its own type.

        Raises:
            SpecError: naming ``where``, if type, bounds or word are wrong.
        """
        if value is None:
            if self.nullable:
                return None
            raise SpecError(where, f"{self.title} needs a value.")
        if self.type == "boolean":
            if not isinstance(value, bool):
                raise SpecError(where, f"{self.title} must be true or false.")
            return value
        if self.type == "choice":
            words = self.choices_for(task)
            if not isinstance(value, str) or value not in words:
                raise SpecError(where, f"{self.title} must be one of: {', '.join(words)}.")
            return value
        if self.type == "integer_list":
            return self._clean_list(value, where)
        return self._clean_number(value, where)

    def _clean_list(self, value: Any, where: str) -> list[int]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= self.max_items:
            raise SpecError(
                where, f"{self.title} must be a list of 1 to {self.max_items} whole numbers."
            )
        return [int(self._clean_number(item, where)) for item in value]

    def _clean_number(self, value: Any, where: str) -> float | int:
        whole = self.type in ("integer", "integer_list")
        kind = "a whole number" if whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpecError(where, f"{self.title} must be {kind}.")
        # A whole number beyond the range of a float would overflow isfinite: bounds come first.
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError(where, f"{self.title} must be a finite number.")
        if whole and value != int(value):
            raise SpecError(where, f"{self.title} must be a whole number.")
        too_small = self.minimum is not None and value < self.minimum
        too_large = self.maximum is not None and value > self.maximum
        if too_small or too_large:
            raise SpecError(
                where, f"{self.title} must be {kind} from {self.minimum:g} to {self.maximum:g}."
            )
        return int(value) if whole else float(value)


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """One entry of the catalogue.

    ``strategy`` says how it is trained in steps, ``units`` names the hyperparameter counting the
    steps (empty for oneshot) and ``unit_name`` what one step is called. ``deterministic``: the
    same specification gives the same model bit for bit. ``supports_partial_stop``: a stopped
    run keeps what was learned so far; types without it are ended by the supervisor.
    ``templates`` maps "quick", "balanced" and "thorough" to the values differing from the
    defaults. ``scaled``: numbers are imputed and scaled, categories one-hot encoded.
    """

    name: str
    title: str
    description: str
    tasks: tuple[Task, ...]
    strategy: Strategy
    params: tuple[ParamSpec, ...]
    templates: Mapping[str, Mapping[str, Any]]
    units: str = ""
    unit_name: str = "fit"
    deterministic: bool = True
    supports_partial_stop: bool = False
    scaled: bool = False
    notes: tuple[str, ...] = ()

    def param(self, name: str) -> ParamSpec | None:
        """Return the hyperparameter called ``name``, or None."""
        return next((param for param in self.params if param.name == name), None)

    def params_for(self, task: str) -> tuple[ParamSpec, ...]:
        """Return the hyperparameters that apply to ``task``."""
        return tuple(param for param in self.params if task in param.tasks)
