"""Logged models: made when a client begins to save a model, finished, labelled, deleted."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from experiments.events.logged_models import LoggedModelChanged
from experiments.events.runs import run_topic
from experiments.models import (
    Experiment,
    Lifecycle,
    LoggedModel,
    LoggedModelParam,
    LoggedModelTag,
    Run,
)
from experiments.services.labels import checked_labels, write_labels
from experiments.tracking.run_names import random_name
from platform_site.accounts.models import User
from platform_site.core.clock import now_ms
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.texts import storable
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish

MAX_NAME_CHARS: Final = 500
MAX_RUN_CHARS: Final = 256
MAX_PARAM_CHARS: Final = 6000
FORBIDDEN_IN_NAMES: Final = "/:.%\"'"
FINAL_STATUSES: Final = (LoggedModel.Status.READY, LoggedModel.Status.UPLOAD_FAILED)

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class NewLoggedModel:
    """What a client says about a model that it begins to save."""

    name: str | None = None
    model_type: str = ""
    source_run_id: str = ""
    params: Pairs = ()
    tags: Pairs = ()


def create_logged_model(*, experiment: Experiment, wanted: NewLoggedModel, by: User) -> LoggedModel:
    """Return a new logged model that waits for its files.

    Raises:
        Invalid: for an impossible name, param or tag, and for a deleted experiment.
        NotFound: when the experiment does not exist any more.
    """
    name = _checked_name(wanted.name)
    storable(wanted.model_type, field="model_type", max_chars=MAX_NAME_CHARS)
    storable(wanted.source_run_id, field="source_run_id", max_chars=MAX_RUN_CHARS)
    params = _checked_params(wanted.params)
    tags = checked_labels(wanted.tags)
    moment_ms = now_ms()
    with write_transaction():
        experiment = _active(experiment)
        model = LoggedModel.objects.create(
            model_id=f"m-{uuid.uuid4().hex}",
            experiment=experiment,
            name=name,
            model_type=wanted.model_type,
            source_run_text=wanted.source_run_id,
            source_run=_run(experiment, wanted.source_run_id),
            created_by=by,
            created_ms=moment_ms,
            updated_ms=moment_ms,
        )
        _write_params(model, params)
        write_labels(LoggedModelTag, {"model": model}, tags)
        _tell(model)
    return model


def finish_logged_model(*, model: LoggedModel, status: str) -> LoggedModel:
    """Say how saving the model ended; may be said again.

    Raises:
        Invalid: for a status that is no end.
        NotFound: when the model was deleted meanwhile.
    """
    if status not in FINAL_STATUSES:
        known = ", ".join(FINAL_STATUSES)
        raise Invalid(
            f"Invalid status {status[:100]!r}: it must be one of {known}.", field="status"
        )
    with write_transaction():
        model = _locked(model)
        model.status = status
        model.updated_ms = now_ms()
        model.save(update_fields=["status", "updated_ms"])
        _tell(model)
    return model


def delete_logged_model(*, model: LoggedModel) -> None:
    """Hide the model, as often as one likes; versions and runs that name it still do."""
    with write_transaction():
        if not LoggedModel.objects.filter(pk=model.pk, lifecycle=Lifecycle.ACTIVE).exists():
            return
        model = _locked(model)
        model.lifecycle = Lifecycle.DELETED
        model.updated_ms = now_ms()
        model.save(update_fields=["lifecycle", "updated_ms"])
        _tell(model)


def tag_logged_model(*, model: LoggedModel, tags: Pairs) -> LoggedModel:
    """Set tags of the model.

    Raises:
        Invalid: for a key or value that cannot be kept.
        NotFound: when the model was deleted meanwhile.
    """
    labels = checked_labels(tags)
    with write_transaction():
        model = _locked(model)
        write_labels(LoggedModelTag, {"model": model}, labels)
        _tell(model)
    return model


def untag_logged_model(*, model: LoggedModel, key: str) -> None:
    """Remove a tag of the model.

    Raises:
        NotFound: when the model has no such tag.
    """
    with write_transaction():
        model = _locked(model)
        gone, _ = LoggedModelTag.objects.filter(model=model, key=key).delete()
        if not gone:
            raise NotFound(f"No tag with key {key!r} for model with ID {model.model_id!r}.")
        _tell(model)


def log_model_params(*, model: LoggedModel, params: Pairs) -> LoggedModel:
    """Add params to the model; the same value again changes nothing.

    Raises:
        Invalid: for a key that cannot be kept, and for another value of a known param.
        NotFound: when the model was deleted meanwhile.
    """
    checked = _checked_params(params)
    with write_transaction():
        model = _locked(model)
        _write_params(model, checked)
        _tell(model)
    return model


def _write_params(model: LoggedModel, params: Mapping[str, str]) -> None:
    known = dict(
        LoggedModelParam.objects.filter(model=model, key__in=params).values_list("key", "value")
    )
    for key, value in known.items():
        if params[key] != value:
            raise Invalid(
                "Changing param values is not allowed. Param with key"
                f" {key!r} was already logged with value {value[:100]!r} for model"
                f" {model.model_id!r}.",
                field="params",
            )
    LoggedModelParam.objects.bulk_create(
        LoggedModelParam(model=model, key=key, value=value)
        for key, value in params.items()
        if key not in known
    )


def _checked_name(name: str | None) -> str:
    if not name:
        return random_name()
    storable(name, field="name", max_chars=MAX_NAME_CHARS)
    if name.isspace() or any(char in name for char in FORBIDDEN_IN_NAMES):
        raise Invalid(
            f"Invalid model name {name[:100]!r}: it must not be empty nor contain any of"
            f" {' '.join(FORBIDDEN_IN_NAMES)}",
            field="name",
        )
    return name


def _checked_params(params: Pairs) -> dict[str, str]:
    """Return the params; values are cut like those of runs.

    Raises:
        Invalid: for a key that cannot be kept, or one with two values.
    """
    found: dict[str, str] = {}
    for key, value in params:
        cut = value[:MAX_PARAM_CHARS]
        found |= checked_labels([(key, found.setdefault(key, cut))])
        if found[key] != cut:
            raise Invalid(f"Duplicate param key {key!r} with two values.", field="params")
    return found


def _active(experiment: Experiment) -> Experiment:
    fresh = Experiment.objects.select_for_update().filter(pk=experiment.pk).first()
    if fresh is None:
        raise NotFound(f"No Experiment with id={experiment.pk} exists")
    if fresh.lifecycle != Lifecycle.ACTIVE:
        raise Invalid(
            f"The experiment {fresh.pk} must be in the 'active' state. Current state is deleted.",
            field="experiment_id",
        )
    return fresh


def _run(experiment: Experiment, run_id: str) -> Run | None:
    if not run_id:
        return None
    return Run.objects.filter(uuid=run_id, project_id=experiment.project_id).first()


def _locked(model: LoggedModel) -> LoggedModel:
    fresh = (
        LoggedModel.objects.select_for_update(of=("self",))
        .select_related("experiment", "source_run")
        .filter(pk=model.pk, lifecycle=Lifecycle.ACTIVE)
        .first()
    )
    if fresh is None:
        raise NotFound(f"Logged model with ID '{model.model_id}' not found.")
    return fresh


def _tell(model: LoggedModel) -> None:
    event = LoggedModelChanged(
        model_id=model.model_id,
        name=model.name,
        status=model.status,
        lifecycle=model.lifecycle,
    )
    publish(f"project:{model.experiment.project_id}", event)
    if model.source_run is not None:
        publish(run_topic(model.source_run.uuid), event)
