"""Endpoints of traces: spans by OTLP, the client's summary, reading, tags, links, deletion."""

from typing import Any, Final

import msgspec

from experiments.mlflow_api import trace_shapes as shapes
from experiments.mlflow_api.file_answers import file_answer
from experiments.mlflow_api.kit.answers import Answer, FileAnswer, ok
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError, missing_value
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.otlp import JSON, PROTOBUF, read_spans
from experiments.mlflow_api.trace_access import (
    experiment_for,
    run_for,
    trace_for,
    traces_for,
    visible_experiments,
)
from experiments.mlflow_api.trace_requests import StartTrace, trace_draft
from experiments.models import Run, Trace
from experiments.selectors.trace_files import SPANS_FILE, file_of_trace
from experiments.selectors.traces import (
    TraceDetails,
    details_of,
    spans_by_trace,
    traces_by_number,
)
from experiments.services import traces as services
from experiments.tracking.database import Database
from experiments.tracking.search.traces import search_traces
from platform_site.core.errors import Invalid, NotFound

EXPERIMENT_HEADER: Final = "x-mlflow-experiment-id"
RUN_HEADER: Final = "x-mlflow-run-id"
MAX_BATCH: Final = 100
MAX_LOCATIONS: Final = 1_000


class TraceIds(Request):
    """Traces to read, maybe only those of some experiments."""

    trace_ids: list[str]
    experiment_ids: list[str] | None = None


class ExperimentLocation(Request):
    """An experiment by its number."""

    experiment_id: str


class Location(Request):
    """Where to search."""

    mlflow_experiment: ExperimentLocation | None = None
    type: Any = None


class SearchTraces(Request):
    """A search among the traces of some experiments."""

    locations: list[Location]
    filter: str = ""
    max_results: Int64 = 100
    order_by: list[str] = msgspec.field(default_factory=list)
    page_token: str = ""


class GetTrace(Request):
    """One trace with its spans."""

    trace_id: str
    allow_partial: bool = False


class DeleteTraces(Request):
    """Traces to delete: by id, or up to a moment."""

    experiment_id: str
    max_timestamp_millis: Int64 | None = None
    max_traces: Int64 | None = None
    request_ids: list[str] = msgspec.field(default_factory=list)
    trace_ids: list[str] = msgspec.field(default_factory=list)


class Tag(Request):
    """A tag to set."""

    key: str
    value: str = ""


class TagKey(Request):
    """A tag to delete."""

    key: str


class LinkTraces(Request):
    """Traces that a run made or looked at."""

    trace_ids: list[str]
    run_id: str


class PromptVersion(Request):
    """A version of a prompt."""

    name: str
    version: str


class LinkPrompts(Request):
    """Versions of prompts that a trace used."""

    trace_id: str
    prompt_versions: list[PromptVersion]


def export_spans(call: Call) -> Answer:
    """Keep the spans of an OTLP request, all of them or none."""
    number = call.headers.get(EXPERIMENT_HEADER, "").strip()
    if not number:
        raise missing_value(EXPERIMENT_HEADER)
    experiment = experiment_for(call, number, "write")
    media_type = call.headers.get("content-type", "")
    spans = read_spans(call.body, media_type, call.headers.get("content-encoding", ""))
    run_uuid = call.headers.get(RUN_HEADER, "").strip()
    services.add_spans(experiment=experiment, spans=spans, run_uuid=run_uuid)
    if media_type.startswith(JSON):
        return ok()
    return Answer(body=b"", headers={"content-type": PROTOBUF})


def start_trace(call: Call) -> dict[str, Any]:
    """Keep a client's own summary of a trace; answer with what is known of it."""
    request = decode(call, StartTrace)
    location = request.trace.trace_info.trace_location.mlflow_experiment
    if location is None:
        raise missing_value("trace.trace_info.trace_location.mlflow_experiment")
    experiment = experiment_for(call, location.experiment_id, "write")
    trace = services.put_trace(experiment=experiment, draft=trace_draft(request.trace.trace_info))
    return {"trace": {"trace_info": shapes.trace_info(details_of([trace])[0])}}


def get_trace_info(call: Call) -> dict[str, Any]:
    """Answer with a trace without its spans."""
    trace = trace_for(call, call.path_params["trace_id"])
    return {"trace": {"trace_info": shapes.trace_info(details_of([trace])[0])}}


def get_trace(call: Call) -> dict[str, Any]:
    """Answer with a trace and its spans, the whole trace unless a part is welcome."""
    request = decode(call, GetTrace)
    trace = trace_for(call, request.trace_id)
    shape = _whole([trace], allow_partial=request.allow_partial)
    if not shape:
        raise NotFound(
            f"Trace with ID {trace.trace_id} is not fully exported yet, please try again later."
        )
    return {"trace": shape[0]}


def batch_get(call: Call) -> dict[str, Any]:
    """Answer with those of the traces that are here with all their spans."""
    return {"traces": _whole(_asked_for(call), allow_partial=False)}


def batch_get_infos(call: Call) -> dict[str, Any]:
    """Answer with traces without their spans."""
    traces = _asked_for(call)
    return {"trace_infos": [shapes.trace_info(one) for one in details_of(traces)]}


