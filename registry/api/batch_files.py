"""Downloads of predicted files: Parquet as stored, or a CSV that no spreadsheet executes."""

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from assets.storage import blob_path
from experiments.api.prediction_files import engine_file
from platform_site.core.errors import Invalid
from platform_site.core.file_answers import file_answer
from registry.models import PredictionBatch
from registry.services.predictions import require_output

EXPORT: Final = "models.export"
FORMATS: Final = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def batch_answer(request: HttpRequest, batch: PredictionBatch, kind: str) -> HttpResponseBase:
    """Return the finished predictions as a streamed download.

    Raises:
        Invalid: for another format than csv and parquet.
        Conflict: when they are not there (yet).
        Unavailable: when writing the CSV takes too long.
    """
    if kind not in FORMATS:
        raise Invalid(f"'as' must be one of {', '.join(FORMATS)}.", field="as")
    path = blob_path(require_output(batch))
    is_draft = kind == "csv"
    if is_draft:
        path = engine_file(EXPORT, {"path": str(path)}, suffix=".csv")
    name = f"predictions-{batch.pk}.{kind}"
    return file_answer(request, path, file_name=name, content_type=FORMATS[kind], delete=is_draft)
