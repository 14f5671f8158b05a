"""Spans on their way into the database, and what a trace's spans say about the trace."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from platform_site.core.errors import TooLarge

TRACE_PREFIX: Final = "tr-"
REQUEST_ID: Final = "mlflow.traceRequestId"
INPUTS: Final = "mlflow.spanInputs"
OUTPUTS: Final = "mlflow.spanOutputs"
SPAN_TYPE: Final = "mlflow.spanType"
TRACE_TAG_PREFIX: Final = "mlflow.traceTag."
SESSION_ATTRIBUTES: Final = ("session.id", "gen_ai.conversation.id")
USER_ATTRIBUTE: Final = "user.id"

MAX_NAME: Final = 1000
MAX_SPAN_TYPE: Final = 100
MAX_PREVIEW: Final = 1000
MAX_ATTRIBUTES: Final = 1_000
MAX_EVENTS: Final = 5_000
MAX_LINKS: Final = 1_000
MAX_SPAN_BYTES: Final = 16 * 1024 * 1024
MAX_NS: Final = 2**63 - 1

OK: Final = "OK"
ERROR: Final = "ERROR"
UNSET: Final = "UNSET"
IN_PROGRESS: Final = "IN_PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanDraft:
    """A span as it is going to be stored; times in ns since 1970, `end_ns` None while it runs.

    `attributes` maps names to JSON text; `resource` says who made the span.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start_ns: int
    end_ns: int | None
    status_code: str
    status_message: str
    attributes: dict[str, str]
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    resource: Mapping[str, str] = field(default_factory=dict)

    @property
    def span_type(self) -> str:
        """What the client calls this kind of step, empty when it says nothing."""
        return plain_value(self.attributes.get(SPAN_TYPE))[:MAX_SPAN_TYPE]


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What spans of one trace say about it; `state` is empty as long as no root span came."""

    start_ms: int
    end_ms: int | None
    state: str
    name: str
    request_preview: str
    response_preview: str
    tags: dict[str, str]
    metadata: dict[str, str]


def storable(text: str) -> str:
    """Return the text without what PostgreSQL or UTF-8 cannot hold (NUL, half surrogates)."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def json_text(value: Any) -> str:
    """Return the value as compact JSON text with letters as they are."""
    return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def attribute_text(value: Any) -> str:
    """Return an attribute's value as the JSON text that clients read back."""
    return storable(json.dumps(value, ensure_ascii=False))


def attribute_value(text: str) -> Any:
    """Return the value behind an attribute's JSON text, or the text if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def plain_value(text: str | None) -> str:
    """Return an attribute's value as text, empty for none."""
    if text is None:
        return ""
    value = attribute_value(text)
    return value if isinstance(value, str) else text


def finite_or_text(value: Any) -> Any:
    """Return the value with NaN and infinities as text, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list):
        return [finite_or_text(inner) for inner in value]
    if isinstance(value, dict):
        return {str(key): finite_or_text(inner) for key, inner in value.items()}
    return value


def check_span_size(span: SpanDraft) -> None:
    """Refuse a span that is too large to keep.

    Raises:
        TooLarge: naming the span and the limit.
    """
    for count, limit, what in (
        (len(span.attributes), MAX_ATTRIBUTES, "attributes"),
        (len(span.events), MAX_EVENTS, "events"),
        (len(span.links), MAX_LINKS, "links"),
    ):
        if count > limit:
            raise TooLarge(f"Span {span.span_id} has {count} {what}; at most {limit} are kept.")
    size = sum(len(key) + len(text) for key, text in span.attributes.items())
    if size > MAX_SPAN_BYTES:
        raise TooLarge(
            f"The attributes of span {span.span_id} hold {size} characters;"
            f" at most {MAX_SPAN_BYTES} are kept."
        )


def summary_of(spans: Sequence[SpanDraft]) -> TraceSummary:
    """Return what these spans of one trace say about it; at least one span."""
    ends = [span.end_ns for span in spans if span.end_ns is not None]
    root = next((span for span in spans if not span.parent_id), None)
    return TraceSummary(
        start_ms=min(span.start_ns for span in spans) // 1_000_000,
        end_ms=max(ends) // 1_000_000 if ends else None,
        state=_state_of(root),
        name=root.name[:500] if root else "",
        request_preview=_preview(root, INPUTS),
        response_preview=_preview(root, OUTPUTS),
        tags=_tags_of(spans, root),
        metadata=_metadata_of(spans),
    )


def _state_of(root: SpanDraft | None) -> str:
    if root is None or root.end_ns is None:
        return ""
    return ERROR if root.status_code == ERROR else OK


def _preview(root: SpanDraft | None, key: str) -> str:
    return cut(root.attributes.get(key, ""), MAX_PREVIEW) if root else ""


def cut(text: str, limit: int) -> str:
    """Return the text, at most `limit` characters long, with dots where it was cut."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _tags_of(spans: Iterable[SpanDraft], root: SpanDraft | None) -> dict[str, str]:
    tags: dict[str, str] = {}
    for span in spans:
        if span.resource:
            tags |= {
                key: value
                for key, value in span.resource.items()
                if not key.startswith(("telemetry.sdk.", "mlflow."))
            }
            break
    for key, text in (root.attributes if root else {}).items():
        if key.startswith(TRACE_TAG_PREFIX) and key != TRACE_TAG_PREFIX:
            tags[key.removeprefix(TRACE_TAG_PREFIX)] = plain_value(text)
    return tags


def _metadata_of(spans: Iterable[SpanDraft]) -> dict[str, str]:
    found: dict[str, str] = {}
    for span in spans:
        for name in SESSION_ATTRIBUTES:
            if name in span.attributes:
                found.setdefault("mlflow.trace.session", plain_value(span.attributes[name]))
        if USER_ATTRIBUTE in span.attributes:
            found.setdefault("mlflow.trace.user", plain_value(span.attributes[USER_ATTRIBUTE]))
    return {key: value for key, value in found.items() if value}
