"""What pages show of traces: lists newest first, and one trace's spans as a tree in time."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from experiments.models import Assessment, Experiment, Run, Span, Trace
from experiments.selectors.trace_files import spans_in_file
from experiments.tracking.spans import ERROR, INPUTS, OUTPUTS, REQUEST_ID, attribute_value
from platform_site.core.errors import Invalid
from platform_site.core.paging import make_token, read_token

PAGE_SIZE: Final = 50
SHOWN_SPANS: Final = 300
MAX_SHOWN_CHARS: Final = 20_000
MAX_READ_CHARS: Final = 200_000
MAX_DEPTH: Final = 12
TOKEN_SALT: Final = "traces-page"  # noqa: S105  # names the list
LIGHT: Final = (
    "id", "span_id", "parent_id", "name", "span_type", "start_ns", "end_ns", "status_code",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TraceLine:
    """A trace in a list; `said` holds what counts of what was said about it."""

    trace: Trace
    n_spans: int
    n_failed: int
    said: list[Assessment]


@dataclass(frozen=True, slots=True)
class SpanLine:
    """A span in the tree; where it begins and how long it is, in thousandths of the whole."""

    span: Span
    depth: int
    begins: int
    length: int

    @property
    def is_failed(self) -> bool:
        """Whether it ended in an error."""
        return self.span.status_code == ERROR

    @property
    def shown_depth(self) -> int:
        """How far it is indented; very deep trees stop moving."""
        return min(self.depth, MAX_DEPTH)

    @property
    def duration_ns(self) -> int | None:
        """How long it took, None while it goes on."""
        return None if self.span.end_ns is None else self.span.end_ns - self.span.start_ns


@dataclass(frozen=True, slots=True)
class SpanContent:
    """What a span holds, as texts that are cut when they are long."""

    inputs: str
    outputs: str
    attributes: list[tuple[str, str]]
    events: list[tuple[str, list[tuple[str, str]]]]
    links: list[tuple[str, str]]


def traces_of_run(run: Run, token: str = "") -> tuple[list[TraceLine], str]:
    """Return a page of the traces that the run made or looked at, and the next page's token.

    Raises:
        Invalid: for a token of another list.
    """
    return _page(Trace.objects.filter(run_edges__run=run), token, f"run:{run.pk}")


def traces_of_experiment(experiment: Experiment, token: str = "") -> tuple[list[TraceLine], str]:
    """Return a page of the experiment's traces, and the next page's token.

    Raises:
        Invalid: for a token of another list.
    """
    mine = Trace.objects.filter(experiment=experiment)
    return _page(mine, token, f"experiment:{experiment.pk}")


def _page(traces: QuerySet[Trace], token: str, name: str) -> tuple[list[TraceLine], str]:
    if token:
        at_ms, last = _position(token, name)
        behind = Q(request_ms=at_ms, trace_id__gt=last)
        traces = traces.filter(Q(request_ms__lt=at_ms) | behind, request_ms__lte=at_ms)
    rows = list(traces.order_by("-request_ms", "trace_id")[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    following = ""
    if len(rows) > PAGE_SIZE:
        position = {"list": name, "at": shown[-1].request_ms, "id": shown[-1].trace_id}
        following = make_token(position, salt=TOKEN_SALT)
    return _lines(shown), following


def _position(token: str, name: str) -> tuple[int, str]:
    position = read_token(token, salt=TOKEN_SALT)
    at_ms, last = position.get("at"), position.get("id")
    if position.get("list") != name or not isinstance(at_ms, int) or not isinstance(last, str):
        raise Invalid("The page token is not valid for this list.", code="bad_page_token")
    return at_ms, last


def _lines(traces: Sequence[Trace]) -> list[TraceLine]:
    keys = [trace.pk for trace in traces]
    counts = {
        key: (n_spans, n_failed)
        for key, n_spans, n_failed in Span.objects.filter(trace_id__in=keys)
        .values_list("trace_id")
        .annotate(n=Count("id"), failed=Count("id", filter=Q(status_code=ERROR)))
    }
    said: dict[int, list[Assessment]] = {key: [] for key in keys}
    valid = Assessment.objects.filter(trace_id__in=keys, is_valid=True).order_by("name", "id")
    for one in valid:
        said[one.trace_id].append(one)
    return [
        TraceLine(trace, *counts.get(trace.pk, (0, 0)), said=said[trace.pk]) for trace in traces
    ]


def span_tree(trace: Trace) -> list[SpanLine]:
    """Return the trace's spans, each behind its parent, siblings as they began; one light query.

    Where the database has none, those that the client stored as a file.

    A span whose parent is not here, or that is its own ancestor, stands as a root.
    """
    spans = list(Span.objects.filter(trace=trace).only(*LIGHT).order_by("start_ns", "id"))
    spans = spans or sorted(spans_in_file(trace), key=lambda span: (span.start_ns, -span.pk))
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    ordered = list(_walk(children.get("", ()), children))
    if len(ordered) < len(spans):
        seen = {span.span_id for span, _ in ordered}
        ordered += [(span, 0) for span in spans if span.span_id not in seen]
    return _in_time(ordered)


def _walk(roots: Iterable[Span], children: dict[str, list[Span]]) -> Iterable[tuple[Span, int]]:
    waiting = [(span, 0) for span in reversed(list(roots))]
    while waiting:
        span, depth = waiting.pop()
        yield span, depth
        inner = children.get(span.span_id, [])
        waiting += [(one, depth + 1) for one in reversed(inner)]


def _in_time(ordered: list[tuple[Span, int]]) -> list[SpanLine]:
    if not ordered:
        return []
    first = min(span.start_ns for span, _ in ordered)
    last = max(max(span.end_ns or span.start_ns, span.start_ns) for span, _ in ordered)
    whole = max(last - first, 1)
    lines = []
    for span, depth in ordered:
        begins = min((span.start_ns - first) * 1000 // whole, 998)
        length = (max(span.end_ns or last, span.start_ns) - span.start_ns) * 1000 // whole
        lines.append(SpanLine(span, depth, begins, max(2, min(length, 1000 - begins))))
    return lines


def contents_of(spans: Iterable[Span]) -> dict[int, SpanContent]:
    """Return what the spans hold, by their numbers; one query for those in the database."""
    wanted = list(spans)
    stored = [span.pk for span in wanted if span.pk > 0]
    rows = Span.objects.filter(pk__in=stored) if stored else wanted
    return {row.pk: _content(row) for row in rows}


def _content(span: Span) -> SpanContent:
    attributes: dict[str, str] = json.loads(span.attributes)
    hidden = {INPUTS, OUTPUTS, REQUEST_ID}
    return SpanContent(
        inputs=pretty(attributes.get(INPUTS)),
        outputs=pretty(attributes.get(OUTPUTS)),
        attributes=[(key, pretty(text)) for key, text in attributes.items() if key not in hidden],
        events=[
            (str(event.get("name", "")), _pairs(event.get("attributes") or {}))
            for event in json.loads(span.events)
        ],
        links=[(link["trace_id"], link["span_id"]) for link in json.loads(span.links)],
    )


def _pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(key, shortened(_as_text(value))) for key, value in values.items()]


def pretty(text: str | None) -> str:
    """Return an attribute's JSON text as people read it, cut when it is long."""
    if text is None or len(text) > MAX_READ_CHARS:
        return shortened(text or "")
    return shortened(_as_text(attribute_value(text)))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        return "…"


def shortened(text: str) -> str:
    """Return the text, cut when it is long."""
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"
