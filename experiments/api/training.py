"""API of training jobs: start, list, look, control, events, logs, result, predictions."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from assets.storage import blob_path
from experiments import access
from experiments.api.prediction_files import (
    PREDICTION_FILTERS,
    prediction_filters,
    prediction_sort,
)
from experiments.api.training_serializers import (
    ControlIn,
    JobPatchIn,
    TrainingJobIn,
    TrainingJobOut,
    job_detail,
    job_row,
    model_type_row,
)
from experiments.models import DatasetVersion, Run
from experiments.selectors.runs import RunQuery, curves, log_lines, run_page
from experiments.services import run_control
from experiments.services.run_progress import line_data
from experiments.services.runs import require_report, start_training
from experiments.services.training_requests import TrainingRequest
from experiments.training.specs import CATALOGUE
from platform_site.accounts.access import signed_in, visible_projects
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.paging import parse_whole_number, parse_window
from platform_site.jobs import engine_host
from platform_site.jobs.models import Job

TAG = ["training"]
PAGING = [OpenApiParameter("limit", int), OpenApiParameter("offset", int)]


class ModelTypesView(APIView):
    """The catalogue."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="Model types with schemas"))
    def get(self, request: Request) -> Response:
        """List the model types with the JSON schema of their hyperparameters and templates."""
        rows = [model_type_row(name) for name in CATALOGUE]
        return Response({"count": len(rows), "results": rows})


class TrainingJobsView(APIView):
    """All training jobs."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[
            *PAGING,
            OpenApiParameter("status", str),
            OpenApiParameter("model_type", str),
            OpenApiParameter("dataset", int),
            OpenApiParameter("search", str),
            OpenApiParameter("sort", str, enum=["created", "-created", "name", "-name", "score", "-score"]),
        ],
        responses=TrainingJobOut(many=True),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the training jobs of your projects, newest first."""
        params = request.query_params
        window = parse_window(params)
        dataset = params.get("dataset")
        query = RunQuery(
            status=_known_status(params.get("status", "")),
            model_type=params.get("model_type", ""),
            dataset_id=parse_whole_number(dataset, "dataset", 0) if dataset else None,
            search=params.get("search", "")[:200],
            sort=params.get("sort", "-created"),
        )
        runs, more = run_page(visible_projects(request.user), query, window)
        return Response(
            {
                "results": [job_row(run) for run in runs],
                "next_offset": window.offset + window.limit if more else None,
            }
        )

    @extend_schema(tags=TAG, request=TrainingJobIn, responses={202: TrainingJobOut})
    def post(self, request: Request) -> Response:
        """Start a training; refused, naming the field, when the specification cannot work."""
        body = TrainingJobIn(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        version = _version(request, wanted["dataset"], wanted.get("version"), need="write")
        test_version = None
        if wanted["test_dataset"] is not None:
            test_version = _version(
                request, wanted["test_dataset"], wanted.get("test_version"), need="read"
            )
        run = start_training(
            project=version.dataset.project,
            by=signed_in(request.user),
            request=TrainingRequest(
                version=version,
                test_version=test_version,
                **{key: wanted[key] for key in CHOICES if key in wanted},
            ),
        )
        return Response({"id": run.job_id, "run": run.uuid, "status": run.status}, status=202)


CHOICES = (
    "target", "model_type", "task", "hyperparameters", "exclude", "validation", "seed",
    "time_limit_s", "memory_limit_bytes", "positive_class", "register_as", "name", "experiment",
)  # fmt: skip


def _version(request: Request, dataset_id: int, number: int | None, *, need: Any) -> DatasetVersion:
    dataset = access.get_dataset(request.user, dataset_id, need=need)
    versions = DatasetVersion.objects.select_related("dataset__project").filter(dataset=dataset)
    if number is not None:
        version = versions.filter(number=number).first()
        if version is None:
            raise Invalid(f"The dataset has no version {number}.", field="version")
        return version
    newest = versions.order_by("-number").first()
    if newest is None:
        raise Conflict("The dataset has no version yet.", field="dataset")
    return newest


def _known_status(status: str) -> str:
    if status and status not in Job.Status.values:
        raise Invalid(
            f"No such status: choose from {', '.join(Job.Status.values)}.", field="status"
        )
    return status


class TrainingJobView(APIView):
    """One training job."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=TrainingJobOut)
    def get(self, request: Request, job_id: int) -> Response:
        """Show state, progress, metrics and, if it failed, at which stage and why."""
        run = access.get_training_job(request.user, job_id)
        return Response(job_detail(run, for_administrator=request.user.is_superuser))

    @extend_schema(tags=TAG, request=JobPatchIn, responses=TrainingJobOut)
    def patch(self, request: Request, job_id: int) -> Response:
        """Rename the run or change its place in line."""
        run = access.get_training_job(request.user, job_id, need="write")
        body = JobPatchIn(data=request.data)
        body.is_valid(raise_exception=True)
        run_control.edit_run(run=run, **body.validated_data)
        return self.get(request, job_id)


class ControlView(APIView):
    """Pause, resume, stop, retry."""

    access_rule = "api"

    @extend_schema(tags=TAG, request=ControlIn, responses={202: TrainingJobOut})
    def post(self, request: Request, job_id: int) -> Response:
        """Ask for an action; 409 with the reason when the state does not allow it."""
        run = access.get_training_job(request.user, job_id, need="write")
        body = ControlIn(data=request.data)
        body.is_valid(raise_exception=True)
        job = run_control.control_run(run=run, action=body.validated_data["action"])
        return Response({"id": job.pk, "run": run.uuid, "status": job.status}, status=202)


class LogsView(APIView):
    """What the job wrote."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[OpenApiParameter("after", int), OpenApiParameter("limit", int)],
        responses=OpenApiResponse(description="Lines with numbers; ask again with after=next"),
    )
    def get(self, request: Request, job_id: int) -> Response:
        """Return log lines after a number, oldest first."""
        run = access.get_training_job(request.user, job_id)
        after = parse_whole_number(request.query_params.get("after"), "after", 0)
        limit = parse_whole_number(
            request.query_params.get("limit"), "limit", 500, low=1, high=1000
        )
        lines = log_lines(_job(run), after=after, limit=limit)
        return Response(
            {
                "lines": [line_data(line) for line in lines],
                "next": lines[-1].number if lines else after,
            }
        )


