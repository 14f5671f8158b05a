"""What the reading job writes: progress, the finished version, the failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.services.blobs import record_present
from assets.storage import StoredBytes
from experiments.events.datasets import (
    VersionFailed,
    VersionProgressed,
    VersionReady,
    dataset_topic,
)
from experiments.models import Dataset, DatasetVersion, TargetAnalysis
from experiments.services.versions import FETCH, add_version
from platform_site.core.clock import now
from platform_site.core.errors import NotFound
from platform_site.core.json_parser import finite
from platform_site.events.publish import publish
from platform_site.jobs import states
from platform_site.jobs.models import Job

ENDINGS = {
    states.STOPPED: ("stopped", "Reading was stopped before the end."),
    states.LOST: ("lost", "The work was lost together with its worker. Try again."),
}
UNEXPLAINED = ("failed", "Reading ended without a usable table. Try again.")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the engines found in a file."""

    table: StoredBytes
    table_schema: dict[str, Any]
    n_rows: int
    n_columns: int
    report: dict[str, Any]
    profile: dict[str, Any]
    difference: dict[str, Any] | None
    target_analysis: dict[str, Any] | None


def version_to_read(version_id: int) -> DatasetVersion:
    """Return the version with its stored bytes.

    Raises:
        NotFound: when it was thrown away meanwhile.
    """
    version = (
        DatasetVersion.objects.select_related("blob", "dataset")
        .defer("profile")
        .filter(pk=version_id)
        .first()
    )
    if version is None:
        raise NotFound("This version was thrown away.")
    return version


def previous_ready_version(version: DatasetVersion) -> DatasetVersion | None:
    """Return the newest usable version before this one."""
    return (
        DatasetVersion.objects.select_related("table_blob")
        .defer("profile")
        .filter(
            dataset_id=version.dataset_id,
            number__lt=version.number,
            status=DatasetVersion.Status.READY,
        )
        .order_by("-number")
        .first()
    )


def attach_fetched(
    *, dataset_id: int, stored: StoredBytes, file_name: str, job_id: int, by: Any
) -> DatasetVersion:
    """Return the version that downloaded bytes are, inside the job's transaction."""
    dataset = Dataset.objects.select_for_update().get(pk=dataset_id)
    blob = record_present(stored)
    version = dataset.versions.filter(blob=blob).first()
    if version is None:
        version = add_version(dataset, blob, file_name=file_name, options={}, by=by)
    if version.status != DatasetVersion.Status.READY:
        version.status = DatasetVersion.Status.VALIDATING
        version.error_code = version.error_message = ""
        version.job_id = job_id
        version.save(update_fields=["status", "error_code", "error_message", "job"])
    return version


def complete_version(*, version_id: int, reading: Reading) -> None:
    """Make the version usable and tell its followers, inside the job's transaction."""
    version = version_to_read(version_id)
    warnings = reading.profile.get("warnings") or []
    version.table_blob = record_present(reading.table)
    version.table_schema = finite(reading.table_schema)
    version.report = finite(reading.report)
    version.profile = finite(reading.profile)
    version.difference = finite(reading.difference)
    version.n_rows, version.n_columns = reading.n_rows, reading.n_columns
    version.n_warnings = sum(1 for one in warnings if one.get("severity") != "info")
    version.status = DatasetVersion.Status.READY
    version.error_code = version.error_message = ""
    version.ready_at = now()
    version.save()
    if reading.target_analysis is not None:
        TargetAnalysis.objects.update_or_create(
            version=version,
            target=reading.target_analysis["target"],
            defaults={
                "status": DatasetVersion.Status.READY,
                "result": finite(reading.target_analysis),
                "created_at": now(),
            },
        )
    publish(
        dataset_topic(version.dataset_id),
        VersionReady(
            version=version.number,
            n_rows=reading.n_rows,
            n_columns=reading.n_columns,
            n_warnings=version.n_warnings,
        ),
    )


def tell_progress(payload: Mapping[str, Any], *, stage: str, fraction: float) -> None:
    """Tell followers how far the work is, inside the caller's transaction."""
    publish(
        dataset_topic(payload["dataset"]),
        VersionProgressed(version=payload.get("number"), stage=stage, fraction=round(fraction, 4)),
    )


def job_changed(job: Job) -> None:
    """Tell followers that the job waits, starts or starts again."""
    tell_progress(job.payload, stage=job.stage or job.status, fraction=job.progress_percent / 100.0)


def ingest_ended(job: Job, *, status: str) -> None:
    """Give a version whose job ended without finishing it the reason; in the job's transaction."""
    version = (
        DatasetVersion.objects.filter(job=job, status=DatasetVersion.Status.VALIDATING)
        .defer("profile")
        .first()
    )
    if version is None and status == states.COMPLETED:
        if job.kind == FETCH:  # nothing had changed, so no version became ready
            tell_progress(job.payload, stage="done", fraction=1.0)
        return
    code, message = ending_of(job, status)
    if version is not None:
        version.status = DatasetVersion.Status.FAILED
        version.error_code, version.error_message = code[:60], message
        version.save(update_fields=["status", "error_code", "error_message"])
    number = version.number if version is not None else job.payload.get("number")
    publish(
        dataset_topic(job.payload["dataset"]),
        VersionFailed(version=number, code=code, message=message),
    )


def ending_of(job: Job, status: str) -> tuple[str, str]:
    """Return code and sentence of how a job ended short of its aim."""
    if job.error_message and status == states.FAILED:
        return job.error_code or "failed", job.error_message
    return ENDINGS.get(status, UNEXPLAINED)
