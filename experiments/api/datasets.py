"""API of datasets: upload, list, look, change, fetch from sources."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments.access import get_dataset
from experiments.api import dataset_serializers as shapes
from experiments.api.uploads import UPLOAD_PARSERS, read_upload
from experiments.models import Dataset, DatasetVersion
from experiments.selectors import datasets as selectors
from experiments.selectors.dataset_sources import find_source, list_sources
from experiments.services import dataset_sources, datasets
from platform_site.accounts.access import visible_projects
from platform_site.accounts.current import PROJECT_PARAMETER, project_for
from platform_site.accounts.models import Project
from platform_site.core.errors import Invalid
from platform_site.core.paging import parse_whole_number, parse_window

TAG: Final = ["datasets"]
PROJECT: Final = OpenApiParameter(PROJECT_PARAMETER, str, description="Project id or slug.")
LIST_PARAMS: Final = frozenset(
    {"limit", "offset", "search", "status", "source", "archived", "sort", PROJECT_PARAMETER}
)
UPLOAD_REQUEST: Final = {
    "multipart/form-data": shapes.UploadForm,
    "application/octet-stream": bytes,
}


class DatasetsView(APIView):
    """All datasets."""

    access_rule = "api"
    parser_classes = UPLOAD_PARSERS

    @extend_schema(
        tags=TAG,
        operation_id="datasets_list",
        parameters=[
            PROJECT,
            OpenApiParameter("limit", int, description="Datasets at most, 1 to 1000."),
            OpenApiParameter("offset", int, description="Datasets to skip."),
            OpenApiParameter("search", str, description="Part of the name or description."),
            OpenApiParameter("status", str, enum=list(selectors.STATUSES)),
            OpenApiParameter("source", str, enum=list(Dataset.Source.values)),
            OpenApiParameter("archived", str, enum=["yes", "no"]),
            OpenApiParameter("sort", str, enum=list(selectors.ORDERS)),
        ],
        responses=shapes.DatasetListOut,
    )
    def get(self, request: Request) -> Response:
        """List the datasets of your projects, or of one project."""
        refuse_unknown_params(request, LIST_PARAMS)
        query = selectors.parse_query(request.query_params)
        window = parse_window(request.query_params)
        projects = visible_projects(request.user)
        if PROJECT_PARAMETER in request.query_params:
            projects = Project.objects.filter(pk=project_for(request, "read").pk)
        page = selectors.list_datasets(projects, query, window)
        end = window.offset + window.limit
        body = {
            "count": page.total,
            "next_offset": end if end < page.total else None,
            "results": [shapes.dataset_json(row) for row in page.rows],
        }
        return Response(body)

    @extend_schema(
        tags=TAG,
        parameters=[
            PROJECT,
            OpenApiParameter("name", str, description="For raw bodies: the dataset's name."),
            OpenApiParameter("file_name", str, description="For raw bodies: the file's name."),
        ],
        request=UPLOAD_REQUEST,
        responses={201: shapes.DatasetUploadOut},
    )
    def post(self, request: Request) -> Response:
        """Upload a file as a dataset, or as the next version of the dataset of that name.

        The same bytes again are the version they were (``created`` is false). Reading the file
        is a job: follow ``status`` or the topic ``dataset:<id>``.
        """
        project = project_for(request, "write")
        name, upload = read_upload(request, allowed_params=frozenset({PROJECT_PARAMETER}))
        outcome = datasets.upload_version(
            project_id=project.pk, by=request.user, upload=upload, name=name
        )
        return uploaded(outcome)


class DatasetView(APIView):
    """One dataset."""

    access_rule = "api"

    @extend_schema(tags=TAG, operation_id="dataset", responses=shapes.DatasetOut)
    def get(self, request: Request, dataset_id: int) -> Response:
        """Show a dataset with its newest version."""
        dataset = get_dataset(request.user, dataset_id)
        row = selectors.dataset_row(dataset, selectors.newest_version(dataset))
        return Response(shapes.dataset_json(row))

    @extend_schema(tags=TAG, request=shapes.DatasetPatchIn, responses=shapes.DatasetOut)
    def patch(self, request: Request, dataset_id: int) -> Response:
        """Rename, describe, archive or restore a dataset."""
        dataset = get_dataset(request.user, dataset_id, need="write")
        body = shapes.DatasetPatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        change_dataset(dataset, body.validated_data)
        return self.get(request, dataset_id)


class FetchView(APIView):
    """A dataset's source."""

    access_rule = "api"

    @extend_schema(tags=TAG, request=None, responses={202: shapes.DatasetUploadOut})
    def post(self, request: Request, dataset_id: int) -> Response:
        """Fetch the dataset's table from its source again."""
        dataset = get_dataset(request.user, dataset_id, need="write")
        return fetching(dataset_sources.fetch_again(dataset=dataset, by=request.user))


