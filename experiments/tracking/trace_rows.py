"""Rows of traces, written inside a caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Final

from experiments.models import Experiment, Span, Trace, TraceLabel
from experiments.tracking.spans import IN_PROGRESS, MAX_NAME, SpanDraft, cut, json_text, storable
from platform_site.core.errors import NotFound, TooLarge

NAME_TAG: Final = "mlflow.traceName"
LOCATION_TAG: Final = "mlflow.artifactLocation"
SPANS_TAG: Final = "mlflow.trace.spansLocation"
OWN_TAGS: Final = (LOCATION_TAG, SPANS_TAG)
IN_DATABASE: Final = "TRACKING_STORE"
MAX_SPANS: Final = 20_000
MAX_VALUE: Final = 8_000
CHUNK: Final = 500


def locked_traces(
    experiment: Experiment, trace_ids: Sequence[str], first_ms: Mapping[str, int] | int
) -> dict[str, Trace]:
    """Return the traces by id, made if new, locked in the order of their ids.

    Raises:
        NotFound: when another project has a trace of one of these ids.
    """
    found: dict[str, Trace] = {}
    for start in range(0, len(trace_ids), CHUNK):
        wanted = trace_ids[start : start + CHUNK]
        known = _rows_locked(wanted)
        missing = [key for key in wanted if key not in known]
        if missing:
            new = [
                Trace(
                    trace_id=key,
                    experiment=experiment,
                    request_ms=first_ms if isinstance(first_ms, int) else first_ms[key],
                    state=IN_PROGRESS,
                )
                for key in missing
            ]
            Trace.objects.bulk_create(new, ignore_conflicts=True)
            known |= _rows_locked(missing)
        found |= known
    others = {row.experiment_id for row in found.values()} - {experiment.pk}
    if others:
        owners = Experiment.objects.filter(pk__in=others).exclude(project_id=experiment.project_id)
        if owners.exists():
            raise NotFound("A trace with this ID is not found in this project.")
    return found


def _rows_locked(trace_ids: Sequence[str]) -> dict[str, Trace]:
    rows = Trace.objects.filter(trace_id__in=trace_ids).order_by("trace_id")
    return {row.trace_id: row for row in rows.select_for_update(of=("self",))}


def put_spans(trace: Trace, spans: Mapping[str, SpanDraft]) -> None:
    """Store the trace's spans by their ids, in the place of those that are there.

    Raises:
        TooLarge: when the trace would have too many.
    """
    n_others = trace.spans.count()
    if not n_others:
        put_rows(trace, TraceLabel.Kind.TAG, {SPANS_TAG: IN_DATABASE}, replace=True)
    if n_others + len(spans) > MAX_SPANS:
        n_others -= trace.spans.filter(span_id__in=list(spans)[:MAX_SPANS]).count()
        if n_others + len(spans) > MAX_SPANS:
            raise TooLarge(f"Trace {trace.trace_id} would have more than {MAX_SPANS} spans.")
    Span.objects.bulk_create(
        [_row(trace, span) for span in spans.values()],
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["trace", "span_id"],
        update_fields=[
            "parent_id", "name", "kind", "span_type", "start_ns", "end_ns", "status_code",
            "status_message", "attributes", "events", "links",
        ],
    )  # fmt: skip


def _row(trace: Trace, span: SpanDraft) -> Span:
    return Span(
        trace=trace,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=storable(span.name)[:MAX_NAME],
        kind=span.kind,
        span_type=storable(span.span_type),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        status_code=span.status_code,
        status_message=storable(span.status_message),
        attributes=json_text(span.attributes),
        events=json_text(span.events),
        links=json_text(span.links),
    )


def put_labels(
    trace: Trace, kind: TraceLabel.Kind, labels: Mapping[str, str], *, replace: bool = True
) -> None:
    """Store tags or metadata of a client; what the server keeps itself is left out."""
    kept = {key: value for key, value in labels.items() if key not in OWN_TAGS and key != NAME_TAG}
    put_rows(trace, kind, kept, replace=replace)


def put_rows(
    trace: Trace, kind: TraceLabel.Kind, labels: Mapping[str, str], *, replace: bool
) -> None:
    """Store tags or metadata; those that are there stay unless they are to be replaced."""
    cleaned = {storable(key): cut(storable(value), MAX_VALUE) for key, value in labels.items()}
    rows = [
        TraceLabel(trace=trace, kind=kind, key=key, value=value) for key, value in cleaned.items()
    ]
    if replace:
        TraceLabel.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["trace", "kind", "key"],
            update_fields=["value"],
        )
    else:
        TraceLabel.objects.bulk_create(rows, ignore_conflicts=True)
