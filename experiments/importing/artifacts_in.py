"""Files of runs and logged models brought into the store; every byte is opaque."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from assets.storage import CHUNK_BYTES, write_blob
from experiments.artifact_paths import clean_path
from experiments.importing.records import (
    ArtifactRecord,
    LoggedModelRecord,
    RunRecord,
    Source,
    Unreadable,
)
from experiments.importing.tallies import Tally
from experiments.importing.targets import Target
from experiments.models import ArtifactFile, LoggedModel, Run
from experiments.selectors.artifact_places import Place, place_in_model, place_in_run
from experiments.services.artifacts import put_file
from platform_site.core.errors import DomainError, Invalid

NAMES_SHOWN: Final = 120


@dataclass(slots=True)
class Files:
    """What came of the files of one run or logged model."""

    theirs: Tally
    ours: Tally
    added: int
    left_out: list[str]


def bring_files(
    target: Target,
    source: Source,
    record: RunRecord | LoggedModelRecord,
    owner: Run | LoggedModel | None,
) -> Files:
    """Store what is missing, compare what is here; files that differ are kept as they are here."""
    files = Files(Tally(), Tally(), 0, [])
    name = record.uuid if isinstance(record, RunRecord) else record.model_id
    try:
        for file in source.artifacts(record):
            _bring_file(target, file, owner, files)
    except (Unreadable, OSError) as problem:
        files.left_out.append(f"files of {name}: {problem}")
    return files


def _bring_file(
    target: Target, file: ArtifactRecord, owner: Run | LoggedModel | None, files: Files
) -> None:
    shown = file.path[:NAMES_SHOWN]
    try:
        path = clean_path(file.path)
    except Invalid as refusal:
        files.left_out.append(f"file {shown}: {refusal.message}")
        return
    place = _place(owner, path) if owner is not None else None
    here = _digest_here(place) if place is not None else None
    try:
        if here is None and place is not None and target.may_write:
            here = theirs = _store(target, file, place)
            files.added += 1
            target.tell("files")
        else:
            theirs = _digest_there(file)
    except DomainError as refusal:
        files.left_out.append(f"file {shown}: {refusal.message}")
        return
    files.theirs.add_texts(path, theirs)
    if here is not None:
        files.ours.add_texts(path, here)


def _place(owner: Run | LoggedModel, path: str) -> Place:
    return place_in_run(owner, path) if isinstance(owner, Run) else place_in_model(owner, path)


def _digest_here(place: Place) -> str | None:
    digest: str | None = (
        ArtifactFile.objects.filter(project_id=place.project_id, path=place.path)
        .values_list("blob__sha256", flat=True)
        .first()
    )
    return digest


def _store(target: Target, file: ArtifactRecord, place: Place) -> str:
    with file.open() as stream:
        stored = write_blob(_chunks(stream))
    put_file(place=place, stored=stored, by_id=target.by.pk)
    return stored.sha256


def _digest_there(file: ArtifactRecord) -> str:
    digest = hashlib.sha256()
    with file.open() as stream:
        for chunk in _chunks(stream):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
