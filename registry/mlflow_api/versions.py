"""Endpoints of model versions: create, get, where the files are, describe, stage, tag, delete."""

from typing import Any, Final

import msgspec

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Request, decode
from experiments.mlflow_api.kit.routes import Route
from registry.mlflow_api.objects import model_of, version_of
from registry.mlflow_api.registered_models import Tag
from registry.mlflow_api.shapes import version_shape
from registry.models import ModelVersion
from registry.selectors import protocol_versions
from registry.services import version_edits as services
from registry.services.client_versions import NewVersion, create_version


class CreateVersion(Request):
    """Where the files are and where they come from."""

    name: str
    source: str
    run_id: str = ""
    tags: list[Tag] = msgspec.field(default_factory=list)
    run_link: str = ""
    description: str = ""
    model_id: str = ""


class NamedVersion(Request):
    """Which version."""

    name: str
    version: str


class UpdateVersion(Request):
    """A new description; none clears it."""

    name: str
    version: str
    description: str = ""


class MoveVersion(Request):
    """The stage that the version shall be in."""

    name: str
    version: str
    stage: str
    archive_existing_versions: bool = False


class SetTag(Request):
    """A tag of a version."""

    name: str
    version: str
    key: str
    value: str = ""


class DeleteTag(Request):
    """A tag that is to go."""

    name: str
    version: str
    key: str


def create(call: Call) -> dict[str, Any]:
    """Make the next version of a model; it is ready at once.

    Raises:
        Invalid: for a source that is not allowed, or texts that cannot be kept.
    """
    asked = decode(call, CreateVersion)
    model = model_of(call, asked.name, "write")
    wanted = NewVersion(
        source=asked.source,
        run_id=asked.run_id,
        model_id=asked.model_id,
        run_link=asked.run_link,
        description=asked.description,
        tags=[(tag.key, tag.value) for tag in asked.tags],
    )
    return _answer(create_version(model=model, wanted=wanted, by=call.user))


def get(call: Call) -> dict[str, Any]:
    """Answer with the version."""
    asked = decode(call, NamedVersion)
    return {"model_version": version_shape(version_of(call, asked.name, asked.version))}


def download_uri(call: Call) -> dict[str, Any]:
    """Answer with the address of the version's files."""
    asked = decode(call, NamedVersion)
    version = version_of(call, asked.name, asked.version)
    return {"artifact_uri": version.storage_location or version.source}


def update(call: Call) -> dict[str, Any]:
    """Replace the description."""
    asked = decode(call, UpdateVersion)
    version = version_of(call, asked.name, asked.version, "write")
    return _answer(services.describe_version(version=version, description=asked.description))


def move(call: Call) -> dict[str, Any]:
    """Put the version into a stage.

    Raises:
        Invalid: for an unknown stage, or archiving for a stage that is not in use.
    """
    asked = decode(call, MoveVersion)
    version = version_of(call, asked.name, asked.version, "write")
    return _answer(
        services.move_version(
            version=version, stage=asked.stage, archive_others=asked.archive_existing_versions
        )
    )


def delete(call: Call) -> dict[str, Any]:
    """Delete the version.

    Raises:
        Conflict: naming what still needs it.
    """
    asked = decode(call, NamedVersion)
    services.delete_version(version=version_of(call, asked.name, asked.version, "write"))
    return {}


def set_tag(call: Call) -> dict[str, Any]:
    """Set a tag."""
    asked = decode(call, SetTag)
    version = version_of(call, asked.name, asked.version, "write")
    services.tag_version(version=version, key=asked.key, value=asked.value)
    return {}


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag, if it is there."""
    asked = decode(call, DeleteTag)
    version = version_of(call, asked.name, asked.version, "write")
    services.untag_version(version=version, key=asked.key)
    return {}


def _answer(version: ModelVersion) -> dict[str, Any]:
    return {"model_version": version_shape(protocol_versions().get(pk=version.pk))}


PATH: Final = "2.0/mlflow/model-versions"
ROUTES: Final = [
    Route("POST", f"{PATH}/create", create),
    Route("GET", f"{PATH}/get", get),
    Route("GET", f"{PATH}/get-download-uri", download_uri),
    Route("PATCH", f"{PATH}/update", update),
    Route("POST", f"{PATH}/transition-stage", move),
    Route("DELETE", f"{PATH}/delete", delete),
    Route("POST", f"{PATH}/set-tag", set_tag),
    Route("DELETE", f"{PATH}/delete-tag", delete_tag),
]
