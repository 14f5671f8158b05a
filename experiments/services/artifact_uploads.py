"""Files that come in parts: started, received part by part, put together, or thrown away."""

import logging
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core import signing

from assets.services.blobs import discard_unused
from assets.storage import CHUNK_BYTES, DIGEST, BlobWriter, StoredBytes, sync_folder, temp_dir
from experiments.models import ArtifactUpload
from experiments.selectors.artifact_places import Place
from experiments.selectors.artifacts import room_bytes
from experiments.services.artifacts import put_in_transaction, quota_reached, refuse_place
from platform_site.accounts.access import require
from platform_site.core.clock import now
from platform_site.core.errors import Forbidden, Invalid, NotFound, TooMany, Unavailable
from platform_site.core.ids import new_run_id
from platform_site.core.transactions import write_transaction

logger = logging.getLogger("assay.artifacts")

MAX_PARTS: Final = 10_000
MAX_PART_BYTES: Final = 5 * 1024**3
MAX_OPEN_UPLOADS: Final = 200
ABANDONED_AFTER: Final = timedelta(hours=24)
UPLOAD_ID: Final = re.compile(r"^[0-9a-f]{32}$")
PART_SALT: Final = "experiments.artifact_part"
FOLDER_PREFIX: Final = "parts-"
BUSY_SUFFIX: Final = ".busy"
NO_SUCH_UPLOAD: Final = "No such upload: it was finished, given up, or too old."


def start_upload(*, place: Place, n_parts: int, by_id: int) -> ArtifactUpload:
    """Return a new upload to this place.

    Raises:
        Invalid: for a wrong number of parts, and where no file can be.
        Conflict: when a model version needs the folder as it is.
        TooMany: when the project has very many unfinished uploads.
    """
    if not 1 <= n_parts <= MAX_PARTS:
        raise Invalid(f"An upload has 1 to {MAX_PARTS} parts.", field="num_parts")
    with write_transaction():
        refuse_place(place)
        open_uploads = ArtifactUpload.objects.filter(
            project_id=place.project_id, finished_at__isnull=True
        )
        if open_uploads.count() >= MAX_OPEN_UPLOADS:
            raise TooMany("This project has too many unfinished uploads.", retry_after_s=60)
        upload = ArtifactUpload.objects.create(
            upload_id=new_run_id(),
            project_id=place.project_id,
            path=place.path,
            n_parts=n_parts,
            created_by_id=by_id,
            created_at=now(),
        )
        _folder(upload.upload_id).mkdir(mode=0o700)
    return upload


def part_token(upload: ArtifactUpload, number: int) -> str:
    """Return the secret with which anybody may send this one part, for a day."""
    return signing.dumps([upload.upload_id, number], salt=PART_SALT)


def upload_for_part(upload_id: str, number: int, token: str) -> ArtifactUpload:
    """Return the unfinished upload that this token may send this part of.

    Raises:
        Forbidden: for a wrong or old token, and when its owner may not write any more.
        NotFound: when the upload is over.
    """
    try:
        signed = signing.loads(token, salt=PART_SALT, max_age=ABANDONED_AFTER)
    except signing.BadSignature as error:
        raise Forbidden("This address is not signed for this part, or too old.") from error
    if signed != [upload_id, number]:
        raise Forbidden("This address is not signed for this part, or too old.")
    upload = (
        ArtifactUpload.objects.select_related("created_by")
        .filter(upload_id=upload_id, finished_at__isnull=True)
        .first()
    )
    if upload is None or not 1 <= number <= upload.n_parts:
        raise NotFound(NO_SUCH_UPLOAD)
    require(upload.created_by, upload.project_id, need="write", what="upload")
    return upload


def part_limit_bytes() -> int:
    """Return how many bytes a part may have."""
    return min(MAX_PART_BYTES, settings.MAX_ARTIFACT_BYTES)


class PartWriter(BlobWriter):
    """A part on its way in; finished, it lies beside the other parts of its upload."""

    def __init__(self, upload: ArtifactUpload, number: int) -> None:
        super().__init__(max_bytes=part_limit_bytes())
        self._folder = _folder(upload.upload_id)
        self._number = number

    def keep(self, draft: Path, stored: StoredBytes) -> None:
        """Move the draft to its place; a part that is sent again replaces the earlier one.

        Raises:
            NotFound: when the upload was finished or given up meanwhile.
        """
        try:
            draft.replace(self._folder / _part_name(self._number, stored.sha256))
        except FileNotFoundError as error:
            raise NotFound(NO_SUCH_UPLOAD) from error
        sync_folder(self._folder)


