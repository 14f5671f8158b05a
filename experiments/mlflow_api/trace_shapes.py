"""Traces, spans and assessments in the words of the protocol."""

import base64
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from experiments.models import Assessment, Span
from experiments.selectors.traces import TraceDetails
from experiments.tracking.spans import attribute_value

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INT64: Final = range(-(2**63), 2**63)
STATUS_PREFIX: Final = "STATUS_CODE_"
MAX_DEPTH: Final = 128


def trace_info(details: TraceDetails) -> dict[str, Any]:
    """Return a trace without its spans; what is empty is left out."""
    trace = details.trace
    info = {
        "trace_id": trace.trace_id,
        "client_request_id": trace.client_request_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": str(trace.experiment_id)},
        },
        "request_preview": trace.request_preview,
        "response_preview": trace.response_preview,
        "request_time": moment(trace.request_ms),
        "execution_duration": duration(trace.duration_ms),
        "state": trace.state,
        "trace_metadata": details.metadata,
        "tags": details.tags,
        "assessments": [assessment(one, trace.trace_id) for one in details.assessments],
    }
    return {name: value for name, value in info.items() if value not in ("", None, [], {})}


def assessment(row: Assessment, trace_id: str) -> dict[str, Any]:
    """Return an assessment; `row.overrides` should be loaded."""
    shape = {
        "assessment_id": row.assessment_id,
        "assessment_name": row.name,
        "trace_id": trace_id,
        "span_id": row.span_id,
        "source": {"source_type": row.source_type, "source_id": row.source_id},
        "create_time": moment(row.created_ms),
        "last_update_time": moment(row.updated_ms),
        row.kind: _assessed(row),
        "rationale": row.rationale,
        "metadata": row.metadata,
        "overrides": row.overrides.assessment_id if row.overrides else "",
    }
    kept = {name: value for name, value in shape.items() if value not in ("", {})}
    return kept | {"valid": row.is_valid, row.kind: shape[row.kind]}


def _assessed(row: Assessment) -> dict[str, Any]:
    value = row.body.get("value")
    if row.kind == Assessment.Kind.EXPECTATION and isinstance(value, (list, dict)):
        text = msgspec.json.encode(value).decode()
        return {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": text}}
    error = row.body.get("error")
    return {"value": value, "error": error} if error else {"value": value}


def span(row: Span, trace_id: str) -> dict[str, Any]:
    """Return a span with typed values, ids as base64."""
    attributes = msgspec.json.decode(row.attributes)
    shape: dict[str, Any] = {
        "trace_id": base64_id(trace_id.removeprefix("tr-")),
        "span_id": base64_id(row.span_id),
        "parent_span_id": base64_id(row.parent_id),
        "name": row.name,
        "kind": row.kind,
        "start_time_unix_nano": row.start_ns,
        "end_time_unix_nano": row.end_ns,
        "attributes": [
            {"key": key, "value": any_value(attribute_value(text))}
            for key, text in attributes.items()
        ],
        "events": [
            {**event, "attributes": key_values(event.get("attributes") or {})}
            for event in msgspec.json.decode(row.events)
        ],
        "links": [
            {
                "trace_id": base64_id(link["trace_id"].removeprefix("tr-")),
                "span_id": base64_id(link["span_id"]),
                "attributes": key_values(link.get("attributes") or {}),
            }
            for link in msgspec.json.decode(row.links)
        ],
    }
    shape = {name: value for name, value in shape.items() if value not in ("", None, [])}
    return shape | {"status": _status(row)}


def span_in_file(row: Span, trace_id: str) -> dict[str, Any]:
    """Return a span as it stands in a file ``traces.json``: values of attributes as JSON text."""
    return {
        "trace_id": base64_id(trace_id.removeprefix("tr-")),
        "span_id": base64_id(row.span_id),
        "parent_span_id": base64_id(row.parent_id) or None,
        "name": row.name,
        "start_time_unix_nano": row.start_ns,
        "end_time_unix_nano": row.end_ns,
        "events": msgspec.Raw(row.events.encode()),
        "status": {
            "code": STATUS_PREFIX + (row.status_code or "UNSET"),
            "message": row.status_message,
        },
        "attributes": msgspec.Raw(row.attributes.encode()),
        "links": msgspec.Raw(row.links.encode()),
    }


def _status(row: Span) -> dict[str, str]:
    status = {"code": STATUS_PREFIX + (row.status_code or "UNSET")}
    if row.status_message:
        status["message"] = row.status_message
    return status


def key_values(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a mapping as typed key–value pairs."""
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def any_value(value: Any, *, depth: int = 0) -> dict[str, Any]:
    """Return a plain value with its type, as OTLP's ``AnyValue``."""
    if value is None:
        return {}
    if isinstance(value, (list, dict)) and depth < MAX_DEPTH:
        return _nested(value, depth + 1)
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int) and value in INT64:
        return {"int_value": value}
    if isinstance(value, float):
        return {"double_value": value if math.isfinite(value) else _special(value)}
    return {"string_value": str(value)}


def _nested(value: list[Any] | dict[str, Any], depth: int) -> dict[str, Any]:
    if isinstance(value, list):
        return {"array_value": {"values": [any_value(one, depth=depth) for one in value]}}
    pairs = [{"key": key, "value": any_value(one, depth=depth)} for key, one in value.items()]
    return {"kvlist_value": {"values": pairs}}


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def base64_id(hexadecimal: str) -> str:
    """Return the bytes of an id as base64; an id that is not hexadecimal as it is."""
    try:
        return base64.b64encode(bytes.fromhex(hexadecimal)).decode("ascii")
    except ValueError:
        return hexadecimal


def moment(at_ms: int) -> str:
    """Return a time since 1970 as RFC 3339 text."""
    at = EPOCH + timedelta(milliseconds=at_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def duration(length_ms: int | None) -> str:
    """Return a length of time as protobuf writes it, empty for None."""
    return "" if length_ms is None else f"{length_ms // 1000}.{length_ms % 1000:03d}s"


def traces_file(rows: Iterable[Span], trace_id: str) -> bytes:
    """Return the bytes of a file ``traces.json``."""
    return msgspec.json.encode({"spans": [span_in_file(row, trace_id) for row in rows]})
