"""Shapes of registered models on the API."""

from typing import Any

from rest_framework import serializers

from platform_site.core.serializers import StrictSerializer
from registry.models import ModelVersion, PredictionBatch, RegisteredModel

MAX_ROWS = 1000


class RegisterIn(StrictSerializer):
    """Which run becomes the next version of which model."""

    run = serializers.CharField(max_length=32)
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(
        max_length=10_000, required=False, allow_blank=True, default=""
    )


class ModelPatchIn(StrictSerializer):
    """What may be changed about a model."""

    description = serializers.CharField(max_length=10_000, allow_blank=True)


class VersionPatchIn(StrictSerializer):
    """What may be changed about a version: its card; bytes and lineage never."""

    card = serializers.CharField(max_length=100_000, allow_blank=True, trim_whitespace=False)


class PredictIn(StrictSerializer):
    """Rows to predict: columns by name, null where a value is unknown."""

    rows = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=MAX_ROWS)
    explain = serializers.BooleanField(
        required=False, default=False, help_text="With reasons; at most 20 rows."
    )


def version_row(version: ModelVersion) -> dict[str, Any]:
    """Return a version as lists show it, with its whole lineage; null is what it does not have."""
    run = version.run
    dataset_version = run.dataset_version if run else None
    blob = version.model_blob
    logged = version.logged_model
    return {
        "version": version.number,
        "stage": version.stage,
        "aliases": sorted(alias.name for alias in version.aliases.all()),
        "tags": {tag.key: tag.value for tag in version.tags.all()},
        "description": version.description,
        "source": version.source,
        "logged_model": logged.model_id if logged else None,
        "run": run.uuid if run else version.run_text or None,
        "run_name": run.name if run else None,
        "training_job": run.job_id if run else None,
        "dataset": dataset_version.dataset_id if dataset_version else None,
        "dataset_name": dataset_version.dataset.name if dataset_version else None,
        "dataset_version": dataset_version.number if dataset_version else None,
        "model_type": (run.model_type if run else "") or (logged.model_type if logged else ""),
        "task": run.task if run else "",
        "target": run.target if run else "",
        "metrics": version.metrics,
        "sha256": blob.sha256 if blob else None,
        "size_bytes": blob.size_bytes if blob else None,
        "created_by": version.created_by.username,
        "created_at": version.created_at,
    }


def version_detail(version: ModelVersion) -> dict[str, Any]:
    """Return a version with input schema, card and manifest."""
    manifest = version.manifest or {}
    return {
        "name": version.model.name,
        **version_row(version),
        "input_schema": manifest.get("features", []),
        "classes": manifest.get("classes"),
        "versions": manifest.get("versions", {}),
        "format": manifest.get("format"),
        "card": version.card,
    }


def model_row(model: RegisteredModel) -> dict[str, Any]:
    """Return a model with its versions (prefetched)."""
    return {
        "name": model.name,
        "project": model.project_id,
        "description": model.description,
        "created_by": model.created_by.username,
        "created_at": model.created_at,
        "versions": [version_row(version) for version in model.versions.all()],
    }


def batch_row(batch: PredictionBatch) -> dict[str, Any]:
    """Return a file of predictions with the state of its job."""
    job = batch.job
    failed = job is not None and bool(job.error_code)
    return {
        "id": batch.pk,
        "job": batch.job_id,
        "file_name": batch.file_name,
        "status": job.status if job else "unknown",
        "progress": round(job.progress_percent, 2) if job else 0.0,
        "n_rows": batch.n_rows,
        "error": {"code": job.error_code, "message": job.error_message} if job and failed else None,
        "created_at": batch.created_at,
    }
