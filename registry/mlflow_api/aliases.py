"""Endpoints of aliases: names that point to one version of a model and may be moved."""

from typing import Any, Final

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Request, decode
from experiments.mlflow_api.kit.routes import Route
from platform_site.core.errors import Invalid, NotFound
from registry.mlflow_api.objects import model_of, version_of
from registry.mlflow_api.shapes import version_shape
from registry.selectors import protocol_versions
from registry.services import version_edits as services

LATEST: Final = "latest"


class SetAlias(Request):
    """Which version the alias shall point to."""

    name: str
    alias: str
    version: str


class NamedAlias(Request):
    """Which alias."""

    name: str
    alias: str


def set_alias(call: Call) -> dict[str, Any]:
    """Let an alias point to a version.

    Raises:
        Invalid: for a name that is not allowed.
    """
    asked = decode(call, SetAlias)
    services.checked_alias(asked.alias)
    version = version_of(call, asked.name, asked.version, "write")
    services.set_alias(version=version, alias=asked.alias)
    return {}


def get_alias(call: Call) -> dict[str, Any]:
    """Answer with the version that an alias points to; ``latest`` is the newest one.

    Raises:
        Invalid: for an alias that the model does not have.
        NotFound: for an unknown model, and for the newest version of a model without any.
    """
    asked = decode(call, NamedAlias)
    services.checked_alias(asked.alias)
    model = model_of(call, asked.name)
    versions = protocol_versions().filter(model=model)
    if asked.alias.lower() == LATEST:
        version = versions.order_by("-number").first()
        if version is None:
            raise NotFound(f"Latest version not found for model {model.name}.")
    else:
        version = versions.filter(aliases__name=asked.alias).first()
    if version is None:
        raise Invalid(f"Registered model alias {asked.alias} not found.", field="alias")
    return {"model_version": version_shape(version)}


def delete_alias(call: Call) -> dict[str, Any]:
    """Remove an alias, if it is there."""
    asked = decode(call, NamedAlias)
    services.drop_alias(model=model_of(call, asked.name, "write"), alias=asked.alias)
    return {}


PATH: Final = "2.0/mlflow/registered-models/alias"
ROUTES: Final = [
    Route("POST", PATH, set_alias),
    Route("GET", PATH, get_alias),
    Route("DELETE", PATH, delete_alias),
]
