"""The protocol's addresses of experiments, runs and what belongs to them; one line per room."""

from typing import Final

from experiments.mlflow_api import (
    artifact_parts,
    artifacts,
    assessments,
    experiments,
    inputs,
    logged_models,
    metrics,
    run_files,
    run_logging,
    runs,
    system,
    traces,
    traces_v2,
)
from experiments.mlflow_api.kit.routes import Route

ROUTES: Final[list[Route]] = [
    *system.ROUTES,
    *experiments.ROUTES,
    *runs.ROUTES,
    *run_logging.ROUTES,
    *metrics.ROUTES,
    *inputs.ROUTES,
    *logged_models.ROUTES,
    *traces.ROUTES,
    *traces_v2.ROUTES,
    *assessments.ROUTES,
    *artifacts.ROUTES,
    *artifact_parts.ROUTES,
    *run_files.ROUTES,
]
