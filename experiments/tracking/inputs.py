"""What runs read and made, for many runs with one query per table."""

import json
from collections.abc import Iterable
from typing import Any, Final

from experiments.tracking.database import Database

DATASETS: Final = (
    "SELECT i.run_id, i.tags, d.name, d.digest, d.source_type, d.source, d.schema, d.profile "
    "FROM experiments_datasetinput i JOIN experiments_loggeddataset d ON d.id = i.dataset_id "
    "WHERE i.run_id IN (??) ORDER BY i.id"
)
MODELS: Final = (
    "SELECT e.run_id, e.direction, m.model_id, e.step "
    "FROM experiments_runmodel e JOIN experiments_loggedmodel m ON m.id = e.model_id "
    "WHERE e.run_id IN (??) ORDER BY e.id"
)
DATASET_FIELDS: Final = ("name", "digest", "source_type", "source", "schema", "profile")


def inputs_and_outputs(
    db: Database, run_ids: Iterable[int]
) -> dict[int, tuple[dict[str, Any], dict[str, Any]]]:
    """Return (`inputs`, `outputs`) of each run in the protocol's words, by the run's number.

    Runs that read and made nothing are left out; what is empty is left out, too.
    """
    wanted = list(dict.fromkeys(run_ids))
    found: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    for run_id, tags, *values in db.rows_in(DATASETS, wanted):
        dataset = {name: value for name, value in zip(DATASET_FIELDS, values, strict=True) if value}
        inputs, _ = found.setdefault(run_id, ({}, {}))
        inputs.setdefault("dataset_inputs", []).append(_edge(_tags_of(tags), dataset))
    for run_id, direction, model_id, step in db.rows_in(MODELS, wanted):
        inputs, outputs = found.setdefault(run_id, ({}, {}))
        if direction == "input":
            inputs.setdefault("model_inputs", []).append({"model_id": model_id})
        else:
            one = {"model_id": model_id, "step": step}
            outputs.setdefault("model_outputs", []).append(one)
    return found


def _tags_of(tags: Any) -> list[dict[str, str]]:
    # SQLite keeps JSON as text; PostgreSQL's driver has read it already, except through Django.
    loaded: list[dict[str, str]] = json.loads(tags) if isinstance(tags, (str, bytes)) else tags
    return loaded


def _edge(tags: list[dict[str, str]], dataset: dict[str, str]) -> dict[str, Any]:
    return {"tags": tags, "dataset": dataset} if tags else {"dataset": dataset}
