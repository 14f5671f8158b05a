"""The checks of a group of writes, in their order, before anything is stored.

Each run of the group has one `RunPlan`: what the database holds, changed by the operations that
were accepted so far. An operation that is refused leaves no trace in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from experiments.models.experiments import Lifecycle
from experiments.models.runs import Run
from experiments.tracking.keys import checked
from experiments.tracking.operations import (
    CreateRun,
    DeleteTag,
    LogBatch,
    ModelPoint,
    Pair,
    Point,
    RunOperation,
    SetRunLifecycle,
    UpdateRun,
)
from experiments.tracking.rows import RunRow
from experiments.tracking.run_names import random_name
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.texts import storable
from platform_site.jobs import states

NAME_TAG: Final = "mlflow.runName"
MAX_NAME_CHARS: Final = 250
MAX_VALUE_CHARS: Final = 100_000
GREATEST: Final = 1.7976931348623157e308
METRICS: Final = int(Run.Dirty.METRICS)
LABELS: Final = int(Run.Dirty.LABELS)
TRACKED_STATUSES: Final = frozenset(
    {states.QUEUED, states.RUNNING, states.COMPLETED, states.FAILED, states.STOPPED}
)


@dataclass(slots=True)
class Facts:
    """What the database holds of what a group names, besides its runs."""

    at_ms: int
    key_numbers: Mapping[str, int]
    experiments: Mapping[int, tuple[Any, ...]]
    models: Mapping[str, tuple[int, int]]
    """Number and project of each logged model, by its id."""


@dataclass(slots=True)
class Batch:
    """Points of one request, the keys still as names."""

    names: set[str]
    keys: Sequence[str]
    steps: array[int]
    times_ms: array[int]
    values: array[float]


@dataclass(slots=True)
class RunPlan:
    """A run and what the group will write to it."""

    row: RunRow
    params: dict[str, str] = field(default_factory=dict)
    stored_tags: set[str] = field(default_factory=set)
    new_params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    model_points: list[ModelPoint] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    bits: int = 0
    is_touched: bool = False

    def change(self, **columns: Any) -> None:
        """Set columns of the run, both in what is written and in what later checks see."""
        self.columns.update(columns)
        self.row = self.row._replace(
            **{name: value for name, value in columns.items() if name in RunRow._fields}
        )


@dataclass(slots=True)
class NewRun:
    """A run to make."""

    operation: CreateRun
    project_id: int
    asked_location: str
    name: str
    tags: dict[str, str]


def run_not_found(uuid: str) -> NotFound:
    """Return the refusal of a run that is not there, or not for this caller."""
    return NotFound(f"Run {uuid} not found")


def plan_run_operation(plan: RunPlan | None, operation: RunOperation, facts: Facts) -> None:
    """Check the operation and note in the plan what it writes.

    Raises:
        NotFound: when there is no such run for this caller, or no such tag.
        Forbidden: when the caller may not write.
        Invalid: naming what does not fit.
        Conflict: when a training's job decides.
    """
    uuid = operation.run_uuid
    if plan is None or operation.caller.role_in(plan.row.project_id) is None:
        raise run_not_found(uuid)
    operation.caller.require(plan.row.project_id, "write", "run")
    if isinstance(operation, SetRunLifecycle):
        _plan_lifecycle(plan, operation, facts.at_ms)
        return
    if plan.row.lifecycle != Lifecycle.ACTIVE:
        raise Invalid(
            f"The run {uuid} must be in the 'active' state. Current state is {plan.row.lifecycle}."
        )
    if isinstance(operation, LogBatch):
        _plan_batch(plan, operation, facts)
    elif isinstance(operation, UpdateRun):
        _plan_update(plan, operation)
    else:
        _plan_tag_removal(plan, operation)
    plan.is_touched = True
    if plan.row.status == states.LOST and plan.row.kind == Run.Kind.TRACKED:
        plan.change(status=states.RUNNING)
        plan.bits |= LABELS


def _plan_batch(plan: RunPlan, operation: LogBatch, facts: Facts) -> None:
    batch = _columns(operation.metrics) if operation.metrics else None
    if batch is not None:
        check_new_names(batch.names, facts.key_numbers)
    check_new_names({key for key, _ in operation.params}, facts.key_numbers)
    check_new_names({key for key, _ in operation.tags}, facts.key_numbers)
    new_params = _new_params(plan, operation.params)
    tags = dict(operation.tags)
    check_values(tags)
    name = tags.pop(NAME_TAG, "")
    check_name(name)
    _check_models(plan, operation.model_metrics, facts)
    plan.params.update(new_params)
    plan.new_params.update(new_params)
    plan.tags.update(tags)
    if batch is not None:
        plan.batches.append(batch)
        plan.bits |= METRICS
    plan.model_points.extend(operation.model_metrics)
    if name and name != plan.row.name:
        plan.change(name=name)
    if new_params or tags or name:
        plan.bits |= LABELS


def _columns(points: Sequence[Point]) -> Batch:
    try:
        keys, steps, times_ms, values = zip(*points, strict=True)
        columns = array("q", steps), array("q", times_ms), array("d", values)
    except OverflowError as error:
        raise Invalid("A step or timestamp is beyond 64 bits, or a value is too large.") from error
    except (TypeError, ValueError) as error:
        raise Invalid("A metric has a key, an integer step and timestamp, and a value.") from error
    batch = Batch(set(keys), keys, *columns)
    # A sum tells of all at once; that it may overflow by itself does no harm.
    if not isfinite(sum(values)):
        # As the protocol answers them; comparisons stay right.
        batch.values = array("d", (min(max(v, -GREATEST), GREATEST) for v in batch.values))
    return batch


def _check_models(plan: RunPlan, points: Sequence[ModelPoint], facts: Facts) -> None:
    for point in points:
        found = facts.models.get(point.model_id)
        if found is None or found[1] != plan.row.project_id:
            raise NotFound(f"Logged model with ID '{point.model_id}' not found.")


def _new_params(plan: RunPlan, params: Sequence[Pair]) -> dict[str, str]:
    new: dict[str, str] = {}
    for key, value in params:
        held = plan.params.get(key, new.get(key))
        if held is None:
            new[key] = value
        elif held != value:
            raise Invalid(
                "Changing param values is not allowed. Param with key="
                f"'{key}' was already logged with value='{held}' for run ID='{plan.row.uuid}'. "
                f"Attempted logging new value '{value}'.",
                key=key,
            )
    check_values(new)
    return new


def _plan_update(plan: RunPlan, operation: UpdateRun) -> None:
    changes: dict[str, Any] = {}
    if operation.status is not None or operation.end_ms is not None:
        if plan.row.kind == Run.Kind.TRAINING:
            raise Conflict(f"The run {plan.row.uuid} is a training; its job decides its status.")
        if operation.status is not None:
            if operation.status not in TRACKED_STATUSES:
                raise Invalid(f"A run cannot be set to the status '{operation.status}'.")
            changes["status"] = operation.status
        if operation.end_ms is not None:
            changes["end_ms"] = operation.end_ms
    if operation.name:
        check_name(operation.name)
        changes["name"] = operation.name
    if changes:
        plan.change(**changes)
        plan.bits |= LABELS


def _plan_tag_removal(plan: RunPlan, operation: DeleteTag) -> None:
    key = operation.key
    if key == NAME_TAG:
        raise Invalid("A run always has a name; set another instead.")
    is_there = plan.tags[key] is not None if key in plan.tags else key in plan.stored_tags
    if not is_there:
        raise NotFound(f"No tag with name: {key} in run with id {plan.row.uuid}")
    plan.tags[key] = None
    plan.bits |= LABELS


def _plan_lifecycle(plan: RunPlan, operation: SetRunLifecycle, at_ms: int) -> None:
    if operation.lifecycle == plan.row.lifecycle:
        return
    if operation.lifecycle == Lifecycle.DELETED:
        if plan.row.kind == Run.Kind.TRAINING and plan.row.status in states.ACTIVE:
            raise Conflict(f"The run {plan.row.uuid} is being trained; stop it first.")
        plan.change(lifecycle=Lifecycle.DELETED.value, deleted_ms=at_ms)
    else:
        plan.change(lifecycle=Lifecycle.ACTIVE.value, deleted_ms=None)
    plan.bits |= LABELS
    plan.is_touched = True


def plan_new_run(operation: CreateRun, facts: Facts) -> NewRun:
    """Return what to make for the operation.

    Raises:
        NotFound: when there is no such experiment for this caller.
        Forbidden: when the caller may not write.
        Invalid: when the experiment is deleted or something does not fit.
    """
    experiment = facts.experiments.get(operation.experiment_id)
    if experiment is None or operation.caller.role_in(experiment[1]) is None:
        raise NotFound(f"No Experiment with id={operation.experiment_id} exists")
    _, project_id, lifecycle, asked_location = experiment
    operation.caller.require(project_id, "write", "experiment")
    if lifecycle != Lifecycle.ACTIVE:
        raise Invalid(
            f"The experiment {operation.experiment_id} must be in the 'active' state. "
            f"Current state is {lifecycle}."
        )
    check_new_names({key for key, _ in operation.tags}, facts.key_numbers)
    tags = dict(operation.tags)
    check_values(tags)
    tag_name = tags.pop(NAME_TAG, "")
    if operation.name and tag_name and operation.name != tag_name:
        raise Invalid(
            f"The run's name '{operation.name}' and its tag {NAME_TAG} '{tag_name}' differ."
        )
    name = operation.name or tag_name or random_name()
    check_name(name)
    storable(operation.user_name, field="user_id", max_chars=MAX_NAME_CHARS)
    return NewRun(operation, project_id, asked_location, name, tags)


def check_name(name: str) -> None:
    """Refuse a run's name that the column cannot hold.

    Raises:
        Invalid: saying why.
    """
    storable(name, field="run_name", max_chars=MAX_NAME_CHARS)


def check_values(pairs: Mapping[str, str]) -> None:
    """Refuse values that databases cannot hold.

    Raises:
        Invalid: naming the key.
    """
    for key, value in pairs.items():
        storable(value, field=key, max_chars=MAX_VALUE_CHARS)


def check_new_names(names: set[str], known: Mapping[str, int]) -> None:
    """Refuse names that the dictionary does not hold and cannot hold.

    Raises:
        Invalid: naming one of them.
    """
    for name in names.difference(known):
        checked(name)
