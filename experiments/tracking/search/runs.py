"""The search of runs, for clients of the protocol and for our own pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from experiments.models.runs import Run
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunRow
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
from experiments.tracking.search.vocabulary import Kind, conditions_of, sorts_of

MAX_RESULTS: Final = 50_000
FIND_ROWS: Final = f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.id IN (??)"


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
    """Return a page of runs and the token of the next page, if any; not for the event loop.

    Points that a condition or an order needs are folded first.

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
    to_fold = runs_to_fold(db, project_ids, experiment_ids, filter_text, order_by)
    if to_fold:
        ensure_folded(db, run_ids=to_fold)
    found, token = search_run_ids(
        db, project_ids, experiment_ids, filter_text, order_by, view, max_results, page_token
    )
    rows = {row[0]: RunRow._make(row) for row in db.rows_in(FIND_ROWS, found)}
    return [rows[run_id] for run_id in found if run_id in rows], token


def runs_to_fold(
    db: Database,
    project_ids: Iterable[int],
    experiment_ids: Iterable[int] | None,
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
) -> list[int]:
    """Return the runs whose newest points the search needs and the tables do not hold yet.

    Raises:
        Invalid: naming the clause or key that does not fit.
    """
    conditions = conditions_of(filter_text, RUNS)
    sorts = sorts_of(order_by, RUNS)
    if Kind.METRIC not in {one.kind for one in conditions} | {one.kind for one in sorts}:
        return []
    scope = ids_in(db.dialect, "r.project_id", sorted(set(project_ids)))
    if experiment_ids is not None:
        chosen = ids_in(db.dialect, "r.experiment_id", sorted(set(experiment_ids)))
        scope = Fragment(f"{chosen.sql} AND {scope.sql}", (*chosen.params, *scope.params))
    rows = db.rows(
        f"SELECT r.id, r.dirty FROM experiments_run r WHERE r.dirty > 0 AND {scope.sql}",
        scope.params,
    )
    return [run_id for run_id, dirty in rows if dirty & Run.Dirty.METRICS]


def search_run_ids(
    db: Database,
    project_ids: Iterable[int],
    experiment_ids: Iterable[int] | None,
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    view: View = "ACTIVE_ONLY",
    max_results: int = 1000,
    page_token: str | None = None,
) -> tuple[list[int], str | None]:
    """Return the numbers of a page's runs; nothing is folded, nothing waits.

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
    sql = RunsSql(db.dialect, key_ids_of(db, [*conditions, *sorts]))
    # Numbers and sort values alone, which an index may hold; whole rows of the page come after.
    statement = Statement(("r.id",), "experiments_run r", where=view_of("r", view))
    statement.where.append(_scope(db, sorted(set(project_ids)), wanted))
    statement.where += [sql.condition(one) for one in conditions]
    for number, sort in enumerate(sorts):
        join, columns = sql.sort(sort, number)
        statement.joins += [join] if join is not None else []
        statement.order += columns
    statement.order += sql.tie_break(sorts)
    found, token = read_page(db, statement, request)
    return [run_id for (run_id,) in found], token


def _scope(db: Database, project_ids: list[int], experiment_ids: list[int] | None) -> Fragment:
    """Return which runs may be seen at all."""
    projects = ids_in(db.dialect, "r.project_id", project_ids)
    if experiment_ids is None:
        return projects
    mine = ids_in(db.dialect, "project_id", project_ids)
    asked = ids_in(db.dialect, "id", experiment_ids)
    allowed = db.rows(
        f"SELECT id FROM experiments_experiment WHERE {asked.sql} AND {mine.sql}",
        (*asked.params, *mine.params),
    )
    chosen = ids_in(db.dialect, "r.experiment_id", sorted(one for (one,) in allowed))
    if len(allowed) <= 1:
        return chosen
    # The index that holds a project's runs in order serves many experiments as well.
    return Fragment(f"{projects.sql} AND {chosen.sql}", (*projects.params, *chosen.params))
