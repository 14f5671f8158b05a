"""The protocol's addresses of registered models and their versions; one line per room."""

from typing import Final

from experiments.mlflow_api.kit.routes import Route

ROUTES: Final[list[Route]] = []
