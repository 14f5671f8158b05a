"""What clients log into a run: metrics, params, tags; each request is one write of the group."""

from collections import Counter
from typing import Any, Final

from experiments.mlflow_api.fields import (
    MAX_PARAM_CHARS,
    MAX_TAG_CHARS,
    Label,
    are_good_names,
    check_name,
    check_run_id,
    pairs_of,
    too_many,
)
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError, invalid_value, missing_value
from experiments.mlflow_api.kit.hot import Write
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.tracking.operations import DeleteTag, LogBatch, ModelPoint, Point

MAX_METRICS: Final = 1000
MAX_PARAMS: Final = 100
MAX_TAGS: Final = 100
MAX_ITEMS: Final = 1000


class Metric(Request, gc=False):
    """A point of a request."""

    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""
    run_id: str = ""


class LogMetric(Request):
    """One point."""

    run_id: str
    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""
    run_uuid: str = ""


class LogParameter(Request):
    """One param."""

    run_id: str
    key: str
    value: str = ""
    run_uuid: str = ""


class LogBatchRequest(Request):
    """Points, params and tags."""

    run_id: str
    metrics: list[Metric] = []
    params: list[Label] = []
    tags: list[Label] = []


class SetTag(Request):
    """One tag; old clients name the run `run_uuid` alone."""

    key: str
    run_id: str = ""
    run_uuid: str = ""
    value: str = ""


class DeleteTagRequest(Request):
    """A tag to remove."""

    run_id: str
    key: str


def log_metric(call: Call, db: None) -> Write:
    """Add a point."""
    asked = decode(call, LogMetric)
    check_run_id(asked.run_id)
    check_name(asked.key, "key")
    if asked.timestamp < 0:
        raise _negative("timestamp", asked.timestamp)
    operation = LogBatch(
        asked.run_id, call.caller, [(asked.key, asked.step, asked.timestamp, asked.value)]
    )
    if asked.model_id:
        operation.model_metrics = [_model_point(asked)]
    return Write(operation)


def log_parameter(call: Call, db: None) -> Write:
    """Add a param."""
    asked = decode(call, LogParameter)
    check_run_id(asked.run_id)
    check_name(asked.key, "key")
    params = [(asked.key, asked.value[:MAX_PARAM_CHARS])]
    return Write(LogBatch(asked.run_id, call.caller, params=params))


def set_tag(call: Call, db: None) -> Write:
    """Set a tag."""
    asked = decode(call, SetTag)
    run_id = asked.run_id or asked.run_uuid
    if not run_id:
        raise missing_value("run_id")
    check_run_id(run_id)
    check_name(asked.key, "key")
    tags = [(asked.key, asked.value[:MAX_TAG_CHARS])]
    return Write(LogBatch(run_id, call.caller, tags=tags))


def delete_tag(call: Call, db: None) -> Write:
    """Remove a tag."""
    asked = decode(call, DeleteTagRequest)
    check_run_id(asked.run_id)
    return Write(DeleteTag(asked.run_id, call.caller, asked.key))


def log_batch(call: Call, db: None) -> Write:
    """Add points and params, set tags: all of them or none."""
    asked = decode(call, LogBatchRequest)
    check_run_id(asked.run_id)
    _check_counts(asked)
    params = pairs_of(asked.params, "params", MAX_PARAM_CHARS)
    _check_unique(params)
    return Write(
        LogBatch(
            asked.run_id,
            call.caller,
            metrics=_points(asked.metrics),
            params=params,
            tags=pairs_of(asked.tags, "tags", MAX_TAG_CHARS),
            model_metrics=[_model_point(one) for one in asked.metrics if one.model_id],
        )
    )


def _points(metrics: list[Metric]) -> list[Point]:
    if not are_good_names({one.key for one in metrics}):
        for at, one in enumerate(metrics):
            check_name(one.key, f"metrics[{at}].key")
    points = [(one.key, one.step, one.timestamp, one.value) for one in metrics]
    if any(point[2] < 0 for point in points):
        at = next(at for at, point in enumerate(points) if point[2] < 0)
        raise _negative(f"metrics[{at}].timestamp", points[at][2])
    return points


def _model_point(one: Metric | LogMetric) -> ModelPoint:
    return ModelPoint(
        one.model_id,
        one.key,
        one.step,
        one.timestamp,
        one.value,
        one.dataset_name,
        one.dataset_digest,
    )


def _check_counts(asked: LogBatchRequest) -> None:
    counts = {"metrics": len(asked.metrics), "params": len(asked.params), "tags": len(asked.tags)}
    limits = {"metrics": MAX_METRICS, "params": MAX_PARAMS, "tags": MAX_TAGS}
    for name, limit in limits.items():
        if counts[name] > limit:
            raise too_many(name, limit, counts[name])
    if sum(counts.values()) > MAX_ITEMS:
        raise too_many("metrics, params and tags", MAX_ITEMS, sum(counts.values()))


def _check_unique(params: list[tuple[str, str]]) -> None:
    counts = Counter(key for key, _ in params)
    if len(counts) < len(params):
        twice = [key for key, count in counts.items() if count > 1]
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", f"Duplicate parameter keys were submitted: {twice[:10]}"
        )


def _negative(path: str, value: Any) -> ProtocolError:
    return invalid_value(path, str(value), "it must not be negative.")


ROUTES: Final = [
    Route("POST", f"2.0/mlflow/runs/{name}", endpoint, hot=True, blind=True)
    for name, endpoint in {
        "log-metric": log_metric,
        "log-parameter": log_parameter,
        "log-batch": log_batch,
        "set-tag": set_tag,
        "delete-tag": delete_tag,
    }.items()
]
