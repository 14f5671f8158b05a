"""The search of runs, for clients of the protocol and for our own pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from experiments.tracking.database import Database
from experiments.tracking.rows import RunRow
from experiments.tracking.search.comparisons import ids_in
from experiments.tracking.search.fields_runs import RUNS
from experiments.tracking.search.runs_sql import RunsSql, key_ids_of
from experiments.tracking.search.statement import (
    Fragment,
    PageRequest,
    Statement,
    View,
    check_max_results,
    read_page,
    view_of,
)
from experiments.tracking.search.vocabulary import conditions_of, sorts_of

MAX_RESULTS: Final = 50_000
_COLUMNS: Final = (
    "r.id",
    "r.uuid",
    "r.name",
    "r.experiment_id",
    "r.project_id",
    "r.user_name",
    "r.status",
    "r.start_ms",
    "r.end_ms",
    "r.lifecycle",
    "r.version",
    "r.kind",
    "r.dirty",
)
_VERSION: Final = _COLUMNS.index("r.version")
_EXPERIMENT: Final = _COLUMNS.index("r.experiment_id")


def search_runs(
    db: Database,
    project_ids: Iterable[int],
    experiment_ids: Iterable[int] | None,
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    view: View = "ACTIVE_ONLY",
    max_results: int = 1000,
    page_token: str | None = None,
) -> tuple[list[RunRow], str | None]:  # fmt: skip
    """Return a page of runs and the token of the next page, if any.

    Args:
        db: the connection to read with.
        project_ids: the projects whose runs the caller may see.
        experiment_ids: of these experiments alone; None for all of the projects.
        filter_text: as section "search runs" of the protocol has it.
        order_by: keys with ASC or DESC; the newest start, then the run's id, decide the rest.
        view: which of active and deleted runs.
        max_results: at most so many rows.
        page_token: what the page before returned.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_RESULTS)
    conditions = conditions_of(filter_text, RUNS)
    sorts = sorts_of(order_by, RUNS)
    wanted = None if experiment_ids is None else sorted(set(experiment_ids))
    request = PageRequest(
        max_results, page_token, "runs", (wanted, filter_text or "", tuple(order_by), view)
    )
    scope, locations = _scope(db, sorted(set(project_ids)), wanted)
    sql = RunsSql(db.dialect, key_ids_of(db, [*conditions, *sorts]))
    statement = Statement(_COLUMNS, "experiments_run r", where=[scope, *view_of("r", view)])
    statement.where += [sql.condition(one) for one in conditions]
    for number, sort in enumerate(sorts):
        join, columns = sql.sort(sort, number)
        statement.joins += [join] if join is not None else []
        statement.order += columns
    statement.order += sql.tie_break(sorts)
    rows, token = read_page(db, statement, request)
    if locations is None:
        locations = _locations(db, {row[_EXPERIMENT] for row in rows})
    return [_row(row, locations[row[_EXPERIMENT]]) for row in rows], token


def _row(row: tuple[Any, ...], asked_location: str) -> RunRow:
    behind = _VERSION + 1
    return RunRow._make((*row[:behind], asked_location, *row[behind:]))


def _scope(
    db: Database, project_ids: list[int], experiment_ids: list[int] | None
) -> tuple[Fragment, dict[int, str] | None]:
    """Return which runs may be seen at all, and the folders of their experiments if known."""
    if experiment_ids is None:
        return ids_in(db.dialect, "r.project_id", project_ids), None
    mine = ids_in(db.dialect, "project_id", project_ids)
    asked = ids_in(db.dialect, "id", experiment_ids)
    rows = db.rows(
        f"SELECT id, asked_location FROM experiments_experiment WHERE {asked.sql} AND {mine.sql}",
        (*asked.params, *mine.params),
    )
    locations: dict[int, str] = dict(rows)
    return ids_in(db.dialect, "r.experiment_id", sorted(locations)), locations


def _locations(db: Database, experiment_ids: set[int]) -> dict[int, str]:
    wanted = ids_in(db.dialect, "id", sorted(experiment_ids))
    rows = db.rows(
        f"SELECT id, asked_location FROM experiments_experiment WHERE {wanted.sql}", wanted.params
    )
    return dict(rows)
