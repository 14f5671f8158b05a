"""Files that clients store beside a trace: attachments, and the spans of older clients."""

from typing import Any, Final

import msgspec

from assets.storage import blob_path
from experiments.artifact_paths import clean_path
from experiments.models import ArtifactFile, Experiment, Span, Trace
from experiments.selectors.artifact_places import Place
from experiments.selectors.artifacts import get_file
from experiments.tracking.spans import MAX_NAME, MAX_SPAN_TYPE, SPAN_TYPE, json_text, plain_value
from platform_site.core.errors import DomainError, NotFound

SPANS_FILE: Final = "traces.json"
MAX_READ_BYTES: Final = 8 * 1024 * 1024
MAX_READ_SPANS: Final = 5_000
STATUS_PREFIX: Final = "STATUS_CODE_"


class _Context(msgspec.Struct):
    span_id: str


class _Event(msgspec.Struct):
    name: str = ""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)


class _Status(msgspec.Struct):
    code: str = ""
    message: str | None = None


class _FileSpan(msgspec.Struct):
    """A span as releases 2 (with `context`) and 3 of the client write it."""

    name: str = ""
    context: _Context | None = None
    span_id: str = ""
    parent_id: str | None = None
    parent_span_id: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    start_time_unix_nano: int | None = None
    end_time_unix_nano: int | None = None
    status_code: str = ""
    status_message: str | None = None
    status: _Status | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    events: list[_Event] = msgspec.field(default_factory=list)


class _File(msgspec.Struct):
    spans: list[_FileSpan]


def files_folder(experiment: Experiment) -> str:
    """Return the folder of all traces' files in the artifact tree of the experiment's project."""
    return f"{experiment.pk}/traces"


def file_of_trace(trace: Trace, name: str) -> ArtifactFile:
    """Return a file of the trace by its path, with its stored bytes.

    Raises:
        NotFound: when there is none, or when the experiment keeps its files elsewhere.
        Invalid: for a hostile path, or one of a folder.
    """
    experiment = trace.experiment
    if experiment.asked_location:
        raise NotFound("The files of this experiment are kept elsewhere.")
    path = clean_path(f"{files_folder(experiment)}/{trace.trace_id}/artifacts/{name}")
    return get_file(Place(experiment.project_id, path))


def spans_in_file(trace: Trace) -> list[Span]:
    """Return the spans that a client stored as a file, as rows that are not in the database.

    None when there is no such file, or when it is too large or cannot be read. Their numbers are
    below zero.
    """
    try:
        file = file_of_trace(trace, SPANS_FILE)
        if file.size_bytes > MAX_READ_BYTES:
            return []
        body = blob_path(file.blob.sha256).read_bytes()
        found = msgspec.json.decode(body, type=_File).spans[:MAX_READ_SPANS]
    except (DomainError, OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [_row(trace, -number, one) for number, one in enumerate(found, start=1)]


def _row(trace: Trace, number: int, one: _FileSpan) -> Span:
    status = one.status or _Status(one.status_code, one.status_message)
    events = [{"name": event.name, "attributes": event.attributes} for event in one.events]
    return Span(
        pk=number,
        trace=trace,
        span_id=one.context.span_id if one.context else one.span_id,
        parent_id=one.parent_id or one.parent_span_id or "",
        name=one.name[:MAX_NAME],
        span_type=plain_value(one.attributes.get(SPAN_TYPE))[:MAX_SPAN_TYPE],
        start_ns=one.start_time_unix_nano or one.start_time or 0,
        end_ns=one.end_time_unix_nano or one.end_time,
        status_code=status.code.removeprefix(STATUS_PREFIX),
        status_message=status.message or "",
        attributes=json_text(one.attributes),
        events=json_text(events),
    )
