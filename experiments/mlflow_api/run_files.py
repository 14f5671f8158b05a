"""Files by their run or logged model: lists, downloads, and small uploads from a page."""

from typing import Any, Final

from assets.services.blobs import discard_unused
from assets.storage import BlobWriter, StoredBytes
from experiments.artifact_paths import (
    clean_folder,
    clean_path,
    joined,
    model_uri,
    path_of_uri,
    run_uri,
)
from experiments.mlflow_api.artifacts import last_value, listing
from experiments.mlflow_api.file_answers import file_answer
from experiments.mlflow_api.file_bodies import receive_file, refuse_body
from experiments.mlflow_api.kit.answers import Answer, FileAnswer
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError, missing_value
from experiments.mlflow_api.kit.messages import Receive
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.logged_models import model_of
from experiments.models import Run
from experiments.selectors.artifact_places import Place, place_in_model, place_in_run
from experiments.selectors.artifacts import get_file, list_folder
from experiments.services.artifacts import put_file, refuse_place
from platform_site.accounts.access import Need
from platform_site.core.errors import NotFound
from platform_site.core.ids import RUN_ID

MAX_PAGE_UPLOAD_BYTES: Final = 10 * 1024 * 1024
MODEL_ROOT: Final = "2.0/mlflow/logged-models/{model_id}/artifacts/"


def run_of(call: Call, uuid: str, need: Need = "read") -> Run:
    """Return the run with its experiment.

    Raises:
        NotFound: for strangers and unknown ids, alike.
        Forbidden: for members whose role is too small.
    """
    run = None
    if RUN_ID.fullmatch(uuid):
        run = (
            Run.objects.select_related("experiment")
            .only("uuid", "project_id", "experiment")
            .filter(uuid=uuid)
            .first()
        )
    if run is None or call.caller.role_in(run.project_id) is None:
        raise NotFound(f"Run with id={uuid[:64]} not found")
    call.caller.require(run.project_id, need, "run")
    return run


def list_run_files(call: Call) -> dict[str, Any]:
    """Answer with what is directly in a folder of a run, by paths below the run.

    Raises:
        ProtocolError: without a run.
        Invalid: for a hostile path.
        NotFound: for strangers and unknown runs.
    """
    uuid = last_value(call, "run_id", "run_uuid")
    if not uuid:
        raise missing_value("run_id")
    folder = clean_folder(last_value(call, "path"))
    run = run_of(call, uuid)
    uri = run_uri(run.experiment.artifact_location, run.uuid)
    files = {}
    if path_of_uri(uri) is not None:
        entries = list_folder(place_in_run(run, folder))
        files = listing(entries, lambda name: joined(folder, name))
    return {"root_uri": uri, **files}


def get_run_file(call: Call) -> Answer | FileAnswer:
    """Answer with a file of a run.

    Raises:
        ProtocolError: without a run or a path.
        Invalid: for a hostile path, and for a folder.
        NotFound: for strangers, unknown runs and absent files.
    """
    uuid = last_value(call, "run_id", "run_uuid")
    if not uuid:
        raise missing_value("run_id")
    path = clean_path(wanted_path(call, "path"))
    return file_answer(get_file(place_in_run(run_of(call, uuid), path)), call.headers)


def wanted_path(call: Call, name: str) -> str:
    """Return the parameter that names a file.

    Raises:
        ProtocolError: when it is missing.
    """
    path = last_value(call, name)
    if not path:
        raise missing_value(name)
    return path


async def upload_run_file(call: Call, receive: Receive) -> Answer:
    """Store a small file that a page sends.

    Raises:
        ProtocolError: without run, path or content, and above 10 MB.
        Invalid: for a hostile path, and where no file can be.
        NotFound: for strangers and unknown runs.
        Forbidden: for those who may only read.
        Conflict: when a model version needs the folder as it is.
    """
    uuid, path = last_value(call, "run_uuid"), last_value(call, "path")
    if not uuid:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Request must specify run_uuid.")
    if not path:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Request must specify path.")
    too_large = ProtocolError(
        "INVALID_PARAMETER_VALUE", "Artifact size is too large. Max size is 10MB."
    )
    place = await call.run(_place_to_write, call, uuid, clean_path(path))
    refuse_body(call, MAX_PAGE_UPLOAD_BYTES, too_large)

    def begin() -> BlobWriter:
        return BlobWriter(max_bytes=MAX_PAGE_UPLOAD_BYTES, full=too_large)

    def settle(stored: StoredBytes) -> Answer:
        if stored.size_bytes == 0:
            discard_unused(stored)
            raise ProtocolError("INVALID_PARAMETER_VALUE", "Request must specify data.")
        put_file(place=place, stored=stored, by_id=call.caller.user_id)
        return Answer(200, b"{}")

    answer: Answer = await receive_file(call, receive, begin, settle)
    return answer


def _place_to_write(call: Call, uuid: str, path: str) -> Place:
    place = place_in_run(run_of(call, uuid, "write"), path)
    refuse_place(place)
    return place


def get_model_file(call: Call) -> Answer | FileAnswer:
    """Answer with a file of a logged model.

    Raises:
        ProtocolError: without a path.
        Invalid: for a hostile path, and for a folder.
        NotFound: for strangers, unknown models and absent files.
    """
    path = last_value(call, "artifact_file_path")
    if not path:
        raise ProtocolError(
            "BAD_REQUEST", 'Request must include the "artifact_file_path" query parameter.'
        )
    place = place_in_model(model_of(call), clean_path(path))
    return file_answer(get_file(place), call.headers)


def list_model_files(call: Call) -> dict[str, Any]:
    """Answer with what is directly in a folder of a logged model, by paths below the model.

    Raises:
        Invalid: for a hostile path.
        NotFound: for strangers and unknown models.
    """
    folder = clean_folder(last_value(call, "artifact_directory_path"))
    model = model_of(call)
    location = model.experiment.artifact_location
    uri = model_uri(location, model.model_id)
    files = {}
    if path_of_uri(uri) is not None:
        entries = list_folder(place_in_model(model, folder))
        files = listing(entries, lambda name: joined(folder, name))
    return {"root_uri": uri, **files}


ROUTES: Final = [
    Route("GET", "2.0/mlflow/artifacts/list", list_run_files),
    Route("GET", "/get-artifact", get_run_file),
    Route("GET", "2.0/mlflow/get-artifact", get_run_file),
    Route("POST", "2.0/mlflow/upload-artifact", upload_run_file, stream=True),
    Route("GET", f"{MODEL_ROOT}files", get_model_file),
    Route("GET", f"{MODEL_ROOT}directories", list_model_files),
]
