"""Endpoints of registered models: create, get, rename, describe, tag, delete, newest versions."""

from typing import Any, Final

import msgspec
from django.db.models import Prefetch

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Request, decode
from experiments.mlflow_api.kit.routes import Route
from registry.mlflow_api.objects import model_of, project_of
from registry.mlflow_api.shapes import model_shape, version_shape
from registry.models import ModelAlias, RegisteredModel
from registry.selectors import latest_per_stage
from registry.services import models as services
from registry.services.version_edits import known_stage


class Tag(Request):
    """A label that comes with something new."""

    key: str
    value: str = ""


class CreateModel(Request):
    """A name, and what there is to say about it."""

    name: str
    tags: list[Tag] = msgspec.field(default_factory=list)
    description: str = ""


class NamedModel(Request):
    """Which model."""

    name: str


class UpdateModel(Request):
    """A new description; none clears it."""

    name: str
    description: str = ""


class RenameModel(Request):
    """A new name."""

    name: str
    new_name: str


class SetTag(Request):
    """A tag of a model."""

    name: str
    key: str
    value: str = ""


class DeleteTag(Request):
    """A tag that is to go."""

    name: str
    key: str


class LatestVersions(Request):
    """Which stages; none means all."""

    name: str
    stages: list[str] = msgspec.field(default_factory=list)


def create(call: Call) -> dict[str, Any]:
    """Make a registered model in the caller's project.

    Raises:
        Invalid: for an impossible name, description or tag.
        AlreadyExists: when the name is taken.
    """
    asked = decode(call, CreateModel)
    model = services.create_model(
        project_id=project_of(call, "write"),
        name=asked.name,
        by=call.user,
        description=asked.description,
        tags=[(tag.key, tag.value) for tag in asked.tags],
    )
    return _answer(model)


def get(call: Call) -> dict[str, Any]:
    """Answer with the model, its aliases and its newest versions."""
    return _answer(model_of(call, decode(call, NamedModel).name))


def update(call: Call) -> dict[str, Any]:
    """Replace the description."""
    asked = decode(call, UpdateModel)
    model = model_of(call, asked.name, "write")
    return _answer(services.describe_model(model=model, description=asked.description))


def rename(call: Call) -> dict[str, Any]:
    """Give the model another name.

    Raises:
        AlreadyExists: when the name is taken.
    """
    asked = decode(call, RenameModel)
    model = model_of(call, asked.name, "write")
    return _answer(services.rename_model(model=model, name=asked.new_name))


def delete(call: Call) -> dict[str, Any]:
    """Delete the model with all its versions.

    Raises:
        Conflict: naming what still needs one of them.
    """
    services.delete_model(model=model_of(call, decode(call, NamedModel).name, "write"))
    return {}


def set_tag(call: Call) -> dict[str, Any]:
    """Set a tag."""
    asked = decode(call, SetTag)
    model = model_of(call, asked.name, "write")
    services.tag_model(model=model, key=asked.key, value=asked.value)
    return {}


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag, if it is there."""
    asked = decode(call, DeleteTag)
    services.untag_model(model=model_of(call, asked.name, "write"), key=asked.key)
    return {}


def latest_versions(call: Call) -> dict[str, Any]:
    """Answer with the newest version of each stage that is asked for."""
    asked = decode(call, LatestVersions)
    stages = {known_stage(stage) for stage in asked.stages}
    model = model_of(call, asked.name)
    found = latest_per_stage([model]).get(model.pk, [])
    rows = [version_shape(one) for one in found if not stages or one.stage in stages]
    return {"model_versions": rows} if rows else {}


def with_labels(models: list[RegisteredModel]) -> list[dict[str, Any]]:
    """Return at most 1,000 models as clients read them, in a constant number of queries."""
    pages = RegisteredModel.objects.prefetch_related(
        "tags",
        Prefetch(
            "aliases",
            ModelAlias.objects.select_related("version").only(
                "name", "model_id", "version__number"
            ),
        ),
    ).in_bulk([model.pk for model in models])
    latest = latest_per_stage(models)
    return [
        model_shape(pages[model.pk], latest.get(model.pk, []))
        for model in models
        if model.pk in pages
    ]


def _answer(model: RegisteredModel) -> dict[str, Any]:
    return {"registered_model": with_labels([model])[0]}


PATH: Final = "2.0/mlflow/registered-models"
ROUTES: Final = [
    Route("POST", f"{PATH}/create", create),
    Route("GET", f"{PATH}/get", get),
    Route("PATCH", f"{PATH}/update", update),
    Route("POST", f"{PATH}/rename", rename),
    Route("DELETE", f"{PATH}/delete", delete),
    Route("GET", f"{PATH}/get-latest-versions", latest_versions),
    Route("POST", f"{PATH}/get-latest-versions", latest_versions, reads=True),
    Route("POST", f"{PATH}/set-tag", set_tag),
    Route("DELETE", f"{PATH}/delete-tag", delete_tag),
]
