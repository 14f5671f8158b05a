"""Endpoints of traces as clients before release 3 call them; their spans come as a file."""

import uuid
from typing import Any, Final

import msgspec

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.trace_access import experiment_for, trace_for, visible_experiments
from experiments.mlflow_api.trace_requests import enum_name
from experiments.models import Trace
from experiments.selectors.traces import TraceDetails, details_of, traces_by_number
from experiments.services import traces as services
from experiments.services.traces import STATES, TraceDraft
from experiments.tracking.database import Database
from experiments.tracking.search.traces import search_traces
from experiments.tracking.spans import IN_PROGRESS, MAX_PREVIEW, cut
from platform_site.core.errors import Invalid

ONE: Final = "2.0/mlflow/traces/{trace_id}"
INPUTS: Final = "mlflow.traceInputs"
OUTPUTS: Final = "mlflow.traceOutputs"
MAX_EXPERIMENTS: Final = 1_000


class Pair(Request):
    """A tag or a piece of metadata."""

    key: str
    value: str = ""


class Start(Request):
    """A trace that begins."""

    experiment_id: str
    timestamp_ms: Int64
    request_metadata: list[Pair] = msgspec.field(default_factory=list)
    tags: list[Pair] = msgspec.field(default_factory=list)


class End(Request):
    """A trace that ended."""

    timestamp_ms: Int64
    status: Any = "OK"
    request_metadata: list[Pair] = msgspec.field(default_factory=list)
    tags: list[Pair] = msgspec.field(default_factory=list)


class Search(Request):
    """A search among the traces of some experiments."""

    experiment_ids: list[str]
    filter: str = ""
    max_results: Int64 = 100
    order_by: list[str] = msgspec.field(default_factory=list)
    page_token: str = ""


def start(call: Call) -> dict[str, Any]:
    """Keep the beginning of a trace, under an id that the server gives."""
    request = decode(call, Start)
    experiment = experiment_for(call, request.experiment_id, "write")
    draft = TraceDraft(
        trace_id=f"tr-{uuid.uuid4().hex}",
        request_ms=request.timestamp_ms,
        state=IN_PROGRESS,
        tags=_mapping(request.tags),
        metadata=_mapping(request.request_metadata),
    )
    return _answer(services.put_trace(experiment=experiment, draft=draft))


def end(call: Call) -> dict[str, Any]:
    """Keep the end of a trace."""
    request = decode(call, End)
    trace = trace_for(call, call.path_params["trace_id"], "write")
    metadata = _mapping(request.request_metadata)
    draft = TraceDraft(
        trace_id=trace.trace_id,
        request_ms=trace.request_ms,
        duration_ms=max(0, request.timestamp_ms - trace.request_ms),
        state=enum_name(request.status, STATES),
        client_request_id=trace.client_request_id,
        request_preview=_preview(metadata, INPUTS),
        response_preview=_preview(metadata, OUTPUTS),
        tags=_mapping(request.tags),
        metadata=metadata,
    )
    return _answer(services.put_trace(experiment=trace.experiment, draft=draft))


def info(call: Call) -> dict[str, Any]:
    """Answer with a trace without its spans."""
    return _answer(trace_for(call, call.path_params["trace_id"]))


def search(call: Call) -> dict[str, Any]:
    """Answer with a page of the traces that fit."""
    request = decode(call, Search)
    if len(request.experiment_ids) > MAX_EXPERIMENTS:
        raise Invalid(f"At most {MAX_EXPERIMENTS} experiments can be searched at once.")
    keys, token = search_traces(
        Database.of_django(),
        visible_experiments(call, request.experiment_ids),
        request.filter,
        request.order_by,
        request.max_results,
        request.page_token or None,
    )
    found = [_shape(one) for one in details_of(traces_by_number(keys))]
    answer: dict[str, Any] = {"traces": found} if found else {}
    return {**answer, "next_page_token": token} if token else answer


def _mapping(pairs: list[Pair]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def _preview(metadata: dict[str, str], key: str) -> str | None:
    return cut(metadata[key], MAX_PREVIEW) if key in metadata else None


def _answer(trace: Trace) -> dict[str, Any]:
    return {"trace_info": _shape(details_of([trace])[0])}


def _shape(details: TraceDetails) -> dict[str, Any]:
    trace = details.trace
    shape = {
        "request_id": trace.trace_id,
        "experiment_id": str(trace.experiment_id),
        "timestamp_ms": trace.request_ms,
        "execution_time_ms": trace.duration_ms,
        "status": trace.state if trace.state in STATES[1:] else "TRACE_STATUS_UNSPECIFIED",
        "request_metadata": _pairs(details.metadata),
        "tags": _pairs(details.tags),
    }
    return {name: value for name, value in shape.items() if value is not None}


def _pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


ROUTES: Final = [
    Route("POST", "2.0/mlflow/traces", start),
    Route("GET", "2.0/mlflow/traces", search),
    Route("PATCH", ONE, end),
    Route("GET", f"{ONE}/info", info),
]
