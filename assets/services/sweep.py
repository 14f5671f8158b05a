"""Clearing what nothing refers to: unfinished drafts, bytes without a row, rows without a use."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Exists, ForeignObjectRel, OuterRef

from assets.models import Blob
from assets.services.blobs import discard_unused
from assets.storage import DIGEST, StoredBytes, blob_path, temp_dir

logger = logging.getLogger("assay.assets")

YOUNG_S: Final = 3600.0  # a file is stored some moments before its row is written
DRAFT_YOUNG_S: Final = 24 * 3600.0
DIGESTS_PER_QUERY: Final = 500
ROWS_PER_LOOK: Final = 5000
BUDGET_S: Final = 2.0


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


def sweep_unused(budget_s: float = BUDGET_S) -> int:
    """Delete stored bytes whose row no other row refers to any more; return how many went.

    Artifacts are replaced and deleted all the time; their bytes may still be somebody else's, so
    only this clears them, and not before they are an hour old. It works for a short while and goes
    on from there the next time: whoever calls it has other things to do, too.
    """
    limit_s, deadline_s = time.time() - YOUNG_S, time.monotonic() + budget_s
    removed, n_ends = 0, 0
    while n_ends < 2:
        last_id = _last_of_window(_cursor.after_id)
        if last_id is None:
            last_id = 0
            n_ends += 1
        for blob in _unused(_cursor.after_id, last_id):
            if _is_old(blob, limit_s):
                stored = StoredBytes(blob.sha256, blob.size_bytes)
                removed += discard_unused(stored, stored_before_s=limit_s)
                if time.monotonic() >= deadline_s:
                    last_id = blob.pk
                    break
        _cursor.after_id = last_id
        if time.monotonic() >= deadline_s:
            break
    if removed:
        logger.info("removed the bytes of %d files that were replaced or deleted", removed)
    return removed


@dataclass
class _Cursor:
    """Up to which row this process has looked for unused bytes."""

    after_id: int = 0


_cursor = _Cursor()


def _last_of_window(after_id: int) -> int | None:
    numbers = Blob.objects.filter(pk__gt=after_id).order_by("pk").values_list("pk", flat=True)
    return max(numbers[:ROWS_PER_LOOK], default=None)


def _is_old(blob: Blob, limit_s: float) -> bool:
    """Whether the file is old or missing; a look that spares young bytes a transaction each."""
    try:
        return blob_path(blob.sha256).stat().st_mtime < limit_s
    except FileNotFoundError:
        return True


def _unused(after_id: int, last_id: int) -> list[Blob]:
    """Return the blobs between two numbers that nothing refers to, whatever may refer to blobs."""
    unused = Blob.objects.filter(pk__gt=after_id, pk__lte=last_id)
    for field in Blob._meta.get_fields(include_hidden=True):
        if isinstance(field, ForeignObjectRel):
            users = field.related_model._base_manager.filter(**{field.field.name: OuterRef("pk")})
            unused = unused.filter(~Exists(users))
    return list(unused.order_by("pk"))


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
