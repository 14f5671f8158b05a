"""Files of an `mlruns` folder made into records; what does not fit is refused by name."""

from __future__ import annotations

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
from experiments.importing.sql_records import MODEL_STATUS
from experiments.importing.texts import metric_value, shown, text_of, whole, whole_or_none

RUN_STATUS: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
LINE_LENGTH: Final = 2000
Meta = dict[str, Any]


def _text(meta: Meta, key: str, at_most: int) -> str:
    return text_of(meta.get(key), at_most=at_most, what=f"its {key}")


def experiment(meta: Meta, tags: dict[str, str]) -> ExperimentRecord:
    """Return the experiment.

    Raises:
        Unreadable: when a value does not fit.
    """
    created = whole_or_none(meta.get("creation_time"), "its time") or 0
    return ExperimentRecord(
        source_id=_text(meta, "experiment_id", 100),
        name=_text(meta, "name", 500),
        location=_text(meta, "artifact_location", 2048),
        lifecycle=_text(meta, "lifecycle_stage", 20) or "active",
        created_ms=created,
        updated_ms=whole_or_none(meta.get("last_update_time"), "its time") or created,
        tags=tags,
    )


def run(meta: Meta, *, params: dict[str, str], tags: dict[str, str]) -> RunRecord:
    """Return the run, without what it read and made.

    Raises:
        Unreadable: when a value does not fit.
    """
    status = meta.get("status", 1)
    if status not in RUN_STATUS:
        raise Unreadable(f"its status is unknown: {shown(status)}")
    labels = dict(tags)
    named = labels.pop("mlflow.runName", "")
    return RunRecord(
        uuid=_text(meta, "run_id", 256) or _text(meta, "run_uuid", 256),
        name=_text(meta, "run_name", 250) or text_of(named, at_most=250, what="its name"),
        user_name=_text(meta, "user_id", 250),
        status=RUN_STATUS[status],
        start_ms=whole_or_none(meta.get("start_time"), "its start"),
        end_ms=whole_or_none(meta.get("end_time"), "its end"),
        deleted_ms=whole_or_none(meta.get("deleted_time"), "its deletion"),
        lifecycle=_text(meta, "lifecycle_stage", 20) or "active",
        artifact_uri=_text(meta, "artifact_uri", 4096),
        params=params,
        tags=labels,
    )


def output(edge: Meta) -> tuple[str, int]:
    """Return the logged model that a run made, and at which step.

    Raises:
        Unreadable: when a value does not fit.
    """
    return _text(edge, "destination_id", 100), whole(edge.get("step") or 0, "a step")


def dataset(meta: Meta, tags: Any) -> DatasetRecord:
    """Return a dataset with the labels of one reading.

    Raises:
        Unreadable: when a value does not fit.
    """
    if not isinstance(tags, dict):
        raise Unreadable("the labels of an input are no mapping")
    return DatasetRecord(
        name=_text(meta, "name", 500),
        digest=_text(meta, "digest", 36),
        source_type=_text(meta, "source_type", 100),
        source=_text(meta, "source", 16_000_000),
        schema=_text(meta, "schema", 16_000_000),
        profile=_text(meta, "profile", 16_777_216),
        tags=sorted(
            (
                text_of(key, at_most=255, what="a label"),
                text_of(value, at_most=10_000, what="a label"),
            )
            for key, value in tags.items()
        ),
    )


def point(key: str, line: str) -> Point:
    """Return the point of one line: time, value, step and perhaps a dataset's name and digest.

    Raises:
        Unreadable: when it is no such line.
    """
    parts = line[:LINE_LENGTH].split()
    if len(parts) < 2:
        raise Unreadable(f"no point: {shown(line)}")
    step = whole(parts[2], "its step") if len(parts) > 2 else 0
    return key, step, whole(parts[0], "its time"), metric_value(parts[1], "its value")


def model_metric(key: str, line: str) -> ModelMetricRecord:
    """Return the point of one line: time, value, step, run and perhaps a dataset.

    Raises:
        Unreadable: when it is no such line.
    """
    parts = line[:LINE_LENGTH].split(" ")
    if len(parts) not in {4, 6}:
        raise Unreadable(f"no point: {shown(line)}")
    return ModelMetricRecord(
        run_uuid=text_of(parts[3], at_most=256, what="its run"),
        key=key,
        step=whole(parts[2], "its step"),
        timestamp_ms=whole(parts[0], "its time"),
        value=metric_value(parts[1], "its value"),
        dataset_name=parts[4] if len(parts) > 4 else "",
        dataset_digest=parts[5] if len(parts) > 4 else "",
    )


def logged_model(meta: Meta, *, params: dict[str, str], tags: dict[str, str]) -> LoggedModelRecord:
    """Return the logged model without its metrics.

    Raises:
        Unreadable: when a value does not fit.
    """
    status = meta.get("status", 1)
    if status not in MODEL_STATUS:
        raise Unreadable(f"its status is unknown: {shown(status)}")
    return LoggedModelRecord(
        model_id=_text(meta, "model_id", 36),
        name=_text(meta, "name", 500),
        model_type=_text(meta, "model_type", 500),
        status=MODEL_STATUS[status],
        status_message=_text(meta, "status_message", 100_000),
        source_run=_text(meta, "source_run_id", 256),
        lifecycle=_text(meta, "lifecycle_stage", 20) or "active",
        created_ms=whole(meta.get("creation_timestamp"), "its time"),
        updated_ms=whole(meta.get("last_updated_timestamp"), "its time"),
        artifact_uri=_text(meta, "artifact_location", 4096),
        params=params,
        tags=tags,
    )
