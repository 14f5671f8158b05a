"""The rows page: its address (sort, filters, window) and the table it shows."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.web import figures
from platform_site.core.errors import Invalid
from platform_site.core.paging import Window, parse_whole_number, parse_window

PAGE_ROWS: Final = 50
MAX_PAGE_ROWS: Final = 500
SHOWN_COLUMNS: Final = 60
MAX_FILTERS: Final = 20
MAX_CELL_CHARS: Final = 300
OPERATORS: Final = {
    "contains": _("contains"),
    "eq": _("is"),
    "ne": _("is not"),
    "lt": _("is less than"),
    "le": _("is at most"),
    "gt": _("is greater than"),
    "ge": _("is at least"),
    "is_null": _("is missing"),
    "not_null": _("is not missing"),
}
NEEDS_NO_VALUE: Final = frozenset({"is_null", "not_null"})


@dataclass(frozen=True)
class Filter:
    """One condition."""

    column: str
    op: str
    value: str

    @property
    def op_label(self) -> str | Promise:
        """The operator in words."""
        return OPERATORS.get(self.op, self.op)


@dataclass(frozen=True)
class TableQuery:
    """What the address asks for."""

    offset: int = 0
    limit: int = PAGE_ROWS
    sort: str = ""
    descending: bool = False
    filters: tuple[Filter, ...] = ()
    column_offset: int = 0

    @property
    def window(self) -> Window:
        """The rows."""
        return Window(limit=self.limit, offset=self.offset)

    def engine_filters(self) -> list[dict[str, Any]]:
        """Return the filters in the engine's shape."""
        return [dataclasses.asdict(one) for one in self.filters]

    def address(self, **changes: Any) -> str:
        """Return the query string of this table with some things changed."""
        query = dataclasses.replace(self, **changes)
        pairs: list[tuple[str, str]] = []
        for one in query.filters:
            pairs += [("fc", one.column), ("fo", one.op), ("fv", one.value)]
        if query.sort:
            pairs += [("sort", query.sort)]
        if query.descending:
            pairs += [("descending", "1")]
        for name, value, default in (
            ("offset", query.offset, 0),
            ("limit", query.limit, PAGE_ROWS),
            ("columns_from", query.column_offset, 0),
        ):
            if value != default:
                pairs.append((name, str(value)))
        return "?" + urlencode(pairs)


@dataclass(frozen=True)
class Heading:
    """A column's head with the address that sorts by it."""

    name: str
    icon: str
    unit: str
    description: str
    is_number: bool
    sort_address: str
    aria_sort: str


@dataclass(frozen=True)
class Cell:
    """A cell as text."""

    text: str
    is_null: bool
    is_number: bool


@dataclass(frozen=True)
class TableView:
    """The table with everything around it."""

    headings: list[Heading]
    rows: list[tuple[str, list[Cell]]]
    total: str
    range_text: str
    previous_address: str
    next_address: str
    filters: list[tuple[Filter, str]]
    clear_address: str
    columns_text: str
    columns_previous: str
    columns_next: str


def parse_table_query(params: QueryDict) -> TableQuery:
    """Return the query of an address.

    Raises:
        Invalid: naming the parameter that does not fit.
    """
    window = parse_window(params, default_limit=PAGE_ROWS, max_limit=MAX_PAGE_ROWS)
    columns, ops, values = params.getlist("fc"), params.getlist("fo"), params.getlist("fv")
    if not len(columns) == len(ops) == len(values) or len(columns) > MAX_FILTERS:
        raise Invalid("The filters in the address are incomplete.", field="filters")
    filters = tuple(
        Filter(column=column, op=op, value=value)
        for column, op, value in zip(columns, ops, values, strict=True)
        if column and (value or op in NEEDS_NO_VALUE)
    )
    return TableQuery(
        offset=window.offset,
        limit=window.limit,
        sort=params.get("sort", ""),
        descending=params.get("descending", "") == "1",
        filters=filters,
        column_offset=parse_whole_number(params.get("columns_from"), "columns_from", 0, high=10**6),
    )


def shown_columns(query: TableQuery, schema: dict[str, Any]) -> list[str]:
    """Return the names of the columns that fit on one page."""
    names = [column["name"] for column in schema["columns"]]
    return names[query.column_offset : query.column_offset + SHOWN_COLUMNS] or names[:SHOWN_COLUMNS]


def table_view(query: TableQuery, page: dict[str, Any], schema: dict[str, Any]) -> TableView:
    """Return the page of rows that the engine gave, ready to show."""
    total, end = int(page["total"]), query.offset + len(page["rows"])
    known = {column["name"]: column for column in schema["columns"]}
    headings = [_heading(query, column, known[column["name"]]) for column in page["columns"]]
    n_columns, last = len(known), query.column_offset + len(headings)
    return TableView(
        headings=headings,
        rows=table_rows(page["columns"], page["rows"], page["row_numbers"]),
        total=figures.number(total),
        range_text=f"{query.offset + 1:,}–{end:,} / {total:,}"
        if page["rows"]
        else f"0 / {total:,}",
        previous_address=query.address(offset=max(0, query.offset - query.limit))
        if query.offset
        else "",
        next_address=query.address(offset=end) if end < total else "",
        filters=[
            (one, query.address(offset=0, filters=tuple(f for f in query.filters if f is not one)))
            for one in query.filters
        ],
        clear_address=query.address(offset=0, filters=()),
        columns_text=f"{query.column_offset + 1:,}–{last:,} / {n_columns:,}"
        if n_columns > SHOWN_COLUMNS
        else "",
        columns_previous=query.address(column_offset=max(0, query.column_offset - SHOWN_COLUMNS))
        if query.column_offset
        else "",
        columns_next=query.address(column_offset=last) if last < n_columns else "",
    )


def table_rows(
    columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[Any]], numbers: Sequence[int]
) -> list[tuple[str, list[Cell]]]:
    """Return (row number counted from 1, cells) for each row."""
    numeric = [column["type"] in ("integer", "number") for column in columns]
    return [
        (
            f"{number + 1:,}",
            [_cell(value, is_number=flag) for value, flag in zip(row, numeric, strict=True)],
        )
        for number, row in zip(numbers, rows, strict=True)
    ]


def _cell(value: Any, *, is_number: bool) -> Cell:
    if value is None:
        return Cell(text="", is_null=True, is_number=is_number)
    # The stored value as it is: a rounded or grouped number would be another value.
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if len(text) > MAX_CELL_CHARS:
        text = text[:MAX_CELL_CHARS] + "…"
    return Cell(text=text, is_null=False, is_number=is_number)


def _heading(query: TableQuery, column: dict[str, Any], schema: dict[str, Any]) -> Heading:
    name = column["name"]
    is_sorted = query.sort == name
    if is_sorted and query.descending:
        address = query.address(sort="", descending=False, offset=0)
    else:
        address = query.address(sort=name, descending=is_sorted, offset=0)
    direction = "descending" if query.descending else "ascending"
    return Heading(
        name=name,
        icon=("sort-descending" if query.descending else "sort-ascending") if is_sorted else "",
        unit=schema.get("unit") or "",
        description=schema.get("description") or "",
        is_number=column["type"] in ("integer", "number"),
        sort_address=address,
        aria_sort=direction if is_sorted else "",
    )
