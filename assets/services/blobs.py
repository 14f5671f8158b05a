"""Rows of stored bytes."""

import secrets
from contextlib import suppress
from pathlib import Path

from django.db.models import ProtectedError

from assets.models import Blob
from assets.storage import StoredBytes, blob_path, temp_dir
from platform_site.core.errors import Unavailable
from platform_site.core.transactions import write_transaction


def record(stored: StoredBytes) -> Blob:
    """Return the row of these bytes, made if new, inside the caller's transaction."""
    blob, _ = Blob.objects.get_or_create(
        sha256=stored.sha256, defaults={"size_bytes": stored.size_bytes}
    )
    return blob


def record_present(stored: StoredBytes) -> Blob:
    """Return the locked row of bytes that are certainly in the store, in the caller's transaction.

    The lock keeps everybody who clears bytes away until the caller's reference is written.

    Raises:
        Unavailable: when a clean-up of the same bytes came between storing and recording.
    """
    blob = _locked(stored)
    if blob is None:
        # Without a savepoint; somebody else may have been faster.
        Blob.objects.bulk_create(
            [Blob(sha256=stored.sha256, size_bytes=stored.size_bytes)], ignore_conflicts=True
        )
        blob = _locked(stored)
    if blob is None or not blob_path(stored.sha256).exists():
        raise Unavailable("The stored file was cleaned up at this very moment; upload it again.")
    return blob


def _locked(stored: StoredBytes) -> Blob | None:
    return Blob.objects.select_for_update(no_key=True).filter(sha256=stored.sha256).first()


def discard_unused(stored: StoredBytes, *, stored_before_s: float | None = None) -> bool:
    """Remove bytes that nothing refers to; return whether they went.

    With `stored_before_s` (seconds since 1970) bytes that were stored again later stay: somebody
    is about to refer to them.

    Making the row first waits for anybody who records the same bytes at this moment, and its lock
    keeps new references away until the file is gone.
    """
    try:
        with write_transaction():
            blob = Blob.objects.select_for_update().get(pk=record(stored).pk)
            try:
                blob.delete()
            except ProtectedError:
                return False
            away = _take_away(stored.sha256, stored_before_s)
    except _StoredAgainError:
        return False
    # Freeing gigabytes takes a while: not under the database's lock.
    away.unlink(missing_ok=True)
    return True


class _StoredAgainError(Exception):
    """The bytes came again while they were cleared; their row has to stay, too."""


def _take_away(sha256: str, before_s: float | None) -> Path:
    """Move the file, if there is one, to where nobody finds it, unless it is younger.

    Looked at in its new place, where nobody can replace it any more. What a crash leaves there
    goes with the drafts.
    """
    path = blob_path(sha256)
    away = temp_dir() / f"cleared-{secrets.token_hex(8)}"
    with suppress(FileNotFoundError):
        path.rename(away)
        if before_s is not None and away.stat().st_mtime >= before_s:
            away.rename(path)
            raise _StoredAgainError
    return away
