"""What people do with datasets: upload, rename, describe, archive, read again, throw away."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from assets.services.blobs import discard_unused, record_present
from assets.storage import StoredBytes, write_blob
from experiments.data.sniffing import refuse_binary
from experiments.data.sources import detect_encoding
from experiments.data.specs import EngineError
from experiments.events.datasets import DatasetChanged, dataset_topic
from experiments.models import Dataset, DatasetVersion
from experiments.services.dataset_names import (
    clean_description,
    clean_file_name,
    clean_name,
    name_from_file,
)
from experiments.services.read_options import clean_options
from experiments.services.versions import (
    add_version,
    lock_or_create_dataset,
    refuse_archived,
    restart_reading,
    start_reading,
)
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Unprocessable
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states

HEAD_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Upload:
    """Bytes on their way in, with what their sender says about them."""

    chunks: Iterable[bytes]
    file_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    expected_sha256: str = ""


@dataclass(frozen=True)
class UploadOutcome:
    """The version that the bytes are, and whether it is new."""

    version: DatasetVersion
    is_new: bool


def upload_version(
    *, project_id: int, by: Any, upload: Upload, name: str = "", dataset: Dataset | None = None
) -> UploadOutcome:
    """Store the bytes and return the version they are; reading them is queued.

    Without `dataset` the project's dataset called `name` (default: the file's name) gets the next
    version, or is made. Bytes that the dataset already has are the version they were; if reading
    them failed before, they are read again with the options given now. A refusal leaves neither
    row nor file.

    Raises:
        Invalid: for a bad name or read option.
        TooLarge: above the installation's limit.
        Unprocessable: for an empty file, content that is no table, or a wrong `expected_sha256`.
        Conflict: when the dataset is archived.
        StorageFull: when the disk is full.
    """
    file_name = clean_file_name(upload.file_name)
    wanted_name = clean_name(name or name_from_file(upload.file_name)) if dataset is None else ""
    options = clean_options(upload.options)
    chunks = _refusing(upload.chunks, options.get("encoding"))
    stored = write_blob(chunks, max_bytes=settings.MAX_UPLOAD_BYTES)
    finished = False
    try:
        _check_digest(stored, upload.expected_sha256)
        with write_transaction():
            target = _target_of(dataset, project_id=project_id, name=wanted_name, by=by)
            outcome = _version_of(target, stored, file_name=file_name, options=options, by=by)
        finished = True
    finally:
        if not finished:
            discard_unused(stored)
    return outcome


def read_again(*, version: DatasetVersion, options: Mapping[str, Any], by: Any) -> DatasetVersion:
    """Read the bytes of a failed version again with other options.

    Raises:
        Invalid: for a bad read option.
        Conflict: when the version did not fail.
    """
    cleaned = clean_options(options)
    with write_transaction():
        fresh = _locked_version(version)
        if fresh.status != DatasetVersion.Status.FAILED:
            raise Conflict(
                f"Version {fresh.number} is {fresh.status}: only a version that could not be read"
                " can be read again. Versions never change; read the file as a new dataset.",
                status=fresh.status,
            )
        restart_reading(fresh, options=cleaned, project_id=fresh.dataset.project_id, by=by)
    return fresh


def read_as_new_dataset(
    *, version: DatasetVersion, name: str, options: Mapping[str, Any], by: Any
) -> UploadOutcome:
    """Read the stored bytes of a version with other options into another dataset.

    Raises:
        Invalid: for a bad name or read option.
        Conflict: when the name is the version's own dataset's, or belongs to an archived one.
    """
    cleaned_name, cleaned = clean_name(name), clean_options(options)
    stored = StoredBytes(version.blob.sha256, version.blob.size_bytes)
    project_id = version.dataset.project_id
    with write_transaction():
        target = lock_or_create_dataset(project_id=project_id, name=cleaned_name, by=by)
        if target.pk == version.dataset_id:
            raise Conflict(
                "Versions never change: choose a name that this project does not use yet.",
                field="name",
            )
        return _version_of(target, stored, file_name=version.file_name, options=cleaned, by=by)


def update_dataset(
    *, dataset: Dataset, name: str | None = None, description: str | None = None
) -> Dataset:
    """Rename or describe a dataset and return it.

    Raises:
        Invalid: for a bad name or description.
        Conflict: when another dataset of the project has the name.
    """
    with write_transaction():
        fresh = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if name is not None:
            fresh.name = _free_name(fresh, clean_name(name))
        if description is not None:
            fresh.description = clean_description(description)
        fresh.save(update_fields=["name", "description"])
        _tell_changed(fresh)
    return fresh


def archive_dataset(*, dataset: Dataset) -> Dataset:
    """Hide the dataset from lists; its versions, and all that was made from them, stay."""
    return _shelve(dataset, archived=True)


def restore_dataset(*, dataset: Dataset) -> Dataset:
    """Show an archived dataset again."""
    return _shelve(dataset, archived=False)


def discard_failed_version(*, version: DatasetVersion) -> bool:
    """Delete a version that could not be read, and its bytes; return whether the dataset went too.

    Raises:
        Conflict: when the version is usable or its job still runs.
    """
    with write_transaction():
        fresh = _locked_version(version)
        if fresh.status != DatasetVersion.Status.FAILED:
            raise Conflict("Only a version that could not be read can be thrown away.")
        if fresh.job is not None and fresh.job.status in states.ACTIVE:
            raise Conflict("The version is being read at this moment.")
        dataset, blob = fresh.dataset, fresh.blob
        fresh.delete()
        dataset_goes = not dataset.versions.exists()
        if dataset_goes:
            dataset.delete()
    discard_unused(StoredBytes(blob.sha256, blob.size_bytes))
    return dataset_goes


def _refusing(chunks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """Pass the chunks on after a look at the first bytes."""
    head, looked = b"", False
    for chunk in chunks:
        if not looked:
            head += chunk
            if len(head) < HEAD_BYTES:
                continue
            _look_at(head, encoding)
            looked = True
            yield head
        else:
            yield chunk
    if not looked:
        _look_at(head, encoding)
        yield head


def _look_at(head: bytes, encoding: str | None) -> None:
    if not head.strip():
        raise Unprocessable("The file is empty.", code="empty_file", field="file")
    if head.startswith((GZIP_MAGIC, PARQUET_MAGIC)):
        return
    try:
        refuse_binary(head, detect_encoding(head[:8192], encoding))
    except EngineError as error:
        raise Unprocessable(error.message, code=error.code, **error.details) from error


def _check_digest(stored: StoredBytes, expected_sha256: str) -> None:
    if expected_sha256 and expected_sha256.strip().lower() != stored.sha256:
        raise Unprocessable(
            "The bytes that arrived are not the bytes that were sent: their SHA-256 differs.",
            code="hash_mismatch",
            field="sha256",
            received=stored.sha256,
        )


def _target_of(dataset: Dataset | None, *, project_id: int, name: str, by: Any) -> Dataset:
    if dataset is None:
        return lock_or_create_dataset(project_id=project_id, name=name, by=by)
    locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
    refuse_archived(locked)
    return locked


def _version_of(
    dataset: Dataset, stored: StoredBytes, *, file_name: str, options: dict[str, Any], by: Any
) -> UploadOutcome:
    blob = record_present(stored)
    existing = dataset.versions.select_related("job").filter(blob=blob).first()
    if existing is None:
        version = add_version(dataset, blob, file_name=file_name, options=options, by=by)
        start_reading(version, project_id=dataset.project_id, by=by)
        return UploadOutcome(version, is_new=True)
    existing.dataset = dataset
    if existing.status == DatasetVersion.Status.FAILED:
        restart_reading(existing, options=options, project_id=dataset.project_id, by=by)
    return UploadOutcome(existing, is_new=False)


def _locked_version(version: DatasetVersion) -> DatasetVersion:
    Dataset.objects.select_for_update().get(pk=version.dataset_id)
    return (
        DatasetVersion.objects.select_related("dataset", "blob", "job")
        .defer("profile")
        .get(pk=version.pk)
    )


def _free_name(dataset: Dataset, name: str) -> str:
    taken = (
        Dataset.objects.filter(project_id=dataset.project_id, name__iexact=name)
        .exclude(pk=dataset.pk)
        .exists()
    )
    if taken:
        raise Conflict(f"Another dataset of this project is called “{name}” already.", field="name")
    return name


def _shelve(dataset: Dataset, *, archived: bool) -> Dataset:
    with write_transaction():
        fresh = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if archived != (fresh.archived_at is not None):
            fresh.archived_at = now() if archived else None
            fresh.save(update_fields=["archived_at"])
            _tell_changed(fresh)
    return fresh


def _tell_changed(dataset: Dataset) -> None:
    publish(
        dataset_topic(dataset.pk),
        DatasetChanged(name=dataset.name, archived=dataset.archived_at is not None),
    )
