"""Inner steps that make rows of versions; all work inside the caller's transaction."""

from typing import Any

from django.conf import settings
from django.db.models import Max

from assets.models import Blob
from experiments.events.datasets import dataset_topic
from experiments.models import Dataset, DatasetVersion
from platform_site.core.clock import now
from platform_site.core.errors import Conflict
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue

INGEST = "datasets.ingest"
FETCH = "datasets.fetch"
ANALYSE = "datasets.analyse_target"
INGEST_TIME_LIMIT_S = 1800


def job_limits() -> dict[str, Any]:
    """Return the limits of a child process that reads strangers' bytes."""
    limits: dict[str, Any] = {"time_limit_s": INGEST_TIME_LIMIT_S}
    if settings.JOB_MEMORY_LIMIT_BYTES:
        limits["memory_limit_bytes"] = settings.JOB_MEMORY_LIMIT_BYTES
    return limits


def lock_or_create_dataset(*, project_id: int, name: str, by: Any, **fields: Any) -> Dataset:
    """Return the project's dataset of this name (whatever its case), made if new, row locked.

    Raises:
        Conflict: when it is archived.
    """
    locked = Dataset.objects.select_for_update()
    dataset = locked.filter(project_id=project_id, name__iexact=name).order_by("pk").first()
    if dataset is None:
        made, _ = Dataset.objects.get_or_create(
            project_id=project_id,
            name=name,
            defaults={"created_by": by, "created_at": now(), **fields},
        )
        dataset = locked.get(pk=made.pk)
    refuse_archived(dataset)
    return dataset


def refuse_archived(dataset: Dataset) -> None:
    """Refuse when the dataset is archived.

    Raises:
        Conflict: then.
    """
    if dataset.archived_at is not None:
        raise Conflict(
            f"The dataset “{dataset.name}” is archived. Restore it first, or choose another name.",
            code="archived",
            dataset=dataset.pk,
        )


def add_version(
    dataset: Dataset, blob: Blob, *, file_name: str, options: dict[str, Any], by: Any
) -> DatasetVersion:
    """Add the next version of a locked dataset, still without a job."""
    newest = dataset.versions.aggregate(newest=Max("number"))["newest"] or 0
    return DatasetVersion.objects.create(
        dataset=dataset,
        number=newest + 1,
        blob=blob,
        file_name=file_name,
        read_options=options,
        created_by=by,
        created_at=now(),
    )


def start_reading(version: DatasetVersion, *, project_id: int, by: Any) -> Job:
    """Put the reading of a version in line and tie the two together."""
    job = enqueue(
        INGEST,
        payload={
            "version": version.pk,
            "dataset": version.dataset_id,
            "number": version.number,
        },
        topic=dataset_topic(version.dataset_id),
        project_id=project_id,
        by=by,
        **job_limits(),
    )
    version.job = job
    version.save(update_fields=["job"])
    return job


def restart_reading(
    version: DatasetVersion, *, options: dict[str, Any], project_id: int, by: Any
) -> Job:
    """Read a failed version again, with other options."""
    version.status = DatasetVersion.Status.VALIDATING
    version.error_code = version.error_message = ""
    version.read_options = options
    version.save(update_fields=["status", "error_code", "error_message", "read_options"])
    return start_reading(version, project_id=project_id, by=by)
