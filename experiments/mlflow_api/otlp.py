"""Spans in an OTLP request: protobuf or JSON, plain or compressed, into drafts.

The protobuf libraries are loaded by the first request, so that a server that sees no traces does
not carry them.
"""

import base64
import json
import zlib
from collections.abc import Iterable
from typing import Any, Final

from experiments.tracking.spans import (
    ERROR,
    MAX_NS,
    OK,
    REQUEST_ID,
    TRACE_PREFIX,
    UNSET,
    SpanDraft,
    attribute_text,
    finite_or_text,
    storable,
)
from platform_site.core.errors import Invalid, TooLarge

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_SPANS_PER_REQUEST: Final = 20_000
STATUS_CODES: Final = {1: OK, 2: ERROR}
KINDS: Final = {
    1: "SPAN_KIND_INTERNAL",
    2: "SPAN_KIND_SERVER",
    3: "SPAN_KIND_CLIENT",
    4: "SPAN_KIND_PRODUCER",
    5: "SPAN_KIND_CONSUMER",
}
_ID_FIELDS: Final = ("traceId", "spanId", "parentSpanId")
_NO_PARENT: Final = b"\x00" * 8


def read_spans(body: bytes, media_type: str, encoding: str = "") -> list[SpanDraft]:
    """Return the spans of an export request.

    Raises:
        Invalid: for another media type or encoding, broken bytes, or a span that cannot be.
        TooLarge: when the request unpacks to more than 64 MiB or has more than 20,000 spans.
    """
    plain = _unpacked(body, encoding.strip().lower())
    kind = media_type.partition(";")[0].strip().lower()
    if kind == PROTOBUF:
        request = _from_protobuf(plain)
    elif kind == JSON:
        request = _from_json(plain)
    else:
        raise Invalid(f"Invalid Content-Type: expected {PROTOBUF} or {JSON}.")
    if not request.resource_spans:
        raise Invalid("Invalid OpenTelemetry format - no spans found.")
    count = sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)
    if count > MAX_SPANS_PER_REQUEST:
        raise TooLarge(f"A request may hold {MAX_SPANS_PER_REQUEST} spans; this one has {count}.")
    drafts: list[SpanDraft] = []
    for one in request.resource_spans:
        resource = _resource(one.resource.attributes)
        for scope in one.scope_spans:
            drafts += [_draft(span, resource) for span in scope.spans]
    return drafts


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        plain = body[: MAX_BYTES + 1]
    elif encoding == "gzip":
        plain = _inflated(body, 16 + zlib.MAX_WBITS)
    elif encoding == "deflate":
        bits = zlib.MAX_WBITS if body[:1] and body[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
        plain = _inflated(body, bits)
    else:
        raise Invalid("Unsupported Content-Encoding: expected gzip or deflate.")
    if len(plain) > MAX_BYTES:
        raise TooLarge(f"A request for spans may unpack to {MAX_BYTES} bytes at most.")
    return plain


def _inflated(body: bytes, bits: int) -> bytes:
    stream = zlib.decompressobj(bits)
    try:
        plain = stream.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise Invalid("Failed to decompress the payload.") from error
    if not stream.eof and len(plain) <= MAX_BYTES:
        raise Invalid("Failed to decompress the payload: it ends too early.")
    return plain


def _from_protobuf(body: bytes) -> Any:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise Invalid("Invalid OpenTelemetry format.") from error
    return request


def _from_json(body: bytes) -> Any:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        content = json.loads(body)
        _ids_to_base64(content)
        return json_format.ParseDict(
            content, ExportTraceServiceRequest(), ignore_unknown_fields=True
        )
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error) as error:
        raise Invalid("Invalid OpenTelemetry format.") from error


def _ids_to_base64(content: Any) -> None:
    """Write ids, which OTLP JSON has in hexadecimal, as protobuf's JSON wants them."""
    for resource_spans in content.get("resourceSpans") or []:
        for scope in resource_spans.get("scopeSpans") or []:
            for span in scope.get("spans") or []:
                for holder in [span, *(span.get("links") or [])]:
                    for name in _ID_FIELDS:
                        if holder.get(name):
                            raw = bytes.fromhex(holder[name])
                            holder[name] = base64.b64encode(raw).decode("ascii")


def _draft(span: Any, resource: dict[str, str]) -> SpanDraft:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise Invalid("A span's trace_id must have 16 bytes that are not all zero.")
    if len(span.span_id) != 8 or not any(span.span_id):
        raise Invalid("A span's span_id must have 8 bytes that are not all zero.")
    if len(span.parent_span_id) not in {0, 8}:
        raise Invalid("A span's parent_span_id must have 8 bytes, or none.")
    if max(span.start_time_unix_nano, span.end_time_unix_nano) > MAX_NS:
        raise Invalid("A span's times lie too far in the future.")
    trace_id = TRACE_PREFIX + span.trace_id.hex()
    has_parent = span.parent_span_id not in {b"", _NO_PARENT}
    attributes = {storable(one.key): attribute_text(_value(one.value)) for one in span.attributes}
    attributes[REQUEST_ID] = attribute_text(trace_id)
    return SpanDraft(
        trace_id=trace_id,
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if has_parent else "",
        name=span.name,
        kind=KINDS.get(span.kind, ""),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano or None,
        status_code=STATUS_CODES.get(span.status.code, UNSET),
        status_message=span.status.message,
        attributes=attributes,
        events=[
            {
                "name": event.name,
                "time_unix_nano": min(event.time_unix_nano, MAX_NS),
                "attributes": _plain(event.attributes),
            }
            for event in span.events
        ],
        links=[
            {
                "trace_id": TRACE_PREFIX + link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": _plain(link.attributes),
            }
            for link in span.links
            if len(link.trace_id) == 16 and len(link.span_id) == 8
        ],
        resource=resource,
    )


def _resource(attributes: Iterable[Any]) -> dict[str, str]:
    values = _plain(attributes)
    return {
        key: value if isinstance(value, str) else attribute_text(value)
        for key, value in values.items()
    }


def _plain(attributes: Iterable[Any]) -> dict[str, Any]:
    return {one.key: finite_or_text(_value(one.value)) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(inner) for inner in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _value(one.value) for one in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return getattr(value, kind)
