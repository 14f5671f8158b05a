"""Clearing what nothing refers to: unfinished drafts, bytes without a row, rows without a use."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Exists, ForeignObjectRel, OuterRef, QuerySet

from assets.models import Blob
from assets.services.blobs import discard_unused
from assets.storage import DIGEST, StoredBytes, temp_dir

logger = logging.getLogger("assay.assets")

YOUNG_S: Final = 3600.0  # a file is stored some moments before its row is written
DRAFT_YOUNG_S: Final = 24 * 3600.0
DIGESTS_PER_QUERY: Final = 500


def sweep_orphans() -> int:
    """Delete old drafts and stored bytes without a row; return how many files went."""
    moment = time.time()
    removed = sum(
        _remove(path) for path in _older_than(temp_dir().glob("*"), moment - DRAFT_YOUNG_S)
    )
    stored = (path for path in _blob_files() if DIGEST.fullmatch(path.name))
    portion: list[Path] = []
    limit = moment - YOUNG_S
    for path in _older_than(stored, limit):
        portion.append(path)
        if len(portion) == DIGESTS_PER_QUERY:
            removed += _remove_unknown(portion, limit)
            portion = []
    removed += _remove_unknown(portion, limit)
    if removed:
        logger.info("removed %d files that nothing referred to", removed)
    return removed


def sweep_unused() -> int:
    """Delete stored bytes whose row no other row refers to any more; return how many went.

    Artifacts are replaced and deleted all the time; their bytes may still be somebody else's, so
    only this clears them, and not before they are an hour old.
    """
    limit_s = time.time() - YOUNG_S
    removed, last_id = 0, 0
    while portion := list(_unused(last_id)):
        last_id = portion[-1].pk
        removed += sum(
            discard_unused(StoredBytes(blob.sha256, blob.size_bytes), stored_before_s=limit_s)
            for blob in portion
        )
    if removed:
        logger.info("removed the bytes of %d files that were replaced or deleted", removed)
    return removed


def _unused(after_id: int) -> QuerySet[Blob]:
    """Return the next blobs, by number, that nothing refers to; new kinds of use count by themselves."""
    unused = Blob.objects.filter(pk__gt=after_id)
    for field in Blob._meta.get_fields(include_hidden=True):
        if isinstance(field, ForeignObjectRel):
            users = field.related_model._base_manager.filter(**{field.field.name: OuterRef("pk")})
            unused = unused.filter(~Exists(users))
    return unused.order_by("pk")[:DIGESTS_PER_QUERY]


def _blob_files() -> Iterator[Path]:
    root: Path = settings.DATA_DIR / "blobs"
    return root.glob("??/??/*")


def _older_than(paths: Iterator[Path], limit: float) -> Iterator[Path]:
    for path in paths:
        try:
            if path.is_file() and path.stat().st_mtime < limit:
                yield path
        except FileNotFoundError:
            continue


def _remove_unknown(paths: list[Path], limit: float) -> int:
    known = set(
        Blob.objects.filter(sha256__in=[path.name for path in paths]).values_list(
            "sha256", flat=True
        )
    )
    unknown = (path for path in paths if path.name not in known)
    return sum(_remove(path) for path in _older_than(unknown, limit))


def _remove(path: Path) -> int:
    path.unlink(missing_ok=True)
    return 1
