"""Clearing files that nothing refers to: unfinished drafts and bytes without a row."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from assets.models import Blob
from assets.storage import DIGEST, temp_dir

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
