"""A training job's events over polling and SSE, under the job's own address."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view, renderer_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import access
from experiments.events.runs import run_topic
from platform_site.core.access_rules import declare
from platform_site.core.json_parser import CleanJSONRenderer
from platform_site.events.streams import EventStreamRenderer, poll_topic, stream_topic


class TrainingEventsView(APIView):
    """Events of the job's run, polled."""

    access_rule = "api"

    @extend_schema(
        tags=["training"],
        parameters=[OpenApiParameter("after", int), OpenApiParameter("limit", int)],
        responses=OpenApiResponse(description="{events: [{seq, kind, data, at}], next}"),
    )
    def get(self, request: Request, job_id: int) -> Response:
        """Return the events after a number; ask again with after=next."""
        run = access.get_training_job(request.user, job_id)
        return Response(poll_topic(request, run_topic(run.uuid)))


@declare("api")
@extend_schema(
    tags=["training"],
    description="Server-sent events `events` and `heartbeat`; resumes at `Last-Event-ID`.",
    responses={(200, "text/event-stream"): OpenApiTypes.STR},
)
@api_view(["GET"])
@renderer_classes([EventStreamRenderer, CleanJSONRenderer])
def training_stream(request: Request, job_id: int) -> StreamingHttpResponse:
    """Follow the job's run."""
    run = access.get_training_job(request.user, job_id)
    return stream_topic(request, run_topic(run.uuid))
