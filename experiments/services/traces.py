"""Traces as clients send them: spans, the client's own summary, tags, links to runs, deletion."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from experiments.models import Experiment, Lifecycle, Run, Trace, TraceLabel, TraceRun
from experiments.selectors.artifacts import files_below
from experiments.selectors.trace_files import files_folder
from experiments.services.assessments import AssessmentDraft, keep_assessments
from experiments.tracking.spans import (
    SpanDraft,
    TraceSummary,
    check_span_size,
    json_text,
    storable,
    summary_of,
)
from experiments.tracking.trace_rows import (
    CHUNK,
    MAX_VALUE,
    NAME_TAG,
    OWN_TAGS,
    locked_traces,
    put_labels,
    put_rows,
    put_spans,
)
from platform_site.core.errors import Invalid, NotFound, TooLarge
from platform_site.core.transactions import write_transaction

TRACE_ID: Final = re.compile(r"[A-Za-z0-9][\w-]{0,63}", re.ASCII)
STATES: Final = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
PROMPTS_TAG: Final = "mlflow.linkedPrompts"
SOURCE_RUN: Final = "mlflow.sourceRun"

MAX_LABELS: Final = 1_000
MAX_KEY: Final = 250
MAX_TEXT: Final = 100_000
MAX_LINKED: Final = 100
MAX_MS: Final = 253_402_300_799_999


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDraft:
    """A client's own summary of a trace; times in ms, None where it says nothing."""

    trace_id: str
    request_ms: int
    duration_ms: int | None = None
    state: str = "STATE_UNSPECIFIED"
    client_request_id: str = ""
    request_preview: str | None = None
    response_preview: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    assessments: Sequence[AssessmentDraft] = ()


def put_trace(*, experiment: Experiment, draft: TraceDraft) -> Trace:
    """Keep what the client says of a trace, before or after its spans; a repeat changes nothing.

    Raises:
        Invalid: for an id, time, tag or state that cannot be.
        NotFound: when another project has a trace of this id.
    """
    _check_draft(draft)
    with write_transaction():
        _require_active(experiment)
        trace = locked_traces(experiment, [draft.trace_id], draft.request_ms)[draft.trace_id]
        trace.experiment = experiment
        trace.is_told = True
        trace.request_ms, trace.duration_ms = draft.request_ms, draft.duration_ms
        trace.state = draft.state
        trace.client_request_id = storable(draft.client_request_id)
        if draft.request_preview is not None:
            trace.request_preview = storable(draft.request_preview)
        if draft.response_preview is not None:
            trace.response_preview = storable(draft.response_preview)
        trace.name = storable(draft.tags.get(NAME_TAG, ""))[:500] or trace.name
        trace.save()
        put_labels(trace, TraceLabel.Kind.TAG, draft.tags)
        put_labels(trace, TraceLabel.Kind.METADATA, draft.metadata)
        _link_source(experiment, [trace], draft.metadata.get(SOURCE_RUN, ""))
        keep_assessments(trace, draft.assessments)
    return trace


def add_spans(*, experiment: Experiment, spans: Sequence[SpanDraft], run_uuid: str = "") -> int:
    """Keep the spans, making their traces as needed; returns how many; all of them or none.

    Args:
        experiment: where traces that are not known yet belong.
        spans: of any number of traces; a span that came before is replaced.
        run_uuid: the run that the traces belong to, if the sender names one.

    Raises:
        Invalid: when the experiment is deleted.
        NotFound: when another project has a trace of one of these ids.
        TooLarge: when a span, or the number of spans of a trace, exceeds its limit.
    """
    by_trace: dict[str, dict[str, SpanDraft]] = {}
    for span in spans:
        check_span_size(span)
        by_trace.setdefault(span.trace_id, {})[span.span_id] = span
    summaries = {key: summary_of([*group.values()]) for key, group in by_trace.items()}
    with write_transaction():
        _require_active(experiment)
        first_ms = {key: summary.start_ms for key, summary in summaries.items()}
        traces = locked_traces(experiment, sorted(by_trace), first_ms)
        for trace_id, group in by_trace.items():
            put_spans(traces[trace_id], group)
            _take_summary(traces[trace_id], summaries[trace_id])
        _link_source(experiment, list(traces.values()), run_uuid)
    return sum(len(group) for group in by_trace.values())