class SourcesView(APIView):
    """Tables that can be fetched."""

    access_rule = "api"

    @extend_schema(
        tags=TAG, operation_id="dataset_sources", responses=shapes.DatasetSourceOut(many=True)
    )
    def get(self, request: Request) -> Response:
        """List what the built-in sources offer."""
        rows = [shapes.DatasetSourceOut(one).data for one in list_sources()]
        return Response({"count": len(rows), "results": rows})

    @extend_schema(
        tags=TAG, request=shapes.DatasetSourceIn, responses={202: shapes.DatasetUploadOut}
    )
    def post(self, request: Request) -> Response:
        """Fetch a table from a source as a dataset."""
        project = project_for(request, "write")
        body = shapes.DatasetSourceIn(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        entry = find_source(wanted["source"], wanted["key"])
        dataset = dataset_sources.add_from_source(
            project_id=project.pk,
            by=request.user,
            source=entry.source,
            source_key=entry.key,
            name=wanted.get("name") or entry.title,
            description=entry.description,
        )
        return fetching(dataset)


class VersionsView(APIView):
    """The versions of a dataset."""

    access_rule = "api"
    parser_classes = UPLOAD_PARSERS

    @extend_schema(
        tags=TAG,
        operation_id="dataset_versions",
        parameters=[
            OpenApiParameter("limit", int, description="Versions at most, 1 to 1000."),
            OpenApiParameter("before", int, description="Only versions below this number."),
        ],
        responses=shapes.DatasetVersionListOut,
    )
    def get(self, request: Request, dataset_id: int) -> Response:
        """List the versions, newest first."""
        refuse_unknown_params(request, frozenset({"limit", "before"}))
        dataset = get_dataset(request.user, dataset_id)
        limit = parse_window(request.query_params).limit
        before = parse_whole_number(request.query_params.get("before"), "before", 0) or None
        rows = selectors.versions_of(dataset, before=before, limit=limit + 1)
        page = rows[:limit]
        return Response(
            {
                "next_before": page[-1].number if len(rows) > limit else None,
                "results": [shapes.version_json(version) for version in page],
            }
        )

    @extend_schema(tags=TAG, request=UPLOAD_REQUEST, responses={201: shapes.DatasetUploadOut})
    def post(self, request: Request, dataset_id: int) -> Response:
        """Upload a file as the next version of this dataset."""
        dataset = get_dataset(request.user, dataset_id, need="write")
        name, upload = read_upload(request, allowed_params=frozenset())
        if name:
            raise Invalid("This dataset has a name; leave 'name' out.", field="name")
        outcome = datasets.upload_version(
            project_id=dataset.project_id, by=request.user, upload=upload, dataset=dataset
        )
        return uploaded(outcome)


def change_dataset(dataset: Dataset, values: dict[str, Any]) -> None:
    """Carry out the changes of a PATCH body, one service each."""
    if "name" in values or "description" in values:
        datasets.update_dataset(
            dataset=dataset, name=values.get("name"), description=values.get("description")
        )
    if "archived" in values:
        shelve = datasets.archive_dataset if values["archived"] else datasets.restore_dataset
        shelve(dataset=dataset)


def refuse_unknown_params(request: Request, known: frozenset[str]) -> None:
    """Refuse query parameters that mean nothing here.

    Raises:
        Invalid: naming one of them.
    """
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise Invalid(
            f"Unknown parameter '{unknown[0][:60]}'. Known: {', '.join(sorted(known))}.",
            field=unknown[0][:60],
        )


def uploaded(outcome: datasets.UploadOutcome) -> Response:
    """Return the answer to an upload."""
    version: DatasetVersion = outcome.version
    body = {
        "id": version.dataset_id,
        "name": version.dataset.name,
        "version": version.number,
        "status": version.status,
        "created": outcome.is_new,
        "sha256": version.blob.sha256,
        "job": version.job_id,
    }
    return Response(body, status=201)


def fetching(dataset: Dataset) -> Response:
    """Return the answer to a wish to fetch."""
    body = {
        "id": dataset.pk,
        "name": dataset.name,
        "version": None,
        "status": DatasetVersion.Status.VALIDATING,
        "created": True,
        "sha256": None,
        "job": dataset.fetch_job_id,
    }
    return Response(body, status=202)