def search(call: Call) -> dict[str, Any]:
    """Answer with a page of the traces that fit, without their spans."""
    request = decode(call, SearchTraces)
    if len(request.locations) > MAX_LOCATIONS:
        raise Invalid(f"At most {MAX_LOCATIONS} locations can be searched at once.")
    numbers = [
        one.mlflow_experiment.experiment_id for one in request.locations if one.mlflow_experiment
    ]
    keys, token = search_traces(
        Database.of_django(),
        visible_experiments(call, numbers),
        request.filter,
        request.order_by,
        request.max_results,
        request.page_token or None,
    )
    details = details_of(traces_by_number(keys))
    answer: dict[str, Any] = {}
    if details:
        answer["traces"] = [shapes.trace_info(one) for one in details]
    if token:
        answer["next_page_token"] = token
    return answer


def delete_traces(call: Call) -> dict[str, Any]:
    """Delete traces of an experiment; answer with how many."""
    request = decode(call, DeleteTraces)
    count = services.delete_traces(
        experiment=experiment_for(call, request.experiment_id, "write"),
        up_to_ms=request.max_timestamp_millis,
        max_traces=request.max_traces,
        trace_ids=request.request_ids or request.trace_ids,
    )
    return {"traces_deleted": count}


def set_tag(call: Call) -> dict[str, Any]:
    """Set a tag."""
    request = decode(call, Tag)
    trace = trace_for(call, call.path_params["trace_id"], "write")
    services.set_trace_tag(trace=trace, key=request.key, value=request.value)
    return {}


def delete_tag(call: Call) -> dict[str, Any]:
    """Delete a tag."""
    request = decode(call, TagKey)
    trace = trace_for(call, call.path_params["trace_id"], "write")
    services.delete_trace_tag(trace=trace, key=request.key)
    return {}


def link_to_run(call: Call) -> dict[str, Any]:
    """Say that a run made or looked at traces."""
    request = decode(call, LinkTraces)
    run: Run = run_for(call, request.run_id, "write")
    services.link_traces(run=run, trace_ids=request.trace_ids)
    return {}


def link_prompts(call: Call) -> dict[str, Any]:
    """Say which versions of prompts a trace used."""
    request = decode(call, LinkPrompts)
    trace = trace_for(call, request.trace_id, "write")
    versions = [(one.name, one.version) for one in request.prompt_versions]
    services.link_prompts(trace=trace, versions=versions)
    return {}


def get_trace_artifact(call: Call) -> Answer | FileAnswer:
    """Answer with the trace's spans as a file ``traces.json``, or with a file attached to it."""
    trace_id = next(iter(call.query.get("request_id", [])), "")
    if not trace_id:
        raise ProtocolError("BAD_REQUEST", 'Request must include the "request_id" query parameter.')
    trace = trace_for(call, trace_id)
    attached = next(iter(call.query.get("path", [])), "")
    if attached:
        return file_answer(file_of_trace(trace, f"attachments/{attached}"), call.headers)
    spans = spans_by_trace([trace])[trace.pk]
    if not spans:
        return file_answer(file_of_trace(trace, SPANS_FILE), call.headers)
    return Answer(
        body=shapes.traces_file(spans, trace.trace_id),
        headers={
            "content-type": "application/octet-stream",
            "content-disposition": f"attachment; filename={SPANS_FILE}",
            "x-content-type-options": "nosniff",
        },
    )


def _asked_for(call: Call) -> list[Trace]:
    request = decode(call, TraceIds)
    if len(request.trace_ids) > MAX_BATCH:
        raise Invalid(f"At most {MAX_BATCH} traces can be read at once.")
    traces = traces_for(call, request.trace_ids)
    if request.experiment_ids is None:
        return traces
    return [one for one in traces if str(one.experiment_id) in request.experiment_ids]


def _whole(traces: list[Trace], *, allow_partial: bool) -> list[dict[str, Any]]:
    spans = spans_by_trace(traces)

    def is_there(details: TraceDetails) -> bool:
        n_spans = len(spans[details.trace.pk])
        return allow_partial or n_spans >= max(1, details.promised_spans)

    return [
        {
            "trace_info": shapes.trace_info(details),
            "spans": [shapes.span(row, details.trace.trace_id) for row in spans[details.trace.pk]],
        }
        for details in details_of(traces)
        if is_there(details)
    ]


ROUTES: Final = [
    Route("POST", "/v1/traces", export_spans, raw_body=True),
    Route("POST", "3.0/mlflow/traces", start_trace),
    Route("GET", "3.0/mlflow/traces/get", get_trace),
    Route("GET", "3.0/mlflow/traces/batchGet", batch_get),
    Route("POST", "3.0/mlflow/traces/search", search, reads=True),
    Route("POST", "3.0/mlflow/traces/batchGetInfos", batch_get_infos, reads=True),
    Route("GET", "3.0/mlflow/traces/{trace_id}", get_trace_info),
    *[
        route
        for version in ("2.0", "3.0")
        for route in (
            Route("POST", f"{version}/mlflow/traces/delete-traces", delete_traces),
            Route("POST", f"{version}/mlflow/traces/link-to-run", link_to_run),
            Route("POST", f"{version}/mlflow/traces/link-prompts", link_prompts),
            Route("PATCH", f"{version}/mlflow/traces/{{trace_id}}/tags", set_tag),
            Route("DELETE", f"{version}/mlflow/traces/{{trace_id}}/tags", delete_tag),
            Route("GET", f"{version}/mlflow/get-trace-artifact", get_trace_artifact),
        )
    ],
]
