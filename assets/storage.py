"""The one gate to stored bytes: write, adopt, open; names are digests, never a client's text."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from django.conf import settings

from platform_site.core.errors import DomainError, NotFound, StorageFull, TooLarge

CHUNK_BYTES = 1024 * 1024
RESERVE_CHECK_BYTES = 16 * 1024 * 1024
DIGEST = re.compile(r"^[0-9a-f]{64}$")
FULL_DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DISK_FULL = "The disk is full; nothing was stored."


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


class BlobWriter:
    """A draft that bytes are added to; it becomes stored bytes, or it leaves nothing.

    A context manager: what was not finished when the block ends is thrown away. Its methods block;
    any thread may call them.

    Args:
        max_bytes: the largest size that is accepted; None for any.
        full: the error above that size, if it is another than `TooLarge`.

    Raises:
        StorageFull: when there is no room for even an empty file.
    """

    def __init__(self, *, max_bytes: int | None = None, full: DomainError | None = None) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._full = full
        self._digest = hashlib.sha256()
        self._checked_bytes = -RESERVE_CHECK_BYTES
        with _full_disk_said():
            handle, name = tempfile.mkstemp(dir=temp_dir(), prefix="blob-")
        self._draft = Path(name)
        self._file = os.fdopen(handle, "wb", buffering=0)
        # A cancelled upload ends here while its last write may still go on in a thread.
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Throw the draft away unless it was finished."""
        with self._lock:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add bytes.

        Raises:
            TooLarge: above `max_bytes`, unless `full` says otherwise.
            StorageFull: when the disk is, or would be but for the reserve.
        """
        size_bytes = self.size_bytes + len(chunk)
        if self._max_bytes is not None and size_bytes > self._max_bytes:
            raise self._full or TooLarge(f"The file is larger than {self._max_bytes} bytes.")
        if size_bytes - self._checked_bytes >= RESERVE_CHECK_BYTES:
            refuse_without_reserve()
            self._checked_bytes = size_bytes
        self._digest.update(chunk)
        with self._lock, _full_disk_said():
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self.size_bytes = size_bytes

    def finish(self) -> StoredBytes:
        """Return what is stored now, safe from a power cut.

        Raises:
            StorageFull: when the disk is full.
        """
        stored = StoredBytes(self._digest.hexdigest(), self.size_bytes)
        with self._lock, _full_disk_said():
            os.fsync(self._file.fileno())
            self._file.close()
            self.keep(self._draft, stored)
        return stored

    def keep(self, draft: Path, stored: StoredBytes) -> None:
        """Move the finished draft to where it stays; here, into the store."""
        _move_in(draft, stored)


def write_blob(chunks: Iterable[bytes], *, max_bytes: int | None = None) -> StoredBytes:
    """Store the bytes as they come; memory stays flat, a cut stream leaves nothing.

    Raises:
        TooLarge: after `max_bytes`.
        StorageFull: when the disk is, or would be but for the reserve.
    """
    with BlobWriter(max_bytes=max_bytes) as writer:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()


def refuse_without_reserve() -> None:
    """Refuse to store more while the disk has less room than the database may need.

    Raises:
        StorageFull: then.
    """
    reserve_bytes: int = settings.FREE_DISK_RESERVE_BYTES
    if reserve_bytes and shutil.disk_usage(temp_dir()).free < reserve_bytes:
        raise StorageFull(DISK_FULL)


@contextmanager
def _full_disk_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK_ERRNOS:
            raise StorageFull(DISK_FULL) from error
        raise


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
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder safe from a power cut."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
