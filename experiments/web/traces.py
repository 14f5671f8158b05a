"""Pages of traces: those of a run, those of an experiment, and one trace as a waterfall."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from experiments.access import get_experiment, get_run, get_trace
from experiments.models import Assessment, Run, Trace
from experiments.models.runs import moment_of
from experiments.selectors.trace_pages import (
    SHOWN_SPANS,
    SpanContent,
    SpanLine,
    TraceLine,
    contents_of,
    shortened,
    span_tree,
    traces_of_experiment,
    traces_of_run,
)
from experiments.selectors.traces import TraceDetails, details_of
from experiments.tracking.spans import ERROR, IN_PROGRESS, OK, json_text
from experiments.web.run_page import run_frame, snapshot_number
from platform_site.core.access_rules import login_needed
from platform_site.core.paging import parse_whole_number

STATE_TITLES: Final = {
    OK: gettext_lazy("OK"),
    ERROR: gettext_lazy("Error"),
    IN_PROGRESS: gettext_lazy("In progress"),
}
STATE_TONES: Final = {OK: "good", ERROR: "bad", IN_PROGRESS: "info"}
FACT_TITLES: Final = {
    "mlflow.trace.session": gettext_lazy("Session"),
    "mlflow.trace.user": gettext_lazy("User"),
    "mlflow.trace.tokenUsage": gettext_lazy("Tokens"),
    "mlflow.trace.cost": gettext_lazy("Cost"),
}
SOURCE_TITLES: Final = {
    "HUMAN": gettext_lazy("Person"),
    "LLM_JUDGE": gettext_lazy("Judge"),
    "CODE": gettext_lazy("Code"),
}


@dataclass(frozen=True)
class TraceRow:
    """A trace in a list."""

    line: TraceLine
    title: str
    state: str
    tone: str
    at: datetime | None
    duration: str
    said: list[tuple[str, str]]


@dataclass(frozen=True)
class SpanRow:
    """A span in the waterfall, with what opens below it."""

    line: SpanLine
    duration: str
    content: SpanContent


@dataclass(frozen=True)
class AssessmentRow:
    """What somebody said."""

    row: Assessment
    value: str
    source: str
    at: datetime | None


@dataclass(frozen=True)
class TracePage:
    """One trace."""

    details: TraceDetails
    title: str
    state: str
    tone: str
    at: datetime | None
    duration: str
    runs: list[Run]
    labels: list[tuple[str, str]]
    internal: list[tuple[str, str]]
    assessments: list[AssessmentRow]
    spans: list[SpanRow]
    n_spans: int
    n_failed: int
    first: int
    last: int
    previous_url: str
    next_url: str


@login_needed
@require_safe
def run_traces(request: HttpRequest, uuid: str) -> HttpResponse:
    """Traces that a run made or looked at, newest first."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    here = reverse("experiments:run-traces", args=[run.uuid])
    context = {
        "frame": run_frame(request, run, tab="traces", after=after),
        **_list_context(here, *traces_of_run(run, request.GET.get("page", ""))),
    }
    return render(request, "experiments/run_traces.html", context)


