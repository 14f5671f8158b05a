"""Endpoints that search registered models and versions in one project."""

from typing import Any, Final

import msgspec

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.tracking.database import Database
from registry.mlflow_api.objects import project_of
from registry.mlflow_api.registered_models import with_labels
from registry.mlflow_api.shapes import filled, version_shape
from registry.models import RegisteredModel
from registry.selectors import protocol_versions
from registry.selectors_search import search_model_versions, search_registered_models

PIECE: Final = 900
"""Rows read at once; a statement of SQLite takes 999 parameters at most."""


class SearchModels(Request):
    """A filter, an order, a page."""

    filter: str = ""
    max_results: Int64 = 100
    order_by: list[str] = msgspec.field(default_factory=list)
    page_token: str = ""


class SearchVersions(Request):
    """A filter, an order, a page."""

    filter: str = ""
    max_results: Int64 = 10_000
    order_by: list[str] = msgspec.field(default_factory=list)
    page_token: str = ""


def search_models(call: Call) -> dict[str, Any]:
    """Answer with a page of registered models; prompts only if the filter asks for them.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    asked = decode(call, SearchModels)
    found, token = search_registered_models(
        Database.of_django(),
        [project_of(call)],
        asked.filter,
        asked.order_by,
        asked.max_results,
        asked.page_token or None,
    )
    models = RegisteredModel.objects.in_bulk(found)
    page = with_labels([models[number] for number in found if number in models])
    return filled({"registered_models": page, "next_page_token": token})


def search_versions(call: Call) -> dict[str, Any]:
    """Answer with a page of model versions; those of prompts only if the filter asks for them.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    asked = decode(call, SearchVersions)
    found, token = search_model_versions(
        Database.of_django(),
        [project_of(call)],
        asked.filter,
        asked.order_by,
        asked.max_results,
        asked.page_token or None,
    )
    page: list[dict[str, Any]] = []
    for start in range(0, len(found), PIECE):
        part = found[start : start + PIECE]
        versions = protocol_versions().in_bulk(part)
        page += [version_shape(versions[number]) for number in part if number in versions]
    return filled({"model_versions": page, "next_page_token": token})


ROUTES: Final = [
    Route("GET", "2.0/mlflow/registered-models/search", search_models),
    Route("GET", "2.0/mlflow/model-versions/search", search_versions),
]
