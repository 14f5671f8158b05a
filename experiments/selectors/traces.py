"""What pages and clients read of traces, with one query per table however many there are."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from experiments.models import Assessment, Span, Trace, TraceLabel

SIZE_STATS: Final = "mlflow.trace.sizeStats"
NAME_TAG: Final = "mlflow.traceName"
LOCATION_TAG: Final = "mlflow.artifactLocation"
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class TraceDetails:
    """A trace with its labels and what was said about it."""

    trace: Trace
    tags: dict[str, str]
    metadata: dict[str, str]
    assessments: list[Assessment]

    @property
    def artifact_location(self) -> str:
        """Where clients put files of this trace."""
        root = self.trace.experiment.artifact_location
        return f"{root}/traces/{self.trace.trace_id}/artifacts"

    @property
    def promised_spans(self) -> int:
        """How many spans the client said there are, 0 when it did not say."""
        try:
            stats = json.loads(self.metadata.get(SIZE_STATS, "{}"))
            return int(stats.get("num_spans", 0))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return 0


def traces_by_id(trace_ids: Iterable[str]) -> list[Trace]:
    """Return the traces of these ids with their experiments, in the order asked for."""
    wanted = list(dict.fromkeys(trace_ids))
    found: dict[str, Trace] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = Trace.objects.filter(trace_id__in=wanted[start : start + CHUNK])
        found |= {row.trace_id: row for row in rows.select_related("experiment")}
    return [found[one] for one in wanted if one in found]


def traces_by_number(numbers: Sequence[int]) -> list[Trace]:
    """Return the traces of these numbers with their experiments, in the order asked for."""
    found = Trace.objects.select_related("experiment").in_bulk(list(numbers))
    return [found[one] for one in numbers if one in found]


def details_of(traces: Sequence[Trace]) -> list[TraceDetails]:
    """Return the traces with tags, metadata and assessments, in the same order."""
    keys = [trace.pk for trace in traces]
    found = {
        trace.pk: TraceDetails(trace, {NAME_TAG: trace.name} if trace.name else {}, {}, [])
        for trace in traces
    }
    labels = TraceLabel.objects.filter(trace_id__in=keys).order_by("key")
    for key, kind, name, value in labels.values_list("trace_id", "kind", "key", "value"):
        into = found[key].tags if kind == TraceLabel.Kind.TAG else found[key].metadata
        into[name] = value
    rows = Assessment.objects.filter(trace_id__in=keys).select_related("overrides")
    for row in rows.order_by("created_ms", "id"):
        found[row.trace_id].assessments.append(row)
    for details in found.values():
        details.tags[LOCATION_TAG] = details.artifact_location
    return list(found.values())


def spans_by_trace(traces: Iterable[Trace]) -> dict[int, list[Span]]:
    """Return each trace's spans, the root first, then as they began."""
    found: dict[int, list[Span]] = {trace.pk: [] for trace in traces}
    for span in Span.objects.filter(trace_id__in=found).order_by("start_ns", "id"):
        found[span.trace_id].append(span)
    for spans in found.values():
        spans.sort(key=lambda span: bool(span.parent_id))
    return found
