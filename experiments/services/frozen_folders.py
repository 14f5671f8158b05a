"""Folders that a model version holds: nobody may change a file in them."""

import zlib
from typing import Final

from django.conf import settings
from django.db import connection

from experiments.artifact_paths import folders_of
from experiments.models import FrozenFolder
from experiments.selectors.artifacts import below
from platform_site.core.errors import Conflict

MAX_REASON_CHARS: Final = 300
LOCKED_DEPTH: Final = 2
INT4_SIGN: Final = 2**31


def freeze_folder(project_id: int, prefix: str, *, reason: str, held_by: str) -> None:
    """Keep the files of a folder as they are, inside the caller's transaction; repeating is fine.

    Args:
        project_id: whose tree it is.
        prefix: the clean path of the folder, or of a single file.
        reason: what people are told who want to change a file, for example "stars, version 3".
        held_by: who lets go of it again by `unfreeze`; at most 100 characters.
    """
    lock_tree(project_id, prefix)
    FrozenFolder.objects.update_or_create(
        project_id=project_id,
        prefix=prefix,
        held_by=held_by,
        defaults={"reason": reason[:MAX_REASON_CHARS]},
    )


def unfreeze(held_by: str) -> int:
    """Let go of all that this holder froze, inside the caller's transaction; return how many."""
    removed, _ = FrozenFolder.objects.filter(held_by=held_by).delete()
    return removed


def refuse_frozen(project_id: int, path: str, *, whole: bool = False) -> None:
    """Refuse to change the path, inside the transaction that holds `lock_tree`.

    Args:
        project_id: whose tree it is.
        path: clean path of a file, or with `whole` of a folder with all that is in it.
        whole: whether folders below count, too.

    Raises:
        Conflict: when a model version needs the files as they are.
    """
    found = FrozenFolder.objects.filter(
        project_id=project_id, prefix__in=[*folders_of(path), path]
    ).first()
    if found is None and whole:
        found = FrozenFolder.objects.filter(below(path, "prefix"), project_id=project_id).first()
    if found is not None:
        raise Conflict(
            f"The files in “{found.prefix}” belong to {found.reason} and cannot be changed.",
            code="frozen",
            held_by=found.held_by,
        )


def lock_tree(project_id: int, path: str) -> None:
    """Wait for others who change this part of the tree, until the caller's transaction ends.

    What one looks at before a change (is a file where a folder should be? is it frozen?) must not
    change until the commit. SQLite has one writer anyway. On PostgreSQL the files of one run or
    model wait for one another, and shallow paths for the whole project.
    """
    if connection.vendor != "postgresql":
        return
    names = path.split("/")
    with connection.cursor() as cursor:
        # A quota is of the whole project: who adds must see what all others added.
        if len(names) <= LOCKED_DEPTH or settings.PROJECT_QUOTA_BYTES:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_project_key(project_id)])
            return
        folder = "/".join(names[:LOCKED_DEPTH])
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_project_key(project_id)])
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)",
            [project_id % INT4_SIGN, zlib.crc32(folder.encode()) - INT4_SIGN],
        )


def _project_key(project_id: int) -> int:
    return zlib.crc32(b"artifact tree") << 24 | project_id
