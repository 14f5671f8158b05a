"""Files of a model version, by its name and number."""

from typing import Final

from experiments.artifact_paths import clean_path, joined, path_of_uri
from experiments.mlflow_api.artifacts import last_value
from experiments.mlflow_api.file_answers import file_answer
from experiments.mlflow_api.kit.answers import Answer, FileAnswer
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import missing_value
from experiments.mlflow_api.kit.routes import Route
from experiments.selectors.artifact_places import NO_SUCH_FILE, Place
from experiments.selectors.artifacts import get_file
from platform_site.core.errors import NotFound
from registry.mlflow_api.objects import version_of


def get_version_file(call: Call) -> Answer | FileAnswer:
    """Answer with a file of a model version that is in our store.

    What the version's source says is never opened: files kept elsewhere are not found, whether
    they exist or not.

    Raises:
        ProtocolError: without name, version or path.
        Invalid: for a hostile path, and for a folder.
        NotFound: for strangers, unknown versions and absent files.
    """
    name, number = last_value(call, "name"), last_value(call, "version")
    for field, value in (("name", name), ("version", number), ("path", last_value(call, "path"))):
        if not value:
            raise missing_value(field)
    path = clean_path(last_value(call, "path"))
    version = version_of(call, name, number)
    folder = path_of_uri(version.storage_location or version.source)
    if not folder:
        raise NotFound(NO_SUCH_FILE)
    place = Place(version.model.project_id, clean_path(joined(folder, path)))
    return file_answer(get_file(place), call.headers)


ROUTES: Final = [
    Route("GET", "/model-versions/get-artifact", get_version_file),
    Route("GET", "2.0/mlflow/model-versions/get-artifact", get_version_file),
]
