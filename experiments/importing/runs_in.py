"""Runs of a source brought here under their own ids: the row, params, tags, datasets."""

from __future__ import annotations

import re
from typing import Any, Final

from experiments.importing.records import DatasetRecord, RunRecord, Unreadable
from experiments.importing.tallies import Tallies, Tally
from experiments.importing.targets import Target, moment
from experiments.models import (
    DatasetInput,
    Experiment,
    Lifecycle,
    LoggedDataset,
    Run,
    RunParam,
    RunTag,
)
from experiments.tracking.keys import key_ids
from platform_site.core.clock import now_ms
from platform_site.core.transactions import write_transaction
from platform_site.jobs.models import Job

RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
STATUS: Final = {
    "RUNNING": Job.Status.RUNNING,
    "SCHEDULED": Job.Status.QUEUED,
    "FINISHED": Job.Status.COMPLETED,
    "FAILED": Job.Status.FAILED,
    "KILLED": Job.Status.STOPPED,
}
CONTEXT: Final = "mlflow.data.context"


def find_run(target: Target, experiment: Experiment, record: RunRecord) -> Run | None:
    """Return the run of this id, if it is here.

    Raises:
        Unreadable: when no run here can have this id, or another project has it.
    """
    if not RUN_ID.fullmatch(record.uuid):
        raise Unreadable("its id is not 32 hexadecimal digits")
    if record.status not in STATUS:
        raise Unreadable(f"its status is unknown: {record.status}")
    run = Run.objects.filter(uuid=record.uuid).first()
    if run is not None and run.project_id != target.project.pk:
        raise Unreadable("another project has a run of this id")
    if run is not None and run.experiment_id != experiment.pk:
        raise Unreadable(f"it is in experiment {run.experiment_id} here")
    return run


def bring_run(target: Target, experiment: Experiment, record: RunRecord) -> Run:
    """Return the run with all of the record, made if new; what is here already stays."""
    with write_transaction():
        run = Run.objects.select_for_update().filter(uuid=record.uuid).first()
        if run is None:
            run = _create(target, experiment, record)
        ids = key_ids([*record.params, *record.tags])
        _bring_pairs(RunParam, run, record.params, ids)
        _bring_pairs(RunTag, run, record.tags, ids)
        for dataset in record.datasets:
            _bring_dataset(run, dataset)
        Run.objects.filter(pk=run.pk).update(version=run.version + 1)
    return run


def _create(target: Target, experiment: Experiment, record: RunRecord) -> Run:
    deleted = record.lifecycle == "deleted"
    return Run.objects.create(
        uuid=record.uuid,
        project=target.project,
        experiment=experiment,
        name=_name(record),
        kind=Run.Kind.TRACKED,
        status=STATUS[record.status],
        user_name=record.user_name,
        lifecycle=Lifecycle.DELETED if deleted else Lifecycle.ACTIVE,
        deleted_ms=(record.deleted_ms or now_ms()) if deleted else None,
        start_ms=record.start_ms,
        end_ms=record.end_ms,
        heard_ms=record.start_ms or 0,
        created_by=target.by,
        created_at=moment(record.start_ms),
    )


def _name(record: RunRecord) -> str:
    return record.name or record.uuid


def _bring_pairs(
    table: type[RunParam | RunTag], run: Run, pairs: dict[str, str], ids: dict[str, int]
) -> None:
    manager: Any = table._default_manager
    have = set(manager.filter(run=run).values_list("key_id", flat=True))
    manager.bulk_create(
        table(run=run, key_id=ids[key], value=value)
        for key, value in pairs.items()
        if ids[key] not in have
    )


def _bring_dataset(run: Run, record: DatasetRecord) -> None:
    dataset, _ = LoggedDataset.objects.get_or_create(
        experiment_id=run.experiment_id,
        name=record.name,
        digest=record.digest,
        defaults={
            "source_type": record.source_type,
            "source": record.source,
            "schema": record.schema,
            "profile": record.profile,
        },
    )
    DatasetInput.objects.get_or_create(
        run=run,
        dataset=dataset,
        defaults={
            "context": dict(record.tags).get(CONTEXT, "")[:500],
            "tags": [{"key": key, "value": value} for key, value in record.tags],
        },
    )


def tallies_of_record(record: RunRecord) -> Tallies:
    """Return what the source has, points and files aside."""
    runs, params, tags, datasets = Tally(), Tally(), Tally(), Tally()
    deleted = record.lifecycle == "deleted"
    runs.add_texts(
        record.uuid, _name(record), record.user_name, STATUS[record.status], record.start_ms,
        record.end_ms, deleted,
    )  # fmt: skip
    for key, value in record.params.items():
        params.add_texts(record.uuid, key, value)
    for key, value in record.tags.items():
        tags.add_texts(record.uuid, key, value)
    for dataset in record.datasets:
        datasets.add_texts(
            record.uuid, dataset.name, dataset.digest, dataset.source_type, dataset.source,
            dataset.schema, dataset.profile, dataset.tags,
        )  # fmt: skip
    return {"runs": runs, "params": params, "tags": tags, "datasets": datasets}


def tallies_of_run(run: Run, record: RunRecord) -> Tallies:
    """Return what we have of it, points and files aside; labels added here since do not count."""
    runs, params, tags, datasets = Tally(), Tally(), Tally(), Tally()
    status = run.status
    # Whoever wrote to the source does not write here, so a run that went on there is lost here.
    if status == Job.Status.LOST and record.status == "RUNNING":
        status = Job.Status.RUNNING
    runs.add_texts(
        run.uuid, run.name, run.user_name, status, run.start_ms, run.end_ms,
        run.lifecycle == Lifecycle.DELETED,
    )  # fmt: skip
    for key, value in run.params.values_list("key__name", "value"):
        params.add_texts(run.uuid, key, value)
    for key, value in run.tags.values_list("key__name", "value"):
        if key in record.tags:
            tags.add_texts(run.uuid, key, value)
    for edge in run.dataset_inputs.select_related("dataset"):
        data = edge.dataset
        labels = sorted((pair["key"], pair["value"]) for pair in edge.tags)
        datasets.add_texts(
            run.uuid, data.name, data.digest, data.source_type, data.source, data.schema,
            data.profile, labels,
        )  # fmt: skip
    return {"runs": runs, "params": params, "tags": tags, "datasets": datasets}
