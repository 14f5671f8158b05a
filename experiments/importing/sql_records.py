"""Rows of an MLflow database made into records; what does not fit is refused by name."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Final

from experiments.importing.records import (
    DatasetRecord,
    ExperimentRecord,
    LoggedModelRecord,
    ModelMetricRecord,
    Point,
    RunRecord,
    Unreadable,
)
from experiments.importing.sql_tables import Row
from experiments.importing.texts import metric_value, text_of, whole, whole_or_none

MODEL_STATUS: Final = {
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}
Pairs = dict[str, dict[str, str]]


class Edges:
    """What runs read and made, by run."""

    def __init__(self) -> None:
        self.datasets: dict[str, list[tuple[Row, list[tuple[str, str]]]]] = defaultdict(list)
        self.models: dict[str, list[str]] = defaultdict(list)
        self.outputs: dict[str, list[tuple[str, int]]] = defaultdict(list)


def pair(key: Any, value: Any, limit: int) -> tuple[str, str]:
    """Return a key with its value.

    Raises:
        Unreadable: when a value does not fit.
    """
    return text_of(key, at_most=250, what="a key"), text_of(value, at_most=limit, what=f"{key}")


def experiment(row: Row, tags: Pairs) -> ExperimentRecord:
    """Return the experiment.

    Raises:
        Unreadable: when a value does not fit.
    """
    source_id, name, location, lifecycle, created, updated = row
    return ExperimentRecord(
        source_id=str(whole(source_id, "its number")),
        name=text_of(name, at_most=500, what="its name"),
        location=text_of(location, at_most=2048, what="its location"),
        lifecycle=lifecycle or "active",
        created_ms=whole(created or 0, "its time"),
        updated_ms=whole(updated or created or 0, "its time"),
        tags=tags.get(str(source_id), {}),
    )


def run(row: Row, params: Pairs, tags: Pairs, edges: Edges) -> RunRecord:
    """Return the run.

    Raises:
        Unreadable: when a value does not fit.
    """
    uuid, name, user, status, start, end, deleted, lifecycle, uri = row
    labels = dict(tags.get(uuid, {}))
    named = labels.pop("mlflow.runName", "")
    return RunRecord(
        uuid=text_of(uuid, at_most=256, what="its id"),
        name=text_of(name or named, at_most=250, what="its name"),
        user_name=text_of(user, at_most=250, what="its user"),
        status=text_of(status, at_most=20, what="its status"),
        start_ms=whole_or_none(start, "its start"),
        end_ms=whole_or_none(end, "its end"),
        deleted_ms=whole_or_none(deleted, "its deletion"),
        lifecycle=lifecycle or "active",
        artifact_uri=text_of(uri, at_most=4096, what="its location"),
        params=params.get(uuid, {}),
        tags=labels,
        datasets=[_dataset(data, found) for data, found in edges.datasets.get(uuid, [])],
        model_inputs=edges.models.get(uuid, []),
        model_outputs=edges.outputs.get(uuid, []),
    )


def _dataset(row: Row, tags: list[tuple[str, str]]) -> DatasetRecord:
    name, digest, source_type, source, schema, profile = row
    return DatasetRecord(
        name=text_of(name, at_most=500, what="a dataset's name"),
        digest=text_of(digest, at_most=36, what="a dataset's digest"),
        source_type=text_of(source_type, at_most=100, what="a dataset's kind"),
        source=text_of(source, at_most=16_000_000, what="a dataset's source"),
        schema=text_of(schema, at_most=16_000_000, what="a dataset's schema"),
        profile=text_of(profile, at_most=16_777_216, what="a dataset's profile"),
        tags=tags,
    )


def point(row: Row) -> Point:
    """Return the metric point.

    Raises:
        Unreadable: when a value does not fit.
    """
    key, step, at, value, is_nan = row
    return (
        text_of(key, at_most=250, what="its name"),
        whole(step, "its step"),
        whole(at, "its time"),
        math.nan if is_nan else metric_value(value, "its value"),
    )


def logged_model(
    row: Row, params: Pairs, tags: Pairs, metrics: dict[str, list[Row]]
) -> LoggedModelRecord:
    """Return the logged model.

    Raises:
        Unreadable: when a value does not fit.
    """
    model_id, name, kind, status, message, run, lifecycle, created, updated, location = row
    if status not in MODEL_STATUS:
        raise Unreadable(f"its status is unknown: {status}")
    return LoggedModelRecord(
        model_id=text_of(model_id, at_most=36, what="its id"),
        name=text_of(name, at_most=500, what="its name"),
        model_type=text_of(kind, at_most=500, what="its type"),
        status=MODEL_STATUS[status],
        status_message=text_of(message, at_most=100_000, what="its message"),
        source_run=text_of(run, at_most=256, what="its run"),
        lifecycle=lifecycle or "active",
        created_ms=whole(created, "its time"),
        updated_ms=whole(updated, "its time"),
        artifact_uri=text_of(location, at_most=4096, what="its location"),
        params=params.get(model_id, {}),
        tags=tags.get(model_id, {}),
        metrics=[_model_metric(metric) for metric in metrics.get(model_id, [])],
    )


def _model_metric(row: Row) -> ModelMetricRecord:
    _, run_uuid, key, step, at, value, dataset_name, dataset_digest = row
    return ModelMetricRecord(
        run_uuid=text_of(run_uuid, at_most=256, what="a metric's run"),
        key=text_of(key, at_most=250, what="a metric's name"),
        step=whole(step, "a metric's step"),
        timestamp_ms=whole(at, "a metric's time"),
        value=math.nan if value is None else metric_value(value, "a metric's value"),
        dataset_name=text_of(dataset_name, at_most=500, what="a metric's dataset"),
        dataset_digest=text_of(dataset_digest, at_most=36, what="a metric's dataset"),
    )