@login_needed
@require_safe
def experiment_traces(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Traces of an experiment, newest first."""
    found = get_experiment(request.user, experiment_id)
    here = reverse("experiments:experiment-traces", args=[found.pk])
    page = traces_of_experiment(found, request.GET.get("page", ""))
    context = {"experiment": found, **_list_context(here, *page)}
    return render(request, "experiments/experiment_traces.html", context)


@login_needed
@require_safe
def trace_detail(request: HttpRequest, trace_id: str) -> HttpResponse:
    """One trace: its spans in time, their contents, what was said about it."""
    trace = get_trace(request.user, trace_id)
    start = parse_whole_number(request.GET.get("start"), "start", 0, high=1_000_000)
    return render(request, "experiments/trace_detail.html", {"page": _trace_page(trace, start)})


def _list_context(here: str, lines: list[TraceLine], following: str) -> dict[str, Any]:
    return {
        "rows": [_trace_row(line) for line in lines],
        "next_url": f"{here}?{urlencode({'page': following})}" if following else "",
    }


def _trace_row(line: TraceLine) -> TraceRow:
    trace = line.trace
    return TraceRow(
        line=line,
        title=trace.name or trace.trace_id,
        state=_state_title(trace),
        tone=STATE_TONES.get(trace.state, "calm"),
        at=moment_of(trace.request_ms),
        duration=_trace_duration(trace),
        said=[(one.name, _value_text(one)[:40]) for one in line.said[:4]],
    )


def _trace_page(trace: Trace, start: int) -> TracePage:
    (details,) = details_of([trace])
    lines = span_tree(trace)
    start = start if start < len(lines) else 0
    shown = lines[start : start + SHOWN_SPANS]
    contents = contents_of(line.span for line in shown)
    here = reverse("experiments:trace-detail", args=[trace.trace_id])
    following = start + SHOWN_SPANS
    return TracePage(
        details=details,
        title=trace.name or trace.trace_id,
        state=_state_title(trace),
        tone=STATE_TONES.get(trace.state, "calm"),
        at=moment_of(trace.request_ms),
        duration=_trace_duration(trace),
        runs=list(Run.objects.filter(trace_edges__trace=trace).only("uuid", "name")[:20]),
        labels=_labels(details, internal=False),
        internal=_labels(details, internal=True),
        assessments=[_assessment_row(one) for one in details.assessments],
        spans=[
            SpanRow(line, span_duration(line.duration_ns), contents[line.span.pk])
            for line in shown
            if line.span.pk in contents
        ],
        n_spans=len(lines),
        n_failed=sum(line.is_failed for line in lines),
        first=start + 1,
        last=start + len(shown),
        previous_url=f"{here}?start={max(0, start - SHOWN_SPANS)}" if start else "",
        next_url=f"{here}?start={following}" if following < len(lines) else "",
    )


def _labels(details: TraceDetails, *, internal: bool) -> list[tuple[str, str]]:
    """Return tags and metadata that people gave, or those that clients add by themselves."""
    both = [*details.tags.items(), *details.metadata.items()]
    return [
        (str(FACT_TITLES.get(key, key)), value)
        for key, value in both
        if value and internal == (key.startswith("mlflow.") and key not in FACT_TITLES)
    ]


def _assessment_row(one: Assessment) -> AssessmentRow:
    title = SOURCE_TITLES.get(one.source_type)
    words = [str(title)] if title else []
    if one.source_id and one.source_id != "default":
        words.append(one.source_id)
    return AssessmentRow(one, _value_text(one), " · ".join(words), moment_of(one.created_ms))


def _value_text(one: Assessment) -> str:
    error = one.body.get("error")
    if isinstance(error, dict) and error:
        return str(error.get("error_message") or error.get("error_code") or "")
    value = one.body.get("value")
    return shortened(value if isinstance(value, str) else json_text(value))


def _state_title(trace: Trace) -> str:
    return str(STATE_TITLES.get(trace.state, _("Unknown")))


def _trace_duration(trace: Trace) -> str:
    """Return how long the trace took; its clock counts whole milliseconds."""
    if trace.duration_ms == 0:
        return _("< 1 ms")
    return span_duration(None if trace.duration_ms is None else trace.duration_ms * 1_000_000)


def span_duration(duration_ns: int | None) -> str:
    """Return a duration as "45 µs", "12.5 ms", "3.42 s" or "4 min 5 s"; "—" while it goes on."""
    if duration_ns is None:
        return "—"
    if duration_ns < 1_000_000:
        return _("%(n)s µs") % {"n": f"{max(duration_ns, 0) / 1000:.0f}"}
    if duration_ns < 1_000_000_000:
        return _("%(n)s ms") % {"n": f"{duration_ns / 1e6:.1f}".removesuffix(".0")}
    seconds = duration_ns / 1e9
    if seconds < 60:
        return _("%(n)s s") % {"n": f"{seconds:.2f}"}
    return _("%(n)d min %(m)d s") % {"n": int(seconds) // 60, "m": int(seconds) % 60}
