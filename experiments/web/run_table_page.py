"""What the template of a table of runs shows: headings, rows in groups, addresses."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.models import Run
from experiments.selectors.run_columns import PARENT_TAG, Column, parse_column
from experiments.selectors.run_table import TablePage, TableRow
from experiments.web.figures import number
from experiments.web.table_query import TableAddress

LABELS: Final[dict[str, Any]] = {
    "attributes.status": _("State"),
    "attributes.experiment": _("Experiment"),
    "attributes.data": _("Data and target"),
    "attributes.score": _("Score"),
    "attributes.user_id": _("By"),
    "attributes.start_time": _("Started"),
    "attributes.duration": _("Duration"),
    "attributes.end_time": _("Ended"),
    "attributes.run_id": _("Run id"),
    f"tags.{PARENT_TAG}": _("Parent run"),
}
KIND_LABELS: Final[dict[str, Any]] = {
    "attributes": _("Attributes"),
    "metrics": _("Metrics"),
    "params": _("Params"),
    "tags": _("Tags"),
}
MAX_CELL_CHARS: Final = 200


@dataclass(frozen=True)
class Header:
    """A column's heading; without an address it cannot be sorted by."""

    column: Column
    label: str | Promise
    sort_url: str
    sorted: str


@dataclass(frozen=True)
class Cell:
    """A value as text; attributes are drawn by the template from the run."""

    column: Column
    text: str
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the table, with the heading of the group that begins with it."""

    run: Run
    cells: list[Cell]
    heading: str | None = None
    heading_uuid: str = ""


def column_label(column: Column) -> str | Promise:
    """Return what people call the column; keys keep their own names."""
    label: str | Promise = LABELS.get(column.id, column.key)
    return label


def fixed_columns(page: TablePage, *, with_experiment: bool) -> tuple[Column, ...]:
    """Return the attributes that a table shows unless somebody chose columns."""
    shown = ["status"]
    if with_experiment:
        shown.append("experiment")
    if any(row.run.kind == Run.Kind.TRAINING for row in page.rows):
        shown += ["data", "score"]
    return tuple(Column("attributes", key) for key in (*shown, "user_id", "start_time", "duration"))


def headers(columns: tuple[Column, ...], address: TableAddress) -> list[Header]:
    """Return the headings; a click sorts, a second one turns the order round."""
    current = parse_column(address.sort.removeprefix("-"))
    falling = address.sort.startswith("-")
    made = []
    for column in columns:
        is_current = column == current
        # Numbers and times are wanted greatest first, texts from A to Z.
        first_falls = column.is_number or column.key.endswith("_time")
        falls = (not falling) if is_current else first_falls
        sort = f"{'-' if falls else ''}{column.id}"
        made.append(
            Header(
                column,
                column_label(column),
                address.address(sort=sort) if column.is_sortable else "",
                ("descending" if falling else "ascending") if is_current else "",
            )
        )
    return made


def lines(page: TablePage, columns: tuple[Column, ...], group: Column | None) -> list[Line]:
    """Return the rows; one that begins a group carries the group's heading."""
    made: list[Line] = []
    before: Any = object()
    for row in page.rows:
        cells = [_cell(row, column) for column in columns]
        if group is None:
            made.append(Line(row.run, cells))
            continue
        value = row.values.get(group.id)
        heading = None if value == before and made else _heading(group, value)
        uuid = value if heading is not None and value in page.parents else ""
        named = page.parents.get(value or "", heading) if heading is not None else None
        made.append(Line(row.run, cells, named, uuid or ""))
        before = value
    return made


def _heading(group: Column, value: str | None) -> str:
    if value is not None:
        return value if group.key == PARENT_TAG else f"{group.key} = {value}"
    if group.key == PARENT_TAG:
        return str(_("Runs without a parent"))
    return str(_("Without %(key)s")) % {"key": group.key}


def _cell(row: TableRow, column: Column) -> Cell:
    if column.kind == "attributes":
        return Cell(column, "")
    if column.id not in row.values:
        return Cell(column, "—")
    value = row.values[column.id]
    if column.kind == "metrics":
        return Cell(column, "NaN" if value is None else number(value), _exact(value))
    text = str(value)
    short = text[:MAX_CELL_CHARS]
    return Cell(column, short if short == text else f"{short}…")


def _exact(value: float | None) -> str:
    return "NaN" if value is None else repr(value)
