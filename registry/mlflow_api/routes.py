"""The protocol's addresses of the registry; one line per room."""

from typing import Final

from experiments.mlflow_api.kit.routes import Route
from registry.mlflow_api import aliases, files, registered_models, searches, versions

ROUTES: Final[list[Route]] = [
    *registered_models.ROUTES,
    *versions.ROUTES,
    *aliases.ROUTES,
    *searches.ROUTES,
    *files.ROUTES,
]
