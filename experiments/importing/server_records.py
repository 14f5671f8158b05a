"""Answers of an MLflow server made into records; what does not fit is refused by name."""

from __future__ import annotations

from typing import Any

from experiments.importing.records import (
    DatasetRecord,
    ExperimentRecord,
    LoggedModelRecord,
    ModelMetricRecord,
    Point,
    RegisteredModelRecord,
    RunRecord,
    Unreadable,
    VersionRecord,
)
from experiments.importing.texts import metric_value, shown, text_of, whole, whole_or_none

Found = dict[str, Any]


def _text(found: Found, key: str, at_most: int) -> str:
    return text_of(found.get(key), at_most=at_most, what=f"its {key}")


def _pairs(found: Any, at_most: int, what: str) -> dict[str, str]:
    if not isinstance(found or [], list):
        raise Unreadable(f"its {what} are no list")
    pairs: dict[str, str] = {}
    for pair in found or []:
        key = text_of(pair.get("key"), at_most=255, what=f"the name of one of its {what}")
        pairs[key] = text_of(pair.get("value"), at_most=at_most, what=f"{what} {shown(key)}")
    return pairs


def _lifecycle(found: Found) -> str:
    return _text(found, "lifecycle_stage", 20) or "active"


def experiment(found: Found) -> ExperimentRecord:
    """Return the experiment.

    Raises:
        Unreadable: when a value does not fit.
    """
    created = whole_or_none(found.get("creation_time"), "its time") or 0
    return ExperimentRecord(
        source_id=_text(found, "experiment_id", 100),
        name=_text(found, "name", 500),
        location=_text(found, "artifact_location", 2048),
        lifecycle=_lifecycle(found),
        created_ms=created,
        updated_ms=whole_or_none(found.get("last_update_time"), "its time") or created,
        tags=_pairs(found.get("tags"), 20_000, "tags"),
    )


def run(found: Found) -> RunRecord:
    """Return the run.

    Raises:
        Unreadable: when a value does not fit.
    """
    info, data = found.get("info") or {}, found.get("data") or {}
    inputs, outputs = found.get("inputs") or {}, found.get("outputs") or {}
    tags = _pairs(data.get("tags"), 100_000, "tags")
    named = tags.pop("mlflow.runName", "")
    return RunRecord(
        uuid=_text(info, "run_id", 256),
        name=_text(info, "run_name", 250) or named,
        user_name=_text(info, "user_id", 250),
        status=_text(info, "status", 20),
        start_ms=whole_or_none(info.get("start_time"), "its start"),
        end_ms=whole_or_none(info.get("end_time"), "its end"),
        deleted_ms=None,
        lifecycle=_lifecycle(info),
        artifact_uri=_text(info, "artifact_uri", 4096),
        params=_pairs(data.get("params"), 100_000, "params"),
        tags=tags,
        datasets=[_dataset(edge) for edge in inputs.get("dataset_inputs") or []],
        model_inputs=[_text(edge, "model_id", 100) for edge in inputs.get("model_inputs") or []],
        model_outputs=[
            (_text(edge, "model_id", 100), whole(edge.get("step") or 0, "a step"))
            for edge in outputs.get("model_outputs") or []
        ],
    )


def _dataset(edge: Found) -> DatasetRecord:
    found = edge.get("dataset") or {}
    return DatasetRecord(
        name=_text(found, "name", 500),
        digest=_text(found, "digest", 36),
        source_type=_text(found, "source_type", 100),
        source=_text(found, "source", 16_000_000),
        schema=_text(found, "schema", 16_000_000),
        profile=_text(found, "profile", 16_777_216),
        tags=sorted(_pairs(edge.get("tags"), 10_000, "labels").items()),
    )


def point(key: str, found: Found) -> Point:
    """Return the metric point.

    Raises:
        Unreadable: when a value does not fit.
    """
    return (
        text_of(key, at_most=250, what="its name"),
        whole(found.get("step") or 0, "its step"),
        whole(found.get("timestamp") or 0, "its time"),
        metric_value(found.get("value", 0), "its value"),
    )


def logged_model(found: Found) -> LoggedModelRecord:
    """Return the logged model.

    Raises:
        Unreadable: when a value does not fit.
    """
    info, data = found.get("info") or {}, found.get("data") or {}
    return LoggedModelRecord(
        model_id=_text(info, "model_id", 36),
        name=_text(info, "name", 500),
        model_type=_text(info, "model_type", 500),
        status=_text(info, "status", 40),
        status_message=_text(info, "status_message", 100_000),
        source_run=_text(info, "source_run_id", 256),
        lifecycle=_lifecycle(info),
        created_ms=whole(info.get("creation_timestamp_ms") or 0, "its time"),
        updated_ms=whole(info.get("last_updated_timestamp_ms") or 0, "its time"),
        artifact_uri=_text(info, "artifact_uri", 4096),
        params=_pairs(data.get("params"), 100_000, "params"),
        tags=_pairs(info.get("tags"), 100_000, "tags"),
        metrics=[_model_metric(metric) for metric in data.get("metrics") or []],
    )


def _model_metric(found: Found) -> ModelMetricRecord:
    return ModelMetricRecord(
        run_uuid=_text(found, "run_id", 256),
        key=_text(found, "key", 250),
        step=whole(found.get("step") or 0, "a metric's step"),
        timestamp_ms=whole(found.get("timestamp") or 0, "a metric's time"),
        value=metric_value(found.get("value", 0), "a metric's value"),
        dataset_name=_text(found, "dataset_name", 500),
        dataset_digest=_text(found, "dataset_digest", 36),
    )


def registered_model(found: Found, versions: list[VersionRecord]) -> RegisteredModelRecord:
    """Return the registered model with these versions.

    Raises:
        Unreadable: when a value does not fit.
    """
    created = whole(found.get("creation_timestamp") or 0, "its time")
    return RegisteredModelRecord(
        name=_text(found, "name", 256),
        description=_text(found, "description", 10_000),
        created_ms=created,
        updated_ms=whole(found.get("last_updated_timestamp") or created, "its time"),
        last_number=max((version.number for version in versions), default=0),
        tags=_pairs(found.get("tags"), 100_000, "tags"),
        aliases={
            _text(alias, "alias", 255): whole(alias.get("version"), "an alias")
            for alias in found.get("aliases") or []
        },
        versions=sorted(versions, key=lambda version: version.number),
    )


def version(found: Found, location: Found) -> VersionRecord:
    """Return the version, whose files are at this location.

    Raises:
        Unreadable: when a value does not fit.
    """
    created = whole(found.get("creation_timestamp") or 0, "its time")
    return VersionRecord(
        number=whole(found.get("version"), "its number"),
        description=_text(found, "description", 100_000),
        stage=_text(found, "current_stage", 20) or "None",
        source=_text(found, "source", 2048),
        storage_location=_text(location, "artifact_uri", 2048),
        run_text=_text(found, "run_id", 256),
        run_link=_text(found, "run_link", 2048),
        created_ms=created,
        updated_ms=whole(found.get("last_updated_timestamp") or created, "its time"),
        tags=_pairs(found.get("tags"), 100_000, "tags"),
    )
