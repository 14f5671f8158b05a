"""The search of experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import (
    ids_in,
    microseconds,
    moment_selected,
)
from experiments.tracking.search.grammar import LISTS
from experiments.tracking.search.own_rows import OwnRowsSql, Table, id_condition
from experiments.tracking.search.statement import (
    Fragment,
    PageRequest,
    SortColumn,
    Statement,
    View,
    check_max_results,
    read_page,
    view_of,
)
from experiments.tracking.search.vocabulary import (
    EQUALITY,
    LABEL,
    NUMBER,
    TEXT,
    Condition,
    FieldType,
    Kind,
    Vocabulary,
    conditions_of,
    sorts_of,
)

MAX_RESULTS: Final = 50_000
DEFAULT_ORDER: Final = ("creation_time DESC", "experiment_id ASC")
EXPERIMENTS: Final = Vocabulary(
    prefixes={
        "attribute": Kind.ATTRIBUTE,
        "tag": Kind.TAG,
        "tags": Kind.TAG,
    },
    attributes={
        "name": TEXT,
        "experiment_id": FieldType(EQUALITY | LISTS),
        "creation_time": NUMBER,
        "last_update_time": NUMBER,
    },
    labels={Kind.TAG: LABEL},
    ordered=frozenset({"name", "experiment_id", "creation_time", "last_update_time"}),
)
_TABLE: Final = Table(
    texts={"name": "e.name"},
    moments={"creation_time": "e.created_at", "last_update_time": "e.updated_at"},
    integers={"experiment_id": "e.id"},
    tags=("experiments_experimenttag", "experiment_id", "e.id"),
)


class ExperimentRow(NamedTuple):
    """What an answer says of an experiment."""

    id: int
    project_id: int
    name: str
    asked_location: str
    lifecycle: str
    created_ms: int
    updated_ms: int

    @property
    def artifact_location(self) -> str:
        """Where the files of the experiment's runs are."""
        return self.asked_location or f"mlflow-artifacts:/{self.id}"


def search_experiments(
    db: Database,
    project_ids: Iterable[int],
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    view: View = "ACTIVE_ONLY",
    max_results: int = 1000,
    page_token: str | None = None,
) -> tuple[list[ExperimentRow], str | None]:
    """Return a page of experiments and the token of the next page, if any.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_RESULTS)
    conditions = conditions_of(filter_text, EXPERIMENTS)
    sorts = sorts_of(order_by or DEFAULT_ORDER, EXPERIMENTS)
    request = PageRequest(
        max_results, page_token, "experiments", (filter_text or "", tuple(order_by), view)
    )
    sql = OwnRowsSql(db.dialect, _TABLE)
    columns = (
        "e.id",
        "e.project_id",
        "e.name",
        "e.asked_location",
        "e.lifecycle",
        moment_selected(db.dialect, "e.created_at"),
        moment_selected(db.dialect, "e.updated_at"),
    )
    statement = Statement(columns, "experiments_experiment e", where=view_of("e", view))
    statement.where.append(ids_in(db.dialect, "e.project_id", sorted(set(project_ids))))
    statement.where += [_condition(sql, one) for one in conditions]
    for sort in sorts:
        statement.order += sql.sort(sort)
    if all(sort.key != "experiment_id" for sort in sorts):
        statement.order.append(SortColumn("e.id", ascending=False))
    rows, token = read_page(db, statement, request)
    return [_row(row) for row in rows], token


def tags_of_experiments(
    db: Database, experiment_ids: Sequence[int]
) -> dict[int, list[tuple[str, str]]]:
    """Return the tags of experiments as (key, value), ordered by key; one query."""
    found: dict[int, list[tuple[str, str]]] = {one: [] for one in experiment_ids}
    wanted = ids_in(db.dialect, "experiment_id", list(found))
    rows = db.rows(
        f"SELECT experiment_id, key, value FROM experiments_experimenttag WHERE {wanted.sql}"
        " ORDER BY experiment_id, key",
        wanted.params,
    )
    for experiment_id, key, value in rows:
        found[experiment_id].append((key, value))
    return found


def _row(row: tuple[Any, ...]) -> ExperimentRow:
    one, project_id, name, asked_location, lifecycle, created, updated = row
    return ExperimentRow(
        id=one,
        project_id=project_id,
        name=name,
        asked_location=asked_location,
        lifecycle=lifecycle,
        created_ms=microseconds(created) // 1000,
        updated_ms=microseconds(updated) // 1000,
    )


def _condition(sql: OwnRowsSql, asked: Condition) -> Fragment:
    if asked.kind is Kind.ATTRIBUTE and asked.key == "experiment_id":
        return id_condition(sql.dialect, "e.id", asked)
    return sql.condition(asked)
