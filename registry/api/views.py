"""API of registered models: list, register, look, predict."""

from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from assets.storage import blob_path
from experiments.access import get_run
from platform_site.accounts.access import signed_in, visible_projects
from platform_site.accounts.current import project_for
from platform_site.accounts.models import Project
from platform_site.core.errors import Invalid
from platform_site.core.file_answers import file_answer
from platform_site.core.json_parser import StrictJSONParser
from platform_site.core.paging import parse_window
from registry import access
from registry.api.batch_files import batch_answer
from registry.api.serializers import (
    ModelPatchIn,
    PredictIn,
    RegisterIn,
    VersionPatchIn,
    batch_row,
    model_row,
    version_detail,
    version_row,
)
from registry.selectors import batches_of, model_rows, versions_of, with_versions
from registry.services.models import describe_model
from registry.services.predictions import (
    PredictionFile,
    own_model,
    predict_rows,
    start_batch,
)
from registry.services.versions import edit_card, register_run

TAG = ["models"]
PAGING = [OpenApiParameter("limit", int), OpenApiParameter("offset", int)]


def _project(request: Request) -> Project | None:
    """Return the project that the caller names, None when it names none."""
    named = request.headers.get("X-Assay-Project") or request.query_params.get("project")
    return project_for(request, "read") if named else None


class ModelsView(APIView):
    """All registered models."""

    access_rule = "api"

    @extend_schema(
        operation_id="models",
        tags=TAG,
        parameters=[*PAGING, OpenApiParameter("search", str), OpenApiParameter("sort", str)],
        responses=OpenApiResponse(description="Models with their versions"),
    )
    def get(self, request: Request) -> Response:
        """List the models of your projects with their versions."""
        window = parse_window(request.query_params)
        project = _project(request)
        projects = visible_projects(request.user)
        rows = model_rows(
            projects.filter(pk=project.pk) if project else projects,
            search=request.query_params.get("search", "")[:200],
            sort=request.query_params.get("sort", "-updated"),
        )
        page = list(with_versions(rows)[window.offset : window.offset + window.limit + 1])
        more = len(page) > window.limit
        return Response(
            {
                "results": [model_row(model) for model in page[: window.limit]],
                "next_offset": window.offset + window.limit if more else None,
            }
        )

    @extend_schema(tags=TAG, request=RegisterIn, responses={201: OpenApiResponse()})
    def post(self, request: Request) -> Response:
        """Register a run's model as the next version under a name."""
        body = RegisterIn(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        run = get_run(request.user, wanted["run"], need="write")
        version = register_run(
            run=run,
            name=wanted["name"],
            by=signed_in(request.user),
            description=wanted["description"],
        )
        fresh = access.get_version(
            request.user, version.model.name, version.number, project=run.project
        )
        return Response(version_detail(fresh), status=201)


class ModelView(APIView):
    """One registered model."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="The model with its versions"))
    def get(self, request: Request, name: str) -> Response:
        """Show the model with its versions."""
        model = access.get_model(request.user, name, project=_project(request))
        found = with_versions(type(model).objects.filter(pk=model.pk)).get()
        return Response(model_row(found))

    @extend_schema(tags=TAG, request=ModelPatchIn, responses=OpenApiResponse())
    def patch(self, request: Request, name: str) -> Response:
        """Change the description."""
        model = access.get_model(request.user, name, project=_project(request), need="write")
        body = ModelPatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        describe_model(model=model, description=body.validated_data["description"])
        return self.get(request, name)


class VersionView(APIView):
    """One version of a model."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="Lineage, schema, card"))
    def get(self, request: Request, name: str, number: int) -> Response:
        """Show lineage, metrics, input schema and card."""
        version = access.get_version(request.user, name, number, project=_project(request))
        return Response(version_detail(version))

    @extend_schema(tags=TAG, request=VersionPatchIn, responses=OpenApiResponse())
    def patch(self, request: Request, name: str, number: int) -> Response:
        """Change the model card."""
        version = access.get_version(
            request.user, name, number, project=_project(request), need="write"
        )
        body = VersionPatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        edit_card(version=version, card=body.validated_data["card"])
        return self.get(request, name, number)


class VersionFileView(APIView):
    """The model file."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses={(200, "application/octet-stream"): bytes})
    def get(self, request: Request, name: str, number: int) -> StreamingHttpResponse:
        """Download the skops file; its SHA-256 is in the version."""
        version = access.get_version(request.user, name, number, project=_project(request))
        blob, _ = own_model(version)
        return file_answer(
            request._request,  # DRF offers no other way
            blob_path(blob.sha256),
            file_name=f"{version.model.name}-v{version.number}.skops",
        )


class PredictView(APIView):
    """Predictions of a version."""

    access_rule = "api"
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(
        tags=TAG,
        request={
            "application/json": PredictIn,
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
            },
        },
        responses={200: OpenApiResponse(description="{predictions, warnings}"), 202: OpenApiResponse(description="The job that predicts the file")},
    )  # fmt: skip
    def post(self, request: Request, name: str, number: int) -> Response:
        """Predict up to 1,000 rows at once, or a file as a job."""
        project = _project(request)
        if request.FILES:
            version = access.get_version(request.user, name, number, project=project, need="write")
            return self._predict_file(request, version)
        version = access.get_version(request.user, name, number, project=project)
        body = PredictIn(data=request.data)
        body.is_valid(raise_exception=True)
        answer = predict_rows(
            version, body.validated_data["rows"], explain=body.validated_data["explain"]
        )
        return Response({"model": name, "version": number, **answer})

    @staticmethod
    def _predict_file(request: Request, version: Any) -> Response:
        files = request.FILES.getlist("file")
        if len(files) != 1:
            raise Invalid("Send exactly one file in the form field 'file'.", field="file")
        file = PredictionFile(files[0].chunks(1 << 20), files[0].name or "rows")
        batch = start_batch(version=version, file=file, by=signed_in(request.user))
        return Response(batch_row(batch), status=202)


class BatchesView(APIView):
    """Files that a version has predicted."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="The newest files"))
    def get(self, request: Request, name: str, number: int) -> Response:
        """List the newest files of predictions."""
        version = access.get_version(request.user, name, number, project=_project(request))
        return Response({"results": [batch_row(batch) for batch in batches_of(version)]})


class BatchView(APIView):
    """One file of predictions."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="State of the job"))
    def get(self, request: Request, batch_id: int) -> Response:
        """Show how far the job is."""
        return Response(batch_row(access.get_batch(request.user, batch_id)))


class BatchResultView(APIView):
    """The finished predictions of a file."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[OpenApiParameter("as", str, enum=["parquet", "csv"])],
        responses={(200, "application/octet-stream"): bytes},
    )
    def get(self, request: Request, batch_id: int) -> HttpResponseBase:
        """Download the predictions as Parquet, or as CSV that no spreadsheet executes."""
        batch = access.get_batch(request.user, batch_id)
        kind = request.query_params.get("as", "parquet")
        return batch_answer(request._request, batch, kind)  # DRF offers no other way


class ModelVersionsView(APIView):
    """The versions of a model, paged."""

    access_rule = "api"

    @extend_schema(
        operation_id="model_versions",
        tags=TAG,
        parameters=PAGING,
        responses=OpenApiResponse(description="Versions"),
    )
    def get(self, request: Request, name: str) -> Response:
        """List the versions, newest first."""
        model = access.get_model(request.user, name, project=_project(request))
        window = parse_window(request.query_params)
        rows = versions_of(model)[window.offset : window.offset + window.limit]
        return Response({"results": [version_row(version) for version in rows]})
