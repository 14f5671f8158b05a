"""The protocol's addresses of experiments, runs and what belongs to them; one line per room."""

from typing import Final

from experiments.mlflow_api import system
from experiments.mlflow_api.kit.routes import Route

ROUTES: Final[list[Route]] = [
    *system.ROUTES,
]
