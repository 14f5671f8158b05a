"""Shapes of training jobs on the API."""

from typing import Any

from rest_framework import serializers

from experiments.models import Run
from experiments.selectors.runs import final_values, latest_values
from experiments.training.specs import CATALOGUE, json_schema, templates
from platform_site.core.serializers import StrictSerializer
from platform_site.jobs.control import ACTIONS, MAX_PRIORITY

MAX_ID = 2**63 - 1


class TrainingJobIn(StrictSerializer):
    """What a training needs; everything left out is chosen and recorded."""

    dataset = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    version = serializers.IntegerField(min_value=1, max_value=MAX_ID, required=False)
    target = serializers.CharField(max_length=500)
    model_type = serializers.ChoiceField(choices=sorted(CATALOGUE))
    task = serializers.ChoiceField(choices=["classification", "regression"], required=False)
    hyperparameters = serializers.DictField(required=False, default=dict)
    exclude = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, allow_null=True, default=None,
        max_length=10_000,
        help_text="Columns to leave out; when omitted, identifiers and empty or constant columns are.",
    )  # fmt: skip
    validation = serializers.JSONField(
        required=False, allow_null=True, default=None,
        help_text="A kind (split, stratified, group, time, kfold) or an object with 'kind', "
        "'test_fraction', 'n_folds', 'group_column', 'time_column'.",
    )  # fmt: skip
    test_dataset = serializers.IntegerField(
        min_value=1, max_value=MAX_ID, required=False, allow_null=True, default=None
    )
    test_version = serializers.IntegerField(min_value=1, max_value=MAX_ID, required=False)
    seed = serializers.IntegerField(
        min_value=0, max_value=2**32 - 1, required=False, allow_null=True, default=None
    )
    time_limit_s = serializers.FloatField(
        min_value=1, max_value=604_800, required=False, allow_null=True, default=None
    )
    memory_limit_bytes = serializers.IntegerField(
        min_value=64 * 2**20, max_value=2**50, required=False, allow_null=True, default=None
    )
    positive_class = serializers.CharField(
        max_length=500, required=False, allow_null=True, default=None
    )
    register_as = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default=""
    )
    name = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")
    experiment = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class ControlIn(StrictSerializer):
    """What to do with a job."""

    action = serializers.ChoiceField(choices=sorted(ACTIONS))


class JobPatchIn(StrictSerializer):
    """What may be changed about a job."""

    name = serializers.CharField(max_length=250, required=False)
    priority = serializers.IntegerField(
        min_value=-MAX_PRIORITY, max_value=MAX_PRIORITY, required=False
    )


class TrainingJobOut(serializers.Serializer[Any]):
    """A training job, for the API's description."""

    id = serializers.IntegerField()
    run = serializers.CharField()
    status = serializers.CharField()
    progress = serializers.FloatField(help_text="0 to 100")
    stage = serializers.CharField()
    eta_s = serializers.FloatField(allow_null=True)
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    name = serializers.CharField()
    model_type = serializers.CharField()
    task = serializers.CharField()
    target = serializers.CharField()
    dataset = serializers.IntegerField()
    dataset_version = serializers.IntegerField()
    error = serializers.DictField(allow_null=True)


def job_row(run: Run) -> dict[str, Any]:
    """Return a training job as lists show it; no query when the run came from `run_page`."""
    job, version = run.job, run.dataset_version
    return {
        "id": run.job_id,
        "run": run.uuid,
        "name": run.name,
        "status": run.status,
        "progress": round(job.progress_percent, 2) if job else 100.0,
        "stage": job.stage if job else "",
        "eta_s": job.eta_s if job else None,
        "priority": job.priority if job else 0,
        "model_type": run.model_type,
        "task": run.task,
        "target": run.target,
        "dataset": version.dataset_id if version else None,
        "dataset_version": version.number if version else None,
        "headline": {"metric": run.headline_metric, "value": run.headline_value},
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "created_by": run.created_by.username,
    }


def job_detail(run: Run, *, for_administrator: bool) -> dict[str, Any]:
    """Return one training job with metrics, specification and, if it failed, why and where."""
    job = run.job
    error = None
    if job is not None and job.error_code:
        error = {"code": job.error_code, "message": job.error_message, "stage": job.stage}
        if for_administrator and job.traceback:
            error["traceback"] = job.traceback
    return {
        **job_row(run),
        "metrics": final_values(run) or latest_values(run),
        "error": error,
        "spec": run.spec,
        "seed": run.seed,
        "register_as": run.register_as,
        "notes": run.notes,
        "environment": run.environment,
        "code_version": run.code_version,
        "host": run.host,
        "evaluation_job": run.evaluation_job_id,
    }


def model_type_row(name: str) -> dict[str, Any]:
    """Return a catalogue entry with the JSON schema of its hyperparameters."""
    entry = CATALOGUE[name]
    return {
        "name": entry.name,
        "title": entry.title,
        "description": entry.description,
        "tasks": list(entry.tasks),
        "trained_in_steps": entry.strategy != "oneshot",
        "step": entry.unit_name,
        "keeps_partial_model_on_stop": entry.supports_partial_stop,
        "deterministic": entry.deterministic,
        "notes": list(entry.notes),
        "hyperparameters": json_schema(name),
        "templates": templates(name),
    }