class ResultView(APIView):
    """The report."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="The report of the run"))
    def get(self, request: Request, job_id: int) -> Response:
        """Return metrics with intervals and baseline, curves and feature importance."""
        run = access.get_training_job(request.user, job_id)
        report = require_report(run)
        return Response({"run": run.uuid, "status": run.status, **report.result})


class CurvesView(APIView):
    """Metrics over the steps of the training."""

    access_rule = "api"

    @extend_schema(tags=TAG, responses=OpenApiResponse(description="{name: [[step, value], …]}"))
    def get(self, request: Request, job_id: int) -> Response:
        """Return the learning curves."""
        run = access.get_training_job(request.user, job_id)
        return Response({"curves": curves(run)})


class PredictionsView(APIView):
    """Predictions for the held-out rows."""

    access_rule = "api"

    @extend_schema(
        tags=TAG,
        parameters=[
            *PAGING,
            *(OpenApiParameter(name, str) for name in PREDICTION_FILTERS),
            OpenApiParameter("sort", str, description="A column, '-' before it for descending"),
        ],
        responses=OpenApiResponse(description="Rows with prediction, truth and reasons"),
    )
    def get(self, request: Request, job_id: int) -> Response:
        """Return a page of predictions with their reasons."""
        run = access.get_training_job(request.user, job_id)
        return Response(predictions_page(run, request.query_params))


def predictions_page(run: Run, params: Any) -> dict[str, Any]:
    """Return a page of the run's predictions, filtered and sorted.

    Raises:
        Conflict: when the run has no report (yet).
        Unprocessable: naming a filter or sort column that does not fit.
    """
    report = require_report(run)
    blob = report.predictions_blob
    if blob is None:
        raise Conflict("This run has no predictions.")
    window = parse_window(params)
    return engine_host.call(
        "runs.predictions",
        {
            "path": str(blob_path(blob.sha256)),
            "offset": window.offset,
            "limit": window.limit,
            "filters": prediction_filters(params),
            "sort": prediction_sort(params),
        },
    )


def _job(run: Run) -> Any:
    if run.job is None:
        raise Conflict("This run was not started here.")
    return run.job
