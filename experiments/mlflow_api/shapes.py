"""Experiments and runs as answers show them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from experiments.mlflow_api.fields import STATUS_OF_COLUMN
from experiments.models.experiments import Lifecycle
from experiments.tracking.rows import RunRow
from experiments.tracking.search.experiments import ExperimentRow

encode = msgspec.json.Encoder().encode


class LabelOut(msgspec.Struct):
    """A param or tag."""

    key: str
    value: str


class ExperimentOut(msgspec.Struct, omit_defaults=True):
    """An experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[LabelOut] = []


class RunInfoOut(msgspec.Struct, omit_defaults=True):
    """What a run is, without what it logged."""

    run_uuid: str
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int | None
    artifact_uri: str
    lifecycle_stage: str
    run_id: str
    end_time: int | None = None


def experiment_out(row: ExperimentRow, tags: Iterable[tuple[str, str]] = ()) -> ExperimentOut:
    """Return the shape of an experiment."""
    return ExperimentOut(
        experiment_id=str(row.id),
        name=row.name,
        artifact_location=row.artifact_location,
        lifecycle_stage="active" if row.lifecycle == Lifecycle.ACTIVE.value else "deleted",
        last_update_time=row.updated_ms,
        creation_time=row.created_ms,
        tags=[LabelOut(key, value) for key, value in tags],
    )


def run_info(row: RunRow) -> RunInfoOut:
    """Return the shape of what a run is."""
    return RunInfoOut(
        run_uuid=row.uuid,
        experiment_id=str(row.experiment_id),
        run_name=row.name,
        user_id=row.user_name,
        status=STATUS_OF_COLUMN.get(row.status, "RUNNING"),
        start_time=row.start_ms,
        artifact_uri=row.artifact_uri,
        lifecycle_stage=row.lifecycle,
        run_id=row.uuid,
        end_time=row.end_ms,
    )


def page_json(name: bytes, items: Iterable[bytes], token: str | None) -> bytes:
    """Return a page of rendered items: ``{name: [...], next_page_token}``, without what is empty."""
    parts: list[bytes] = []
    body = b",".join(items)
    if body:
        parts.append(b'"' + name + b'":[' + body + b"]")
    if token is not None:
        parts.append(b'"next_page_token":' + encode(token))
    return b"{" + b",".join(parts) + b"}"


def body_of(**content: Any) -> bytes:
    """Return the content as JSON."""
    return encode(content)
