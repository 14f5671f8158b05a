"""Rows of a version's table, read by the engine host."""

from collections.abc import Sequence
from typing import Any, Final

from assets.storage import blob_path
from experiments.models import DatasetVersion
from platform_site.core.errors import Conflict
from platform_site.core.paging import Window
from platform_site.jobs import engine_host

ROWS: Final = "datasets.rows"
ROWS_TIMEOUT_S: Final = 15.0
MAX_PAGE_ROWS: Final = 1000


def refuse_unready(version: DatasetVersion) -> None:
    """Refuse unless the version's table and profile exist.

    Raises:
        Conflict: saying what became of the version.
    """
    if version.status == DatasetVersion.Status.READY:
        return
    if version.status == DatasetVersion.Status.FAILED:
        message = f"Version {version.number} could not be read: {version.error_message}"
    else:
        message = f"Version {version.number} is still being read. Try again in a moment."
    raise Conflict(message, code="not_ready", status=version.status)


def read_rows(
    version: DatasetVersion,
    *,
    window: Window,
    sort: str = "",
    descending: bool = False,
    filters: Sequence[dict[str, Any]] = (),
    columns: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a page of rows: total, columns, rows, row_numbers.

    Raises:
        Conflict: when the version is not ready.
        Unprocessable: for a sort, filter or column that the table does not have.
        Unavailable: when the engine does not answer in time.
    """
    refuse_unready(version)
    assert version.table_blob is not None  # noqa: S101  # a constraint of ready versions
    payload = {
        "table_path": str(blob_path(version.table_blob.sha256)),
        "schema": version.table_schema,
        "offset": window.offset,
        "limit": window.limit,
        "sort": {"column": sort, "descending": descending} if sort else None,
        "filters": list(filters),
        "columns": list(columns) or None,
    }
    return engine_host.call(ROWS, payload, timeout_s=ROWS_TIMEOUT_S)
