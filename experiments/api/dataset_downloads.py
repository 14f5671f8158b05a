"""Downloads of a version: the file as it came, the typed table, a CSV that no spreadsheet runs."""

import tempfile
from pathlib import Path
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from assets.storage import blob_path, temp_dir
from experiments.models import DatasetVersion
from experiments.selectors.dataset_rows import refuse_unready
from experiments.services.dataset_names import name_from_file
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.file_answers import file_answer
from platform_site.jobs.engine_host import EngineHost

EXPORT: Final = "datasets.export"
EXPORT_TIMEOUT_S: Final = 180.0
FORMATS: Final = {
    "raw": "application/octet-stream",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
}


def download_answer(request: HttpRequest, version: DatasetVersion, kind: str) -> HttpResponseBase:
    """Return the bytes of a version in one of `FORMATS`, streamed.

    Raises:
        Invalid: for another format.
        Conflict: for a table of a version that is not ready.
        NotFound: when the store has lost the bytes.
        Unavailable: when writing the CSV takes too long.
    """
    if kind not in FORMATS:
        raise Invalid(f"'as' must be one of {', '.join(FORMATS)}.", field="as")
    if kind == "csv":
        path, name, is_draft = _write_csv(version), f"{_stem(version)}.csv", True
    elif kind == "parquet":
        refuse_unready(version)
        assert version.table_blob is not None  # noqa: S101  # a constraint of ready versions
        path, is_draft = blob_path(version.table_blob.sha256), False
        name = f"{_stem(version)}.parquet"
    else:
        path, name, is_draft = blob_path(version.blob.sha256), version.file_name, False
    try:
        return file_answer(
            request, path, file_name=name, content_type=FORMATS[kind], delete=is_draft
        )
    except FileNotFoundError as error:
        raise NotFound("These bytes are not in the store any more.") from error


def _stem(version: DatasetVersion) -> str:
    return f"{name_from_file(version.dataset.name)}_v{version.number}"


def _write_csv(version: DatasetVersion) -> Path:
    """Write the CSV with an engine process of its own, so that pages keep theirs."""
    refuse_unready(version)
    assert version.table_blob is not None  # noqa: S101  # a constraint of ready versions
    handle = tempfile.NamedTemporaryFile(  # the name outlives the handle
        dir=temp_dir(), prefix="export-", suffix=".csv", delete=False
    )
    handle.close()
    draft, finished = Path(handle.name), False
    host = EngineHost()
    try:
        host.call(
            EXPORT,
            {
                "table_path": str(blob_path(version.table_blob.sha256)),
                "schema": version.table_schema,
                "out_path": str(draft),
                "fmt": "csv",
                "safe_csv": True,
            },
            timeout_s=EXPORT_TIMEOUT_S,
        )
        finished = True
    finally:
        host.close()
        if not finished:
            draft.unlink(missing_ok=True)
    return draft