def finish_upload(
    *, upload_id: str, place: Place, parts: Sequence[tuple[int, str]], by_id: int
) -> None:
    """Put the parts together and give the file its name; once finished, repeating does nothing.

    Args:
        upload_id: of the upload.
        place: where the caller says the file goes; must be where the upload was started for.
        parts: number and ETag of each part.
        by_id: who finishes it.

    Raises:
        NotFound: when there is no such upload to this place.
        Invalid: when a part is missing or not the one that arrived; as `put_file`.
        Conflict: when a model version needs the folder as it is.
        StorageFull: above the quota, or when the disk is full.
        Unavailable: while the same upload is being put together.
    """
    upload = _upload_to(upload_id, place)
    if upload.finished_at is not None:
        return
    names = _part_names(upload, parts)
    finished = False
    with _claimed(upload) as folder:
        stored = _put_together([folder / name for name in names], place)
        try:
            with write_transaction():
                put_in_transaction(place=place, stored=stored, by_id=by_id)
                ArtifactUpload.objects.filter(pk=upload.pk).update(finished_at=now())
            finished = True
        finally:
            if not finished:
                discard_unused(stored)
        shutil.rmtree(folder, ignore_errors=True)


def abort_upload(*, upload_id: str, place: Place) -> None:
    """Give an upload up and throw its parts away; repeating does nothing.

    Raises:
        NotFound: when there is such an upload, but to another place.
    """
    if not UPLOAD_ID.fullmatch(upload_id):
        raise NotFound(NO_SUCH_UPLOAD)
    upload = ArtifactUpload.objects.filter(upload_id=upload_id).first()
    if upload is None:
        return
    if (upload.project_id, upload.path) != (place.project_id, place.path):
        raise NotFound(NO_SUCH_UPLOAD)
    with write_transaction():
        ArtifactUpload.objects.filter(pk=upload.pk, finished_at__isnull=True).delete()
    shutil.rmtree(_folder(upload_id), ignore_errors=True)


def clear_abandoned() -> int:
    """Throw away uploads that nobody finished for a day, and parts without an upload."""
    with write_transaction():
        removed, _ = ArtifactUpload.objects.filter(created_at__lt=now() - ABANDONED_AFTER).delete()
    old_s = time.time() - ABANDONED_AFTER.total_seconds()
    folders = [path for path in temp_dir().glob(f"{FOLDER_PREFIX}*") if path.is_dir()]
    known = set(
        ArtifactUpload.objects.filter(finished_at__isnull=True).values_list("upload_id", flat=True)
    )
    for folder in folders:
        upload_id = folder.name.removeprefix(FOLDER_PREFIX).removesuffix(BUSY_SUFFIX)
        with suppress(FileNotFoundError):
            if upload_id not in known and folder.stat().st_mtime < old_s:
                shutil.rmtree(folder, ignore_errors=True)
    return removed


def _upload_to(upload_id: str, place: Place) -> ArtifactUpload:
    upload = None
    if UPLOAD_ID.fullmatch(upload_id):
        upload = ArtifactUpload.objects.filter(upload_id=upload_id).first()
    if upload is None or (upload.project_id, upload.path) != (place.project_id, place.path):
        raise NotFound(NO_SUCH_UPLOAD)
    return upload


def _part_names(upload: ArtifactUpload, parts: Sequence[tuple[int, str]]) -> list[str]:
    by_number = {number: etag.strip('"') for number, etag in parts}
    if sorted(by_number) != list(range(1, upload.n_parts + 1)) or len(parts) != len(by_number):
        raise Invalid(
            f"This upload has the parts 1 to {upload.n_parts}; name each of them once.",
            field="parts",
        )
    wrong = [number for number, etag in by_number.items() if not DIGEST.fullmatch(etag)]
    if wrong:
        raise Invalid(f"Part {min(wrong)} has another ETag.", field="parts")
    return [_part_name(number, by_number[number]) for number in sorted(by_number)]


def _put_together(files: Sequence[Path], place: Place) -> StoredBytes:
    room = room_bytes(place.project_id)
    limit: int = settings.MAX_ARTIFACT_BYTES
    full = None
    if room is not None and room < limit:
        limit, full = room, quota_reached()
    with BlobWriter(max_bytes=limit, full=full) as writer:
        for number, file in enumerate(files, start=1):
            try:
                for chunk in _chunks(file):
                    writer.write(chunk)
            except FileNotFoundError as error:
                raise Invalid(
                    f"Part {number} has not arrived, or has another ETag.", field="parts"
                ) from error
        return writer.finish()


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as part:
        while chunk := part.read(CHUNK_BYTES):
            yield chunk


@contextmanager
def _claimed(upload: ArtifactUpload) -> Iterator[Path]:
    """Take the parts for oneself by renaming their folder; give them back after an error."""
    folder = _folder(upload.upload_id)
    busy = folder.with_name(folder.name + BUSY_SUFFIX)
    try:
        folder.rename(busy)
    except FileNotFoundError as error:
        if busy.exists():
            raise Unavailable("This upload is being put together.", retry_after_s=5) from error
        raise NotFound(NO_SUCH_UPLOAD) from error
    try:
        yield busy
    finally:
        with suppress(FileNotFoundError):
            busy.rename(folder)


def _folder(upload_id: str) -> Path:
    return temp_dir() / f"{FOLDER_PREFIX}{upload_id}"


def _part_name(number: int, sha256: str) -> str:
    return f"{number:05}.{sha256}"
