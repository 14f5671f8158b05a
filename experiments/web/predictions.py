"""Pages of predictions for held-out rows: table, export, reasons of further rows."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from assets.storage import blob_path
from experiments.access import get_run
from experiments.api.prediction_files import predictions_answer
from experiments.api.training import predictions_page
from experiments.models import DatasetVersion, Run
from experiments.services.runs import require_report
from experiments.web.predictions_page import (
    MAX_EXPLAINED,
    parse_query,
    prediction_row,
    predictions_view,
    tested_version,
)
from experiments.web.run_page import run_frame, snapshot_number
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Conflict, DomainError, Invalid
from platform_site.core.paging import parse_whole_number
from platform_site.jobs import engine_host

EXPLAIN_TIMEOUT_S = 30.0


@login_needed
@require_safe
def run_predictions(request: HttpRequest, uuid: str) -> HttpResponse:
    """Predictions for the held-out rows, filtered and sorted by the engine."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    report = require_report(run)
    context: dict[str, Any] = {"frame": run_frame(request, run, tab="predictions", after=after)}
    status = 200
    try:
        query = parse_query(request.GET.dict())
        page = predictions_page(run, query.params())
        labels = report.result.get("classes") or []
        context["table"] = predictions_view(run, query, page, labels)
    except DomainError as error:
        if error.status not in {400, 422}:
            raise
        context["error"], status = error.message, error.status
    return render(request, "experiments/predictions.html", context, status=status)


@login_needed
@require_safe
def predictions_export(request: HttpRequest, uuid: str) -> HttpResponseBase:
    """Send the filtered predictions as CSV or Parquet."""
    run = get_run(request.user, uuid)
    return predictions_answer(request, run, request.GET.dict())


@login_needed
@require_safe
def run_explain(request: HttpRequest, uuid: str) -> HttpResponse:
    """Reasons for rows that the evaluation did not explain; for a script the reasons alone."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    is_part = bool(request.headers.get("HX-Request"))
    try:
        rows = [prediction_row(run, row) for row in _explained(run, _numbers(request))]
    except DomainError as error:
        if not is_part:
            raise
        return render(request, "experiments/prediction_why.html", {"error": error.message})
    if is_part:
        return render(request, "experiments/prediction_why.html", {"row": rows[0]})
    context = {"frame": run_frame(request, run, tab="predictions", after=after), "rows": rows}
    return render(request, "experiments/run_explain.html", context)


def _numbers(request: HttpRequest) -> list[int]:
    numbers = [parse_whole_number(text, "row", 0) for text in request.GET.getlist("row")]
    unique = list(dict.fromkeys(numbers))
    if not 1 <= len(unique) <= MAX_EXPLAINED:
        raise Invalid(f"Name 1 to {MAX_EXPLAINED} rows.", field="row")
    return unique


def _explained(run: Run, numbers: list[int]) -> list[dict[str, Any]]:
    version = tested_version(run)
    if run.model_blob is None or not run.model_manifest or version is None:
        raise Conflict("This run has no model to explain.")
    table = _with_table(version)
    if table.table_blob is None or any(number >= (table.n_rows or 0) for number in numbers):
        raise Invalid(f"The table has {table.n_rows or 0:,} rows.", field="row")
    answer = engine_host.call(
        "models.explain",
        {
            "model_path": str(blob_path(run.model_blob.sha256)),
            "manifest": run.model_manifest,
            "table_path": str(blob_path(table.table_blob.sha256)),
            "schema": table.table_schema,
            "row_numbers": numbers,
        },
        timeout_s=EXPLAIN_TIMEOUT_S,
    )
    results: list[dict[str, Any]] = answer["results"]
    return results


def _with_table(version: DatasetVersion) -> DatasetVersion:
    return DatasetVersion.objects.select_related("table_blob").defer("profile").get(pk=version.pk)
