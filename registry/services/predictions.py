"""Predictions: at once for a few typed rows, as a job for a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from assets.models import Blob
from assets.services import blobs
from assets.storage import StoredBytes, blob_path, write_blob
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import engine_host
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue
from registry.events import PredictionProgressed, batch_topic
from registry.models import ModelVersion, PredictionBatch

MAX_INSTANT_ROWS: Final = 1000
MAX_EXPLAINED_ROWS: Final = 20
INSTANT_TIMEOUT_S: Final = 45.0


def own_model(version: ModelVersion) -> tuple[Blob, Mapping[str, Any]]:
    """Return file and manifest of a version that a training of ours made.

    Raises:
        Conflict: for a version that a client registered; its files are opaque to us.
    """
    if version.model_blob is None or version.manifest is None:
        raise Conflict(
            "This version was registered by a client, so it cannot be asked here; load it with"
            " mlflow.",
            code="not_ours",
        )
    return version.model_blob, version.manifest


def predict_rows(
    version: ModelVersion, rows: list[dict[str, Any]], *, explain: bool = False
) -> dict[str, Any]:
    """Return predictions for typed rows: ``{"predictions": […], "warnings": […]}``.

    Raises:
        Invalid: for no rows or more than 1,000 (20 with reasons).
        Conflict: for a version that a client registered.
        Unprocessable: naming columns that are missing, unknown or of the wrong type.
        Unavailable: when the engine does not answer in time.
    """
    blob, manifest = own_model(version)
    most = MAX_EXPLAINED_ROWS if explain else MAX_INSTANT_ROWS
    if not 1 <= len(rows) <= most:
        raise Invalid(f"Send 1 to {most:,} rows, or a file for more.", field="rows")
    return engine_host.call(
        "models.predict",
        {
            "model_path": str(blob_path(blob.sha256)),
            "manifest": manifest,
            "rows": rows,
            "explain": explain,
        },
        timeout_s=INSTANT_TIMEOUT_S,
    )


@dataclass(frozen=True)
class PredictionFile:
    """A file on its way in."""

    chunks: Iterable[bytes]
    file_name: str


def start_batch(*, version: ModelVersion, file: PredictionFile, by: User) -> PredictionBatch:
    """Store the file and put the job that predicts its rows in line.

    Raises:
        Conflict: for a version that a client registered.
        TooLarge: above the installation's limit for uploads.
        Invalid: for an empty file.
    """
    own_model(version)
    stored = write_blob(file.chunks, max_bytes=settings.MAX_UPLOAD_BYTES)
    if stored.size_bytes == 0:
        raise Invalid("The file is empty.", field="file")
    with write_transaction():
        batch = PredictionBatch.objects.create(
            version=version,
            file_name=file.file_name[:255],
            input_blob=blobs.record(stored),
            created_by=by,
            created_at=now(),
        )
        batch.job = enqueue(
            "models.predict",
            payload={"batch": batch.pk},
            topic=batch_topic(batch.pk),
            project_id=version.model.project_id,
            by=by,
        )
        batch.save(update_fields=["job"])
    return batch


def record_output(batch: PredictionBatch, *, stored: StoredBytes, n_rows: int) -> None:
    """Keep the predictions of a file, inside the caller's (fenced) transaction."""
    PredictionBatch.objects.filter(pk=batch.pk).update(
        output_blob=blobs.record(stored), n_rows=n_rows
    )


def prediction_changed(job: Job) -> None:
    """Tell followers of the file; inside the transaction that moved the job."""
    publish(job.topic, progress_event(job))


def prediction_ended(job: Job, *, status: str) -> None:
    """Tell followers of the file that its job is over."""
    prediction_changed(job)


def progress_event(job: Job) -> PredictionProgressed:
    """Return what followers of a file of predictions hear about its job."""
    return PredictionProgressed(
        status=job.status,
        stage=job.stage,
        progress=round(job.progress_percent, 2),
        error_code=job.error_code,
        error_message=job.error_message,
    )


def require_output(batch: PredictionBatch) -> str:
    """Return the digest of the finished predictions.

    Raises:
        Conflict: when they are not there (yet).
    """
    if batch.output_blob is not None:
        return batch.output_blob.sha256
    status = batch.job.status if batch.job is not None else "unknown"
    raise Conflict(f"The predictions are not there: the job is {status}.", status=status)
