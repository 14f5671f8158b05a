"""The one gate to stored bytes: write, adopt, open; names are digests, never a client's text."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from platform_site.core.errors import NotFound, StorageFull, TooLarge

CHUNK_BYTES = 1024 * 1024
DIGEST = re.compile(r"^[0-9a-f]{64}$")
FULL_DISK_ERRNOS = frozenset({28, 122})  # ENOSPC, EDQUOT


@dataclass(frozen=True)
class StoredBytes:
    """What the store knows about a finished file."""

    sha256: str
    size_bytes: int


def temp_dir() -> Path:
    """Return the directory for unfinished files, on the same file system as the store."""
    path: Path = settings.DATA_DIR / "incoming"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def blob_path(sha256: str) -> Path:
    """Return where the bytes with this digest are.

    Raises:
        NotFound: when the text is no digest.
    """
    if not DIGEST.fullmatch(sha256):
        raise NotFound("Not a digest.")
    root: Path = settings.DATA_DIR / "blobs"
    return root / sha256[:2] / sha256[2:4] / sha256


def write_blob(chunks: Iterable[bytes], *, max_bytes: int | None = None) -> StoredBytes:
    """Store the bytes as they come; memory stays flat, a cut stream leaves nothing.

    Raises:
        TooLarge: after `max_bytes`.
        StorageFull: when the disk is.
    """
    handle, name = tempfile.mkstemp(dir=temp_dir(), prefix="blob-")
    draft = Path(name)
    digest, size_bytes = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                size_bytes += len(chunk)
                if max_bytes is not None and size_bytes > max_bytes:
                    raise TooLarge(f"The file is larger than {max_bytes} bytes.")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        stored = StoredBytes(digest.hexdigest(), size_bytes)
        _move_in(draft, stored)
    except OSError as error:
        if error.errno in FULL_DISK_ERRNOS:
            raise StorageFull("The disk is full; nothing was stored.") from error
        raise
    finally:
        draft.unlink(missing_ok=True)
    return stored


def adopt_file(path: Path) -> StoredBytes:
    """Move a finished file of ours into the store and return its digest."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
        os.fsync(file.fileno())
    stored = StoredBytes(digest.hexdigest(), size_bytes)
    _move_in(path, stored)
    return stored


def open_blob(sha256: str) -> BinaryIO:
    """Open stored bytes for reading.

    Raises:
        NotFound: when the store has no such bytes.
    """
    try:
        return blob_path(sha256).open("rb")
    except FileNotFoundError as error:
        raise NotFound("These bytes are not in the store.", sha256=sha256) from error


def _move_in(draft: Path, stored: StoredBytes) -> None:
    target = blob_path(stored.sha256)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Also over equal bytes: the fresh time keeps the sweep for orphans away until the row is there.
    draft.chmod(0o400)
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