def set_trace_tag(*, trace: Trace, key: str, value: str) -> None:
    """Give the trace this tag, or the tag this value.

    Raises:
        Invalid: for a bad key or a tag that the server keeps itself.
    """
    _check_tag_key(key)
    with write_transaction():
        if key == NAME_TAG:
            Trace.objects.filter(pk=trace.pk).update(name=storable(value)[:500])
        else:
            put_labels(trace, TraceLabel.Kind.TAG, {key: value})


def delete_trace_tag(*, trace: Trace, key: str) -> None:
    """Take the tag from the trace.

    Raises:
        Invalid: for a tag that the server keeps itself.
        NotFound: when the trace has no such tag.
    """
    _check_tag_key(key)
    with write_transaction():
        if key == NAME_TAG:
            gone = Trace.objects.filter(pk=trace.pk).exclude(name="").update(name="")
        else:
            gone, _ = trace.labels.filter(kind=TraceLabel.Kind.TAG, key=key).delete()
        if not gone:
            raise NotFound(f"No trace tag with key '{key}' for trace with ID '{trace.trace_id}'.")


def link_traces(*, run: Run, trace_ids: Sequence[str]) -> int:
    """Say that the run made or looked at these traces; ids that its project lacks are left out.

    Raises:
        Invalid: for more than 100 traces at once.
    """
    if len(trace_ids) > MAX_LINKED:
        raise Invalid(f"Cannot link more than {MAX_LINKED} traces to a run in a single request.")
    with write_transaction():
        traces = Trace.objects.filter(
            trace_id__in=trace_ids, experiment__project_id=run.project_id
        ).values_list("pk", flat=True)
        edges = [TraceRun(trace_id=pk, run=run) for pk in traces]
        TraceRun.objects.bulk_create(edges, ignore_conflicts=True)
    return len(edges)


def link_prompts(*, trace: Trace, versions: Sequence[tuple[str, str]]) -> None:
    """Note which versions of prompts the trace used, as (name, version); known ones stay once.

    Raises:
        Invalid: for more than 100 versions at once.
    """
    if len(versions) > MAX_LINKED:
        raise Invalid(f"Cannot link more than {MAX_LINKED} prompts to a trace at once.")
    with write_transaction():
        Trace.objects.select_for_update().get(pk=trace.pk)
        tag = trace.labels.filter(kind=TraceLabel.Kind.TAG, key=PROMPTS_TAG).first()
        known = prompts_in(tag.value if tag else "")
        known += [pair for pair in dict.fromkeys(versions) if pair not in known]
        text = json_text([{"name": name, "version": version} for name, version in known])
        if len(text) > MAX_VALUE:
            raise TooLarge("The trace is linked to too many prompts.")
        put_rows(trace, TraceLabel.Kind.TAG, {PROMPTS_TAG: text}, replace=True)


def delete_traces(
    *,
    experiment: Experiment,
    up_to_ms: int | None = None,
    max_traces: int | None = None,
    trace_ids: Sequence[str] = (),
) -> int:
    """Delete traces by id, or the oldest ones up to a moment; returns how many.

    Many traces go in steps of 500, each a transaction, so that other writers are not kept waiting.

    Raises:
        Invalid: unless exactly one of moment and ids is given, or for a bad number.
    """
    _check_deletion(up_to_ms, max_traces, trace_ids)
    chosen = Trace.objects.filter(experiment=experiment)
    if trace_ids:
        chosen = chosen.filter(trace_id__in=trace_ids)
    else:
        chosen = chosen.filter(request_ms__lte=up_to_ms)
    keys = list(chosen.order_by("request_ms", "trace_id").values_list("pk", flat=True)[:max_traces])
    n_deleted = 0
    for start in range(0, len(keys), CHUNK):
        with write_transaction():
            _delete_files(experiment, keys[start : start + CHUNK])
            _, by_model = Trace.objects.filter(pk__in=keys[start : start + CHUNK]).delete()
            n_deleted += by_model.get(Trace._meta.label, 0)
    return n_deleted


def _delete_files(experiment: Experiment, keys: Sequence[int]) -> None:
    """Delete what clients stored beside these traces; most experiments have no such files."""
    folder = files_folder(experiment)
    if not files_below(experiment.project_id, folder).exists():
        return
    for trace_id in Trace.objects.filter(pk__in=keys).values_list("trace_id", flat=True):
        files_below(experiment.project_id, f"{folder}/{trace_id}").delete()


