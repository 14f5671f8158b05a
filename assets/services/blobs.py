"""Rows of stored bytes."""

from django.db.models import ProtectedError

from assets.models import Blob
from assets.storage import StoredBytes, blob_path
from platform_site.core.transactions import write_transaction


def record(stored: StoredBytes) -> Blob:
    """Return the row of these bytes, made if new, inside the caller's transaction."""
    blob, _ = Blob.objects.get_or_create(
        sha256=stored.sha256, defaults={"size_bytes": stored.size_bytes}
    )
    return blob


def discard_unused(stored: StoredBytes) -> bool:
    """Remove bytes that nothing refers to; return whether they went.

    Making the row first waits for anybody who records the same bytes at this moment, and its lock
    keeps new references away until the file is gone.
    """
    with write_transaction():
        blob = Blob.objects.select_for_update().get(pk=record(stored).pk)
        try:
            blob.delete()
        except ProtectedError:
            return False
        blob_path(stored.sha256).unlink(missing_ok=True)
    return True
