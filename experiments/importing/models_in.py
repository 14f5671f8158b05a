"""Logged models of a source brought here under their own ids, and what runs had to do with them."""

from __future__ import annotations

import math
import re
from typing import Final

from experiments.importing.records import LoggedModelRecord, Unreadable
from experiments.importing.tallies import Tallies, Tally
from experiments.importing.targets import Target
from experiments.models import (
    Experiment,
    Lifecycle,
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParam,
    LoggedModelTag,
    Run,
    RunModel,
)
from platform_site.core.transactions import write_transaction

MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")
VERSIONS_TAG: Final = "mlflow.modelVersions"


def find_model(
    target: Target, experiment: Experiment, record: LoggedModelRecord
) -> LoggedModel | None:
    """Return the logged model of this id, if it is here.

    Raises:
        Unreadable: when none here can have this id, or it is another experiment's.
    """
    if not MODEL_ID.fullmatch(record.model_id):
        raise Unreadable("its id is not m- and 32 hexadecimal digits")
    if record.status not in LoggedModel.Status.values:
        raise Unreadable(f"its status is unknown: {record.status}")
    model = LoggedModel.objects.filter(model_id=record.model_id).first()
    if model is not None and model.experiment_id != experiment.pk:
        raise Unreadable("another experiment has a logged model of this id")
    return model


def bring_model(target: Target, experiment: Experiment, record: LoggedModelRecord) -> LoggedModel:
    """Return the logged model with all of the record, made if new; what is here already stays."""
    with write_transaction():
        model, _ = LoggedModel.objects.get_or_create(
            model_id=record.model_id,
            defaults={
                "experiment": experiment,
                "name": record.name,
                "model_type": record.model_type,
                "status": record.status,
                "status_message": record.status_message,
                "source_run_text": record.source_run,
                "source_run": _run(target, record.source_run),
                "lifecycle": _lifecycle(record),
                "created_by": target.by,
                "created_ms": record.created_ms,
                "updated_ms": record.updated_ms,
            },
        )
        LoggedModelParam.objects.bulk_create(
            (
                LoggedModelParam(model=model, key=key, value=value)
                for key, value in record.params.items()
            ),
            ignore_conflicts=True,
        )
        LoggedModelTag.objects.bulk_create(
            (
                LoggedModelTag(model=model, key=key, value=value)
                for key, value in record.tags.items()
            ),
            ignore_conflicts=True,
        )
        _bring_metrics(target, model, record)
    return model


def _bring_metrics(target: Target, model: LoggedModel, record: LoggedModelRecord) -> None:
    uuids = {metric.run_uuid for metric in record.metrics}
    runs = dict(
        Run.objects.filter(project=target.project, uuid__in=uuids).values_list("uuid", "pk")
    )
    LoggedModelMetric.objects.bulk_create(
        (
            LoggedModelMetric(
                model=model,
                run_id=runs[metric.run_uuid],
                key=metric.key,
                step=metric.step,
                timestamp_ms=metric.timestamp_ms,
                value=0.0 if math.isnan(metric.value) else metric.value,
                is_nan=math.isnan(metric.value),
                dataset_name=metric.dataset_name,
                dataset_digest=metric.dataset_digest,
            )
            for metric in record.metrics
            if metric.run_uuid in runs
        ),
        ignore_conflicts=True,
    )


def bring_edge(
    target: Target, run_uuid: str, model_id: str, direction: str, step: int, *, may_write: bool
) -> tuple[bool, bool]:
    """Say that a run read or made a logged model; return whether that is known and is new.

    Nothing is known when one of the two is not here.
    """
    run = _run(target, run_uuid)
    model = LoggedModel.objects.filter(
        model_id=model_id, experiment__project=target.project
    ).first()
    if run is None or model is None:
        return False, False
    edge = RunModel.objects.filter(run=run, model=model, direction=direction)
    if edge.exists():
        return edge.filter(step=step).exists(), False
    if not may_write:
        return False, False
    with write_transaction():
        RunModel.objects.create(run=run, model=model, direction=direction, step=step)
    return True, True


def _run(target: Target, uuid: str) -> Run | None:
    return Run.objects.filter(project=target.project, uuid=uuid).first() if uuid else None


def _lifecycle(record: LoggedModelRecord) -> str:
    return Lifecycle.DELETED if record.lifecycle == "deleted" else Lifecycle.ACTIVE


def tallies_of_record(record: LoggedModelRecord) -> Tallies:
    """Return what the source has, files aside."""
    models, metrics = Tally(), Tally()
    models.add_texts(
        record.model_id, record.name, record.model_type, record.status, record.status_message,
        record.source_run, _lifecycle(record), record.created_ms, record.updated_ms,
        sorted(record.params.items()), _tags(record.tags),
    )  # fmt: skip
    for metric in record.metrics:
        metrics.add_texts(
            record.model_id, metric.run_uuid, metric.key, metric.step, metric.timestamp_ms,
            repr(metric.value), metric.dataset_name, metric.dataset_digest,
        )  # fmt: skip
    return {"logged models": models, "model metrics": metrics}


def tallies_of_model(model: LoggedModel, record: LoggedModelRecord) -> Tallies:
    """Return what we have of it, files aside; labels that were added here since do not count."""
    models, metrics = Tally(), Tally()
    params = sorted(model.params.values_list("key", "value"))
    tags = {
        key: value for key, value in model.tags.values_list("key", "value") if key in record.tags
    }
    models.add_texts(
        model.model_id, model.name, model.model_type, model.status, model.status_message,
        model.source_run_text, model.lifecycle, model.created_ms, model.updated_ms, params,
        _tags(tags),
    )  # fmt: skip
    for metric in model.metrics.select_related("run"):
        value = math.nan if metric.is_nan else metric.value
        metrics.add_texts(
            model.model_id, metric.run.uuid, metric.key, metric.step, metric.timestamp_ms,
            repr(value), metric.dataset_name, metric.dataset_digest,
        )  # fmt: skip
    return {"logged models": models, "model metrics": metrics}


def _tags(tags: dict[str, str]) -> list[tuple[str, str]]:
    """Leave out what every server keeps up to date by itself."""
    return sorted((key, value) for key, value in tags.items() if key != VERSIONS_TAG)
