"""The artifact proxy: files of clients go in and come out by their path."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings

from assets.storage import BlobWriter, StoredBytes
from experiments.artifact_paths import clean_folder, clean_path
from experiments.mlflow_api.file_answers import file_answer
from experiments.mlflow_api.file_bodies import (
    BUFFER_BYTES,
    announced_bytes,
    receive_file,
    refuse_body,
    refuse_compressed,
    refuse_cut,
)
from experiments.mlflow_api.kit.answers import Answer, FileAnswer
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.messages import Receive, read_body
from experiments.mlflow_api.kit.routes import Route
from experiments.selectors.artifact_places import Place, place_for
from experiments.selectors.artifacts import Entry, get_file, list_folder, room_for
from experiments.services.artifacts import delete_path, put_file, quota_reached, refuse_place
from platform_site.accounts.access import Need
from platform_site.core.errors import DomainError, TooLarge

ROOT: Final = "2.0/mlflow-artifacts/"


async def put(call: Call, receive: Receive) -> Answer:
    """Store the body under a path; a second time replaces it.

    Raises:
        Invalid: for a hostile path, and where no file can be.
        NotFound: for strangers.
        Forbidden: for those who may only read.
        Conflict: when a model version needs the folder as it is.
        TooLarge: above the limit for a file.
        StorageFull: above the project's quota, or when the disk is full.
    """
    path = clean_path(call.path_params["path"])
    announced = announced_bytes(call)
    if announced is not None and announced <= BUFFER_BYTES:
        refuse_compressed(call)
        # All in one trip to a thread: most files are small.
        return await call.run(_put_small, call, path, await read_body(receive))
    place, limit_bytes, error = await call.run(_wanted, call, path)
    refuse_body(call, limit_bytes, error)

    def begin() -> BlobWriter:
        return BlobWriter(max_bytes=limit_bytes, full=error)

    def settle(stored: StoredBytes) -> Answer:
        put_file(place=place, stored=stored, by_id=call.caller.user_id)
        return Answer(200, b"", {})

    answer: Answer = await receive_file(call, receive, begin, settle)
    return answer


def _put_small(call: Call, path: str, body: bytes) -> Answer:
    place = place_of(call, path, "write")
    limit_bytes, error = _limit(place)
    with BlobWriter(max_bytes=limit_bytes, full=error) as writer:
        writer.write(body)
        refuse_cut(call, writer.size_bytes)
        stored = writer.finish()
    put_file(place=place, stored=stored, by_id=call.caller.user_id)
    return Answer(200, b"", {})


def _wanted(call: Call, path: str) -> tuple[Place, int, DomainError]:
    """Return the place that is written to, how many bytes it may take, and the error above that."""
    place = place_of(call, path, "write")
    refuse_place(place)
    return place, *_limit(place)


def _limit(place: Place) -> tuple[int, DomainError]:
    limit: int = settings.MAX_ARTIFACT_BYTES
    room = room_for(place)
    if room is not None and room < limit:
        return room, quota_reached()
    return limit, TooLarge(f"A file may have at most {limit:,} bytes here.", limit_bytes=limit)


def get(call: Call) -> Answer | FileAnswer:
    """Answer with a file.

    Raises:
        Invalid: for a hostile path, and for a folder.
        NotFound: for an absent file and for strangers.
    """
    path = clean_path(call.path_params["path"])
    return file_answer(get_file(place_of(call, path, "read")), call.headers)


def list_path(call: Call) -> dict[str, Any]:
    """Answer with what is directly in a folder, by bare names.

    Raises:
        Invalid: for a hostile path.
        NotFound: for strangers.
    """
    folder = clean_folder(last_value(call, "path"))
    place = place_of(call, folder, "read")
    return listing(list_folder(place), lambda name: name)


def delete(call: Call) -> dict[str, Any]:
    """Delete a file or a folder; an absent one is fine.

    Raises:
        Invalid: for a hostile path.
        NotFound: for strangers.
        Forbidden: for those who may only read.
        Conflict: when a model version needs one of the files.
    """
    delete_path(place=place_of(call, clean_path(call.path_params["path"]), "write"))
    return {}


def presigned(call: Call) -> Answer:
    """Refuse: files come from this server only.

    Raises:
        ProtocolError: always.
    """
    raise ProtocolError(
        "NOT_IMPLEMENTED",
        "Presigned URL download is not supported for the current artifact repository",
    )


def place_of(call: Call, path: str, need: Need) -> Place:
    """Return the place of a clean path for this caller.

    Raises:
        NotFound: for strangers.
        Forbidden: for those whose role is too small.
    """
    return place_for(call.caller, path, need=need, own_project=call.project)


def listing(entries: list[Entry], path_of: Callable[[str], str]) -> dict[str, Any]:
    """Return a folder's content as the protocol shows it; folders and empty files have no size."""
    files: list[dict[str, Any]] = []
    for entry in entries:
        shown: dict[str, Any] = {"path": path_of(entry.name), "is_dir": entry.is_dir}
        if entry.size_bytes:
            shown["file_size"] = entry.size_bytes
        files.append(shown)
    return {"files": files} if files else {}


def last_value(call: Call, *names: str) -> str:
    """Return the parameter of the address under the first of these names that is there, or ""."""
    for name in names:
        values = call.query.get(name)
        if values and values[-1]:
            return values[-1]
    return ""


ROUTES: Final = [
    Route("PUT", f"{ROOT}artifacts/{{path:rest}}", put, stream=True),
    Route("GET", f"{ROOT}artifacts/{{path:rest}}", get),
    Route("DELETE", f"{ROOT}artifacts/{{path:rest}}", delete),
    Route("GET", f"{ROOT}artifacts", list_path),
    Route("GET", f"{ROOT}presigned/{{path:rest}}", presigned),
]
