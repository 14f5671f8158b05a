"""One page of a table of runs: found by the search, filled with the columns that are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from experiments.models import Run
from experiments.selectors.run_columns import PARENT_TAG, Column
from experiments.selectors.run_search import RunScope, find_runs
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded
from experiments.tracking.search.columns import METRICS, PARAMS, values_for

PAGE_ROWS: Final = 50
SAMPLE_RUNS: Final = 25
USUAL_OF_EACH: Final = 3
SHOWN_FIELDS: Final = (
    "uuid",
    "name",
    "kind",
    "status",
    "lifecycle",
    "task",
    "target",
    "model_type",
    "user_name",
    "headline_metric",
    "headline_value",
    "created_at",
    "start_ms",
    "end_ms",
    "project_id",
    "experiment__name",
    "job__progress_percent",
    "job__status",
    "created_by__username",
    "created_by__first_name",
    "created_by__last_name",
    "dataset_version__number",
    "dataset_version__dataset__name",
)


@dataclass(frozen=True, kw_only=True)
class TableQuery:
    """Which runs, in which order, with which columns."""

    scope: RunScope
    filter_text: str = ""
    order_by: tuple[str, ...] = ()
    view: str = "active"
    columns: tuple[Column, ...] | None = None
    """Which columns are filled; None means those that most of the found runs have."""
    group: Column | None = None
    limit: int = PAGE_ROWS
    token: str = ""


@dataclass(frozen=True)
class TableRow:
    """A run with the values of the shown metrics, params and tags by column id."""

    run: Run
    values: Mapping[str, Any]


@dataclass(frozen=True)
class TablePage:
    """Rows in order; the token leads to the next page and is empty on the last one."""

    rows: list[TableRow]
    columns: tuple[Column, ...]
    next_token: str
    parents: Mapping[str, str] = field(default_factory=dict)


def table_page(query: TableQuery) -> TablePage:
    """Return one page of runs; a few queries, whatever the number of runs."""
    ids, token = find_runs(
        query.scope,
        filter_text=query.filter_text,
        order_by=_order(query),
        view=query.view,
        limit=query.limit,
        token=query.token,
    )
    ensure_folded(Database.of_django(), run_ids=ids)
    runs = shown_runs(ids)
    columns = usual_columns(ids) if query.columns is None else query.columns
    values = values_of(ids, {*columns, *([query.group] if query.group else [])})
    rows = [TableRow(runs[one], values.get(one, {})) for one in ids if one in runs]
    return TablePage(rows, columns, token, _parent_names(query, rows))


def _order(query: TableQuery) -> tuple[str, ...]:
    """Runs of one group stand together."""
    if query.group is None:
        return query.order_by
    name = query.group.grammar_name()
    if query.order_by and query.order_by[0].rpartition(" ")[0] == name:
        return query.order_by
    return (f"{name} ASC", *query.order_by)


def shown_runs(ids: Iterable[int]) -> dict[int, Run]:
    """Return runs by number with what tables show, without their large documents."""
    runs = Run.objects.select_related(
        "job", "created_by", "experiment", "dataset_version__dataset"
    ).only(*SHOWN_FIELDS)
    return runs.in_bulk(list(ids))


def values_of(run_ids: Iterable[int], columns: Iterable[Column]) -> dict[int, dict[str, Any]]:
    """Return run → column id → value for metrics (None for NaN), params and tags."""
    ids = list(run_ids)
    found: dict[int, dict[str, Any]] = {one: {} for one in ids}
    keys: dict[str, list[str]] = {"metrics": [], "params": [], "tags": []}
    for column in columns:
        if column.kind in keys:
            keys[column.kind].append(column.key)
    stored = values_for(Database.of_django(), ids, **keys)
    for run_id, metrics in stored.metrics.items():
        found[run_id] |= {f"metrics.{key}": latest.value for key, latest in metrics.items()}
    for kind, labels in (("params", stored.params), ("tags", stored.tags)):
        for run_id, values in labels.items():
            found[run_id] |= {f"{kind}.{key}": value for key, value in values.items()}
    return found


def usual_columns(run_ids: Iterable[int]) -> tuple[Column, ...]:
    """Return the metrics and params that most of these runs have, a few of each."""
    ids = list(run_ids)[:SAMPLE_RUNS]
    if not ids:
        return ()
    listed = ", ".join("?" * len(ids))
    found: list[Column] = []
    for kind, table in (("metrics", METRICS), ("params", PARAMS)):
        sql = (
            f"SELECT k.name FROM (SELECT v.key_id, COUNT(*) AS n FROM {table} v"  # noqa: S608  # our own names
            f" WHERE v.run_id IN ({listed}) GROUP BY v.key_id) u"
            " JOIN experiments_key k ON k.id = u.key_id"
            " WHERE SUBSTR(k.name, 1, 7) <> 'system/' ORDER BY u.n DESC, u.key_id LIMIT ?"
        )
        rows = Database.of_django().rows(sql, [*ids, USUAL_OF_EACH])
        found += [Column(kind, name) for (name,) in rows]
    return tuple(found)


def _parent_names(query: TableQuery, rows: list[TableRow]) -> dict[str, str]:
    if query.group is None or query.group.id != f"tags.{PARENT_TAG}":
        return {}
    uuids = {row.values.get(query.group.id, "") for row in rows} - {""}
    runs = Run.objects.filter(uuid__in=uuids, project_id=query.scope.project_id)
    return dict(runs.values_list("uuid", "name"))
