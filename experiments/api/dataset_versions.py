"""API of dataset versions: look, profile, rows, targets, read again, download."""

from typing import Any, Final

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments.access import get_version
from experiments.api import dataset_serializers as shapes
from experiments.api.dataset_downloads import FORMATS, download_answer
from experiments.api.datasets import TAG, refuse_unknown_params, uploaded
from experiments.models import DatasetVersion, TargetAnalysis
from experiments.selectors import datasets as selectors
from experiments.selectors.dataset_rows import read_rows, refuse_unready
from experiments.services import datasets
from experiments.services.target_analysis import analyse_target, check_column
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.json_parser import parse_strict
from platform_site.core.paging import parse_window

MAX_FILTER_CHARS: Final = 20_000
ROW_PARAMS: Final = frozenset({"limit", "offset", "sort", "descending", "filters", "columns"})


class VersionView(APIView):
    """One version."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=shapes.DatasetVersionDetailOut)
    def get(self, request: Request, dataset_id: int, number: int) -> Response:
        """Show a version with its schema, reading report and difference to the one before."""
        version = get_version(request.user, dataset_id, number)
        return Response(shapes.version_detail_json(version))

    @extend_schema(tags=TAG, responses={204: None})
    def delete(self, request: Request, dataset_id: int, number: int) -> Response:
        """Throw away a version that could not be read; an emptied dataset goes with it."""
        version = get_version(request.user, dataset_id, number, need="write")
        datasets.discard_failed_version(version=version)
        return Response(status=204)


class ProfileView(APIView):
    """What was found in a version."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=shapes.DatasetProfileOut)
    def get(self, request: Request, dataset_id: int, number: int) -> Response:
        """Show the profile: columns, correlations, missing values, warnings."""
        version = get_version(request.user, dataset_id, number)
        refuse_unready(version)
        return Response(selectors.profile_of(version))


class RowsView(APIView):
    """Rows of a version."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[
            OpenApiParameter("limit", int, description="Rows at most, 1 to 1000."),
            OpenApiParameter("offset", int, description="Rows to skip."),
            OpenApiParameter("sort", str, description="Column to sort by."),
            OpenApiParameter("descending", bool),
            OpenApiParameter(
                "filters",
                str,
                description='JSON list of {"column", "op", "value"}; op: eq, ne, lt, le, gt, ge,'
                " contains, is_null, not_null, in.",
            ),
            OpenApiParameter("columns", str, many=True, description="Only these columns."),
        ],
        responses=shapes.DatasetRowsOut,
    )
    def get(self, request: Request, dataset_id: int, number: int) -> Response:
        """Read a page of rows."""
        refuse_unknown_params(request, ROW_PARAMS)
        params = request.query_params
        version = get_version(request.user, dataset_id, number)
        page = read_rows(
            version,
            window=parse_window(params),
            sort=params.get("sort", ""),
            descending=_yes_or_no(params.get("descending", ""), "descending"),
            filters=_parse_filters(params.get("filters", "")),
            columns=params.getlist("columns"),
        )
        return Response(page)


class TargetAnalysisView(APIView):
    """A column seen as a target."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[OpenApiParameter("target", str, required=True)],
        responses=shapes.TargetAnalysisOut,
    )
    def get(self, request: Request, dataset_id: int, number: int) -> Response:
        """Show the analysis of a column, once somebody has asked for it."""
        version = get_version(request.user, dataset_id, number)
        target = request.query_params.get("target", "")
        check_column(version, target, field="target")
        analysis = selectors.target_analysis(version, target)
        if analysis is None:
            raise NotFound(f"Nobody has analysed “{target}” yet. POST the target to start.")
        return Response(_analysis_json(analysis))

    @extend_schema(
        tags=TAG,
        request=shapes.TargetAnalysisIn,
        responses={200: shapes.TargetAnalysisOut, 202: shapes.TargetAnalysisOut},
    )
    def post(self, request: Request, dataset_id: int, number: int) -> Response:
        """Ask for the analysis of a column: 200 when it is there, 202 while it is made."""
        version = get_version(request.user, dataset_id, number, need="write")
        body = shapes.TargetAnalysisIn(data=request.data)
        body.is_valid(raise_exception=True)
        analysis = analyse_target(
            version=version, target=body.validated_data["target"], by=request.user
        )
        ready = analysis.status == DatasetVersion.Status.READY
        return Response(_analysis_json(analysis), status=200 if ready else 202)


class ReadAgainView(APIView):
    """Another reading of the same bytes."""

    access_rule = "api"

    @extend_schema(tags=TAG, request=shapes.ReadAgainIn, responses={202: shapes.DatasetUploadOut})
    def post(self, request: Request, dataset_id: int, number: int) -> Response:
        """Read a failed version again with other options; with a name, any version as new dataset."""
        version = get_version(request.user, dataset_id, number, need="write")
        body = shapes.ReadAgainIn(data=request.data)
        body.is_valid(raise_exception=True)
        options = dict(body.validated_data)
        name = options.pop("name", "")
        if name:
            outcome = datasets.read_as_new_dataset(
                version=version, name=name, options=options, by=request.user
            )
        else:
            fresh = datasets.read_again(version=version, options=options, by=request.user)
            outcome = datasets.UploadOutcome(fresh, is_new=False)
        answer = uploaded(outcome)
        answer.status_code = 202
        return answer


class DownloadView(APIView):
    """The bytes of a version."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[OpenApiParameter("as", str, enum=list(FORMATS))],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, dataset_id: int, number: int) -> HttpResponseBase:
        """Download the file as it came (raw), the typed table (parquet) or a safe CSV (csv)."""
        version = get_version(request.user, dataset_id, number)
        plain = request._request  # DRF offers no other way
        return download_answer(plain, version, request.query_params.get("as", "raw"))


def _analysis_json(analysis: TargetAnalysis) -> dict[str, Any]:
    return {
        "target": analysis.target,
        "status": analysis.status,
        "error": analysis.error_message or None,
        "result": analysis.result,
    }


def _yes_or_no(text: str, name: str) -> bool:
    if text.lower() in {"", "false", "no", "0"}:
        return False
    if text.lower() in {"true", "yes", "1"}:
        return True
    raise Invalid(f"'{name}' must be true or false.", field=name)


def _parse_filters(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    if len(text) > MAX_FILTER_CHARS:
        raise Invalid("'filters' is too long.", field="filters")
    filters = parse_strict(text.encode("utf-8", "replace"))
    if not isinstance(filters, list) or not all(isinstance(one, dict) for one in filters):
        raise Invalid("'filters' must be a JSON list of objects.", field="filters")
    return filters
