"""A table of runs as a CSV file, sent page by page while it is read."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from experiments.models import Run
from experiments.selectors.run_columns import Column
from experiments.selectors.run_search import RunScope
from experiments.selectors.run_table import TablePage, TableQuery, TableRow, table_page
from experiments.web.csv_cells import csv_lines
from experiments.web.table_query import TableAddress
from platform_site.core.errors import Invalid
from platform_site.core.ids import RUN_ID

PAGE_ROWS: Final = 500
MOST_CHOSEN: Final = 500
ALWAYS: Final = ("run_id", "run_name", "experiment", "status", "user_id", "start_time", "end_time")


def csv_answer(
    request: HttpRequest, scope: RunScope, address: TableAddress, uuids: list[str]
) -> HttpResponseBase:
    """Return the found runs as a download; the filter is tried before the first byte is sent.

    Raises:
        Invalid: for a filter that is none, or more than 500 chosen runs.
    """
    query = TableQuery(
        scope=scope,
        filter_text=_filter(address, uuids),
        order_by=address.order_by,
        view=address.view or ("all" if uuids else "active"),
        columns=tuple(one for one in address.cols if one.kind != "attributes") or None,
        limit=PAGE_ROWS,
    )
    first = table_page(query)
    query = replace(query, columns=first.columns)
    # Django reads a whole sync iterator into memory under ASGI.
    chunks = _sent(query, first) if isinstance(request, ASGIRequest) else _chunks(query, first)
    answer = StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="runs.csv"'
    return answer


def _filter(address: TableAddress, uuids: list[str]) -> str:
    if not uuids:
        return address.filter_text
    if len(uuids) > MOST_CHOSEN or not all(map(RUN_ID.fullmatch, uuids)):
        raise Invalid(f"'runs' must be 1 to {MOST_CHOSEN} ids of runs.", field="runs")
    listed = ", ".join(f"'{one}'" for one in uuids)
    return f"attributes.run_id IN ({listed})"


async def _sent(query: TableQuery, first: TablePage) -> AsyncIterator[bytes]:
    pieces = _chunks(query, first)
    following = sync_to_async(lambda: next(pieces, b""))
    while piece := await following():
        yield piece


def _chunks(query: TableQuery, first: TablePage) -> Iterator[bytes]:
    columns = (*(Column("attributes", key) for key in ALWAYS), *first.columns)
    names = (one.key if one.kind == "attributes" else one.id for one in columns)
    page = first
    yield csv_lines([names, *(_cells(row, columns) for row in page.rows)])
    while page.next_token:
        page = table_page(replace(query, token=page.next_token))
        yield csv_lines(_cells(row, columns) for row in page.rows)


def _cells(row: TableRow, columns: tuple[Column, ...]) -> list[Any]:
    return [
        _attribute(row.run, one.key) if one.kind == "attributes" else _value(row, one)
        for one in columns
    ]


def _value(row: TableRow, column: Column) -> Any:
    value = row.values.get(column.id)
    is_nan = value is None and column.kind == "metrics" and column.id in row.values
    return "NaN" if is_nan else value


def _attribute(run: Run, key: str) -> Any:
    values: dict[str, Any] = {
        "run_id": run.uuid,
        "run_name": run.name,
        "experiment": run.experiment.name,
        "status": run.status,
        "user_id": run.user_name or str(run.created_by),
        "start_time": _moment(run.started_at),
        "end_time": _moment(run.ended_at),
    }
    return values[key]


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds") if at else ""
