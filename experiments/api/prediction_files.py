"""Downloads of a run's predictions: the rows that pass the filters, as safe CSV or Parquet."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from assets.storage import blob_path, temp_dir
from experiments import access
from experiments.models import Run
from experiments.services.runs import require_report
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.file_answers import file_answer
from platform_site.jobs.engine_host import EngineHost

EXPORT: Final = "runs.export_predictions"
EXPORT_TIMEOUT_S: Final = 180.0
FORMATS: Final = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
PREDICTION_FILTERS: Final = (
    "actual",
    "prediction",
    "correct",
    "min_confidence",
    "max_confidence",
    "min_error",
    "row",
    "has_reasons",
)


def prediction_filters(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters that parameters name; empty ones do not count."""
    return {name: params[name] for name in PREDICTION_FILTERS if params.get(name)}


def prediction_sort(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the order that parameters name: a column, with '-' before it for descending."""
    sort = str(params.get("sort") or "")
    if not sort:
        return None
    return {"column": sort.removeprefix("-"), "descending": sort.startswith("-")}


def predictions_answer(
    request: HttpRequest, run: Run, params: Mapping[str, Any]
) -> HttpResponseBase:
    """Return the filtered predictions as a streamed download; ``as`` is csv or parquet.

    Raises:
        Invalid: for another format.
        Conflict: when the run has no predictions.
        Unprocessable: naming a filter or sort column that does not fit.
    """
    kind = params.get("as") or "csv"
    if kind not in FORMATS:
        raise Invalid(f"'as' must be one of {', '.join(FORMATS)}.", field="as")
    blob = require_report(run).predictions_blob
    if blob is None:
        raise Conflict("This run has no predictions.")
    payload = {
        "path": str(blob_path(blob.sha256)),
        "fmt": kind,
        "filters": prediction_filters(params),
        "sort": prediction_sort(params),
    }
    path = engine_file(EXPORT, payload, suffix=f".{kind}")
    name = f"predictions-{run.uuid[:8]}.{kind}"
    return file_answer(request, path, file_name=name, content_type=FORMATS[kind], delete=True)


def engine_file(call: str, payload: Mapping[str, Any], *, suffix: str) -> Path:
    """Let an engine of its own write a file, so that pages keep theirs; return where it lies.

    Args:
        call: an engine-host call that takes ``out_path``.
        payload: the rest of what it takes.
        suffix: of the file.

    Raises:
        Unprocessable: for a mistake that the engine names.
        Unavailable: when writing takes longer than three minutes.
    """
    handle = tempfile.NamedTemporaryFile(  # the name outlives the handle
        dir=temp_dir(), prefix="export-", suffix=suffix, delete=False
    )
    handle.close()
    draft, finished = Path(handle.name), False
    host = EngineHost()
    try:
        host.call(call, {**payload, "out_path": str(draft)}, timeout_s=EXPORT_TIMEOUT_S)
        finished = True
    finally:
        host.close()
        if not finished:
            draft.unlink(missing_ok=True)
    return draft


class PredictionsFileView(APIView):
    """The predictions as a file."""

    access_rule = "api"

    @extend_schema(
        tags=["training"],
        parameters=[
            OpenApiParameter("as", str, enum=list(FORMATS)),
            OpenApiParameter("sort", str),
            *(OpenApiParameter(name, str) for name in PREDICTION_FILTERS),
        ],
        responses={(200, "application/octet-stream"): bytes},
    )
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        """Download the predictions that pass the filters."""
        run = access.get_training_job(request.user, job_id)
        plain = request._request  # DRF offers no other way
        return predictions_answer(plain, run, request.query_params)