def prompts_in(text: str) -> list[tuple[str, str]]:
    """Return the versions of prompts in a tag's text as (name, version); none in another text."""
    try:
        return [(str(one["name"]), str(one["version"])) for one in json.loads(text or "[]")]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _check_deletion(up_to_ms: int | None, max_traces: int | None, trace_ids: Sequence[str]) -> None:
    if (up_to_ms is None) == (not trace_ids):
        raise Invalid("Either `max_timestamp_millis` or `trace_ids` must be specified, not both.")
    if trace_ids and max_traces is not None:
        raise Invalid("`max_traces` cannot be specified together with `trace_ids`.")
    if max_traces is not None and max_traces <= 0:
        raise Invalid(f"`max_traces` must be a positive integer, received {max_traces}.")


def _check_draft(draft: TraceDraft) -> None:
    if not TRACE_ID.fullmatch(draft.trace_id):
        raise Invalid(f"Invalid trace ID: '{draft.trace_id[:100]}'.")
    if draft.state not in STATES:
        raise Invalid(f"Invalid trace state: '{draft.state[:100]}'.")
    if not 0 <= draft.request_ms <= MAX_MS or not 0 <= (draft.duration_ms or 0) <= MAX_MS:
        raise Invalid("The times of a trace must lie between 1970 and the far future.")
    if len(draft.client_request_id) > MAX_KEY:
        raise Invalid(f"'client_request_id' is longer than {MAX_KEY} characters.")
    for text in (draft.request_preview, draft.response_preview):
        if text is not None and len(text) > MAX_TEXT:
            raise Invalid(f"A preview is longer than {MAX_TEXT} characters.")
    for labels, what in ((draft.tags, "tags"), (draft.metadata, "pieces of metadata")):
        if len(labels) > MAX_LABELS:
            raise Invalid(f"A trace can have at most {MAX_LABELS} {what}.")
        for key in labels:
            _check_key(key)


def _check_key(key: str) -> None:
    if not key or len(key) > MAX_KEY:
        raise Invalid(f"The key of a tag must have 1 to {MAX_KEY} characters.")


def _check_tag_key(key: str) -> None:
    _check_key(key)
    if key in OWN_TAGS:
        raise Invalid(f"Tag '{key}' is immutable on a trace.")


def _require_active(experiment: Experiment) -> None:
    lifecycle = Experiment.objects.filter(pk=experiment.pk).values_list("lifecycle", flat=True)
    if lifecycle.first() != Lifecycle.ACTIVE:
        raise Invalid(f"The experiment {experiment.pk} must be in the 'active' state.")


def _take_summary(trace: Trace, summary: TraceSummary) -> None:
    """Let the trace follow its spans, except in what the client has told itself."""
    before = _told(trace)
    tags = {key: value for key, value in summary.tags.items() if 0 < len(key) <= MAX_KEY}
    name = tags.pop(NAME_TAG, "")
    if not trace.is_told:
        ends = [end for end in (summary.end_ms, _end_of(trace)) if end is not None]
        trace.request_ms = min(trace.request_ms, summary.start_ms)
        trace.duration_ms = max(ends) - trace.request_ms if ends else None
        trace.state = summary.state or trace.state
        trace.name = storable(name)[:500] or trace.name or storable(summary.name)
    trace.request_preview = trace.request_preview or storable(summary.request_preview)
    trace.response_preview = trace.response_preview or storable(summary.response_preview)
    if _told(trace) != before:
        trace.save()
    put_labels(trace, TraceLabel.Kind.TAG, tags, replace=not trace.is_told)
    put_labels(trace, TraceLabel.Kind.METADATA, summary.metadata, replace=False)


def _told(trace: Trace) -> tuple[object, ...]:
    """Return what spans can change of their trace."""
    return (
        trace.request_ms,
        trace.duration_ms,
        trace.state,
        trace.name,
        trace.request_preview,
        trace.response_preview,
    )


def _end_of(trace: Trace) -> int | None:
    return None if trace.duration_ms is None else trace.request_ms + trace.duration_ms


def _link_source(experiment: Experiment, traces: Iterable[Trace], run_uuid: str) -> None:
    """Tie the traces to the run, if the trace's project has one of this id."""
    if not run_uuid:
        return
    run = Run.objects.filter(uuid=run_uuid, project_id=experiment.project_id).only("pk").first()
    if run is not None:
        TraceRun.objects.bulk_create(
            [TraceRun(trace=trace, run=run) for trace in traces], ignore_conflicts=True
        )
