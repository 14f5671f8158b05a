"""Live events over HTTP for whoever cannot open a WebSocket: SSE and polling, several topics."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view, renderer_classes
from rest_framework.response import Response

from platform_site.core.access_rules import declare
from platform_site.core.json_parser import CleanJSONRenderer
from platform_site.events.streams import (
    EventStreamRenderer,
    poll_topics,
    requested_places,
    stream_topics,
)

TOPIC = OpenApiParameter(
    "topic",
    str,
    many=True,
    required=True,
    description="`topic` or `topic:number-seen`, repeated; for example `run:7:12`.",
)


@declare("api")
@extend_schema(
    summary="Follow topics as server-sent events",
    description="Named events `events` ({topic, from, to, events}), `heartbeat`, `reset` (too old:"
    " reload), `gone`. Resumes at `Last-Event-ID`.",
    parameters=[TOPIC],
    responses={(200, "text/event-stream"): OpenApiTypes.STR},
)
@api_view(["GET"])
@renderer_classes([EventStreamRenderer, CleanJSONRenderer])
def live_stream(request: Any) -> StreamingHttpResponse:
    """Answer with a stream that ends when the client goes."""
    return stream_topics(request, requested_places(request))


@declare("api")
@extend_schema(
    summary="Poll topics for new events",
    description="Answers {frames: [{topic, from, to, events}], next: {topic: number}} at once.",
    parameters=[TOPIC],
    responses=OpenApiTypes.OBJECT,
)
@api_view(["GET"])
def live_events(request: Any) -> Response:
    """Answer with what is new."""
    return Response(poll_topics(request, requested_places(request)))
