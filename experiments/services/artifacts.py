"""Changing the artifact tree: a file comes, is replaced or deleted."""

import threading
from contextlib import AbstractContextManager, nullcontext

from django.conf import settings
from django.db import connection
from django.db.models import Q

from assets.services.blobs import discard_unused, record_present
from assets.storage import StoredBytes
from experiments.artifact_paths import folders_of, name_of
from experiments.models import ArtifactFile
from experiments.selectors.artifact_places import Place
from experiments.selectors.artifacts import below, files_below, room_bytes
from experiments.services.frozen_folders import lock_tree, refuse_frozen
from platform_site.core.clock import now
from platform_site.core.errors import Invalid, StorageFull
from platform_site.core.transactions import write_transaction

_turn = threading.Lock()
UNIQUE_FIELDS = ["project", "path"]
REPLACED_FIELDS = [
    "experiment", "run", "logged_model", "blob", "size_bytes", "created_by", "updated_at",
]  # fmt: skip


def put_file(*, place: Place, stored: StoredBytes, by_id: int) -> ArtifactFile:
    """Give stored bytes a name, or other bytes to a name that exists; return the file.

    A refusal throws the bytes away unless somebody else uses them.

    Raises:
        Invalid: where a folder has this name, or a file has the name of one of its folders.
        Conflict: when a model version needs the folder as it is.
        StorageFull: above the project's quota.
        Unavailable: when a clean-up of the same bytes came in between.
    """
    finished = False
    try:
        with _in_turn(), write_transaction():
            file = put_in_transaction(place=place, stored=stored, by_id=by_id)
        finished = True
    finally:
        if not finished:
            discard_unused(stored)
    return file


def _in_turn() -> AbstractContextManager[object]:
    """Let this process's uploads wait for one another before they wait for SQLite's one writer.

    SQLite looks for the lock again after ever longer pauses: of eight uploads at once the unlucky
    waited 1.8 s for transactions of 5 ms (2026-11).
    """
    return nullcontext() if connection.vendor == "postgresql" else _turn


def put_in_transaction(
    *, place: Place, stored: StoredBytes, by_id: int, whatever_quota: bool = False
) -> ArtifactFile:
    """Give stored bytes a name inside the caller's transaction; as `put_file` otherwise.

    Raises:
        Invalid: where a folder has this name, or a file has the name of one of its folders.
        Conflict: when a model version needs the folder as it is.
        StorageFull: above the project's quota.
        Unavailable: when a clean-up of the same bytes came in between.
    """
    lock_tree(place.project_id, place.path)
    refuse_place(place)
    if settings.PROJECT_QUOTA_BYTES and not whatever_quota:
        existing = ArtifactFile.objects.filter(project_id=place.project_id, path=place.path)
        replaced = existing.values_list("size_bytes", flat=True).first()
        _refuse_above_quota(place, stored.size_bytes, replaced or 0)
    file = ArtifactFile(
        project_id=place.project_id,
        path=place.path,
        experiment_id=place.experiment_id,
        run_id=place.run_id,
        logged_model_id=place.logged_model_id,
        blob=record_present(stored),
        size_bytes=stored.size_bytes,
        created_by_id=by_id,
        updated_at=now(),
    )
    # One statement instead of look-up, savepoint and insert.
    [kept] = ArtifactFile.objects.bulk_create(
        [file], update_conflicts=True, unique_fields=UNIQUE_FIELDS, update_fields=REPLACED_FIELDS
    )
    return kept


def refuse_place(place: Place) -> None:
    """Refuse a file at this path; before an upload as a courtesy, inside its transaction for good.

    Raises:
        Invalid: where a folder has this name, or a file has the name of one of its folders.
        Conflict: when a model version needs the folder as it is.
    """
    refuse_frozen(place.project_id, place.path)
    in_the_way = (
        ArtifactFile.objects.filter(
            Q(path__in=folders_of(place.path)) | below(place.path), project_id=place.project_id
        )
        .values_list("path", flat=True)
        .first()
    )
    if in_the_way is None:
        return
    if len(in_the_way) < len(place.path):
        raise Invalid(f"Invalid path: “{name_of(in_the_way)}” is a file, not a folder.")
    raise Invalid(f"Invalid path: “{name_of(place.path)}” is a folder, not a file.")


def delete_path(*, place: Place) -> int:
    """Delete a file, or a folder with all that is in it; return how many files went.

    Raises:
        Conflict: when a model version needs one of the files.
    """
    with write_transaction():
        lock_tree(place.project_id, place.path)
        refuse_frozen(place.project_id, place.path, whole=True)
        deleted, _ = ArtifactFile.objects.filter(
            project_id=place.project_id, path=place.path
        ).delete()
        inside, _ = files_below(place.project_id, place.path).delete()
    return deleted + inside


def _refuse_above_quota(place: Place, added_bytes: int, freed_bytes: int) -> None:
    room = room_bytes(place.project_id)
    if room is not None and added_bytes - freed_bytes > room:
        raise quota_reached()


def quota_reached() -> StorageFull:
    """Return the refusal of bytes above a project's quota."""
    return StorageFull(
        "This project's artifacts have reached their quota; delete some, or ask an administrator"
        " for more. Nothing was stored.",
        code="quota_reached",
    )
