"""The search of logged models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import ids_in, number_condition
from experiments.tracking.search.grammar import MAX_ORDERS, Field, Order, refuse_unstorable
from experiments.tracking.search.own_rows import OwnRowsSql, Table, id_condition
from experiments.tracking.search.statement import (
    Fragment,
    PageRequest,
    SortColumn,
    Statement,
    check_max_results,
    read_page,
)
from experiments.tracking.search.vocabulary import (
    LISTED_LABEL,
    LISTED_TEXT,
    NUMBER,
    Condition,
    Kind,
    Sort,
    Vocabulary,
    conditions_of,
    sort_of,
)
from platform_site.core.errors import Invalid

MAX_RESULTS: Final = 50_000
MAX_DATASETS: Final = 100
LOGGED_MODELS: Final = Vocabulary(
    prefixes={
        "attributes": Kind.ATTRIBUTE,
        "metrics": Kind.METRIC,
        "params": Kind.PARAM,
        "tags": Kind.TAG,
    },
    attributes={
        "name": LISTED_TEXT,
        "model_id": LISTED_TEXT,
        "model_type": LISTED_TEXT,
        "status": LISTED_TEXT,
        "source_run_id": LISTED_TEXT,
        "experiment_id": LISTED_TEXT,
        "creation_timestamp": NUMBER,
        "last_updated_timestamp": NUMBER,
    },
    labels={Kind.METRIC: NUMBER, Kind.PARAM: LISTED_LABEL, Kind.TAG: LISTED_LABEL},
    synonyms={
        "creation_time": "creation_timestamp",
        "last_updated_time": "last_updated_timestamp",
    },
    ordered=frozenset(
        {
            "name",
            "model_id",
            "model_type",
            "status",
            "source_run_id",
            "experiment_id",
            "creation_timestamp",
            "last_updated_timestamp",
        }
    ),
    ordered_kinds=frozenset({Kind.METRIC}),
)
_TABLE: Final = Table(
    texts={
        "name": "m.name",
        "model_id": "m.model_id",
        "model_type": "m.model_type",
        "status": "m.status",
        "source_run_id": "m.source_run_text",
    },
    integers={
        "experiment_id": "m.experiment_id",
        "creation_timestamp": "m.created_ms",
        "last_updated_timestamp": "m.updated_ms",
    },
    tags=("experiments_loggedmodeltag", "model_id", "m.id"),
    params=("experiments_loggedmodelparam", "model_id", "m.id"),
)
_COLUMNS: Final = (
    "m.id",
    "m.model_id",
    "m.experiment_id",
    "e.project_id",
    "m.name",
    "m.model_type",
    "m.status",
    "m.status_message",
    "m.source_run_text",
    "m.created_ms",
    "m.updated_ms",
    "e.asked_location",
)


class LoggedModelRow(NamedTuple):
    """What an answer says of a logged model."""

    id: int
    model_id: str
    experiment_id: int
    project_id: int
    name: str
    model_type: str
    status: str
    status_message: str
    source_run_id: str
    created_ms: int
    updated_ms: int
    asked_location: str

    @property
    def artifact_uri(self) -> str:
        """Where the model's files are."""
        root = self.asked_location or f"mlflow-artifacts:/{self.experiment_id}"
        return f"{root}/models/{self.model_id}/artifacts"


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A dataset on which metrics were measured; without a digest every one of this name."""

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """An order of logged models; of metrics, those of one dataset alone may be meant."""

    field_name: str
    ascending: bool = True
    dataset: DatasetName | None = None


def search_logged_models(
    db: Database,
    project_ids: Iterable[int],
    experiment_ids: Iterable[int],
    filter_text: str | None = None,
    datasets: Sequence[DatasetName] = (),
    order_by: Sequence[ModelOrder] = (),
    max_results: int = 100,
    page_token: str | None = None,
) -> tuple[list[LoggedModelRow], str | None]:
    """Return a page of active logged models and the token of the next page, if any.

    A metric's clause holds if any of its recorded values fulfils it, on these `datasets` if any
    are given; datasets without such a clause choose the models that were measured on one of them.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_RESULTS)
    _check_datasets(datasets)
    conditions = conditions_of(filter_text, LOGGED_MODELS)
    sorts = _sorts(order_by)
    wanted = sorted(set(experiment_ids))
    query = (wanted, filter_text or "", [_as_list(one) for one in datasets], *map(_key, order_by))
    request = PageRequest(max_results, page_token, "logged_models", query)
    statement = Statement(
        _COLUMNS,
        "experiments_loggedmodel m JOIN experiments_experiment e ON e.id = m.experiment_id",
    )
    statement.where = [
        ids_in(db.dialect, "m.experiment_id", wanted),
        ids_in(db.dialect, "e.project_id", sorted(set(project_ids))),
        Fragment("m.lifecycle = ?", ("active",)),
    ]
    sql = OwnRowsSql(db.dialect, _TABLE)
    statement.where += [_condition(sql, one, datasets) for one in conditions]
    if datasets and all(one.kind is not Kind.METRIC for one in conditions):
        on = _on_datasets("x", datasets)
        found = f"EXISTS (SELECT 1 FROM experiments_loggedmodelmetric x WHERE x.model_id = m.id{on.sql})"
        statement.where.append(Fragment(found, on.params))
    _add_order(statement, sql, sorts, order_by)
    rows, token = read_page(db, statement, request)
    return [LoggedModelRow._make(row) for row in rows], token


def _sorts(orders: Sequence[ModelOrder]) -> list[Sort]:
    """Return the keys to sort by; unlike in a filter's text, a key needs no quotes."""
    if len(orders) > MAX_ORDERS:
        raise Invalid(f"order_by has more than {MAX_ORDERS} keys.", field="order_by")
    sorts = []
    for number, order in enumerate(orders, start=1):
        name = order.field_name
        refuse_unstorable(name, "order_by")
        prefix, dot, key = name.partition(".")
        field = Field(prefix, key.strip("`")) if dot else Field(None, name)
        place = f"Key {number} of order_by, {name[:80]}"
        sort = sort_of(Order(field, order.ascending, place), LOGGED_MODELS)
        if order in orders[: number - 1]:
            raise Invalid(f"{place}: this key comes twice.", field="order_by")
        sorts.append(sort)
    return sorts


def _add_order(
    statement: Statement, sql: OwnRowsSql, sorts: Sequence[Sort], orders: Sequence[ModelOrder]
) -> None:
    for number, (sort, order) in enumerate(zip(sorts, orders, strict=True)):
        if sort.kind is Kind.ATTRIBUTE:
            statement.order += sql.sort(sort)
            continue
        join, columns = _metric_sort(sort.key, order, f"o{number}")
        statement.joins.append(join)
        statement.order += columns
    named = {sort.key for sort in sorts if sort.kind is Kind.ATTRIBUTE}
    if "creation_timestamp" not in named:
        statement.order.append(SortColumn("m.created_ms", ascending=False))
    if "model_id" not in named:
        statement.order.append(SortColumn("m.model_id"))


def _metric_sort(key: str, order: ModelOrder, name: str) -> tuple[Fragment, list[SortColumn]]:
    """Return the join with the metric's newest value, and the order by it; missing ones last."""
    on = _on_datasets("x", [order.dataset] if order.dataset is not None else [])
    join = Fragment(
        f"LEFT JOIN experiments_loggedmodelmetric {name} ON {name}.id = ("
        "SELECT x.id FROM experiments_loggedmodelmetric x"
        f" WHERE x.model_id = m.id AND x.key = ?{on.sql}"
        " ORDER BY x.timestamp_ms DESC, x.step DESC, x.id DESC LIMIT 1)",
        (key, *on.params),
    )
    rank = f"CASE WHEN {name}.id IS NULL THEN 2 WHEN {name}.is_nan THEN 1 ELSE 0 END"
    value = f"CASE WHEN {name}.is_nan THEN 0.0 ELSE COALESCE({name}.value, 0.0) END"
    return join, [SortColumn(rank), SortColumn(value, ascending=order.ascending)]


def _condition(sql: OwnRowsSql, asked: Condition, datasets: Sequence[DatasetName]) -> Fragment:
    if asked.kind is Kind.METRIC:
        value = number_condition("x.value", asked.operator, asked.value)
        sign = "(x.is_nan OR " if asked.operator == "!=" else "(NOT x.is_nan AND "
        on = _on_datasets("x", datasets)
        return Fragment(
            "EXISTS (SELECT 1 FROM experiments_loggedmodelmetric x WHERE x.model_id = m.id"
            f" AND x.key = ? AND {sign}{value.sql}){on.sql})",
            (asked.key, *value.params, *on.params),
        )
    if asked.kind is Kind.ATTRIBUTE and asked.key == "experiment_id":
        return id_condition(sql.dialect, "m.experiment_id", asked)
    return sql.condition(asked)


def _on_datasets(alias: str, datasets: Sequence[DatasetName]) -> Fragment:
    if not datasets:
        return Fragment("")
    parts, params = [], []
    for one in datasets:
        digest = f" AND {alias}.dataset_digest = ?" if one.digest else ""
        parts.append(f"({alias}.dataset_name = ?{digest})")
        params += [one.name, one.digest] if one.digest else [one.name]
    return Fragment(f" AND ({' OR '.join(parts)})", tuple(params))


def _check_datasets(datasets: Sequence[DatasetName]) -> None:
    if len(datasets) > MAX_DATASETS:
        raise Invalid(f"There are more than {MAX_DATASETS} datasets.", field="datasets")
    for one in datasets:
        if not one.name:
            raise Invalid("A dataset needs a name.", field="dataset_name")
        if "\x00" in one.name + one.digest:
            raise Invalid("A dataset's name holds a NUL character.", field="dataset_name")


def _as_list(dataset: DatasetName | None) -> list[Any]:
    return [] if dataset is None else [dataset.name, dataset.digest]


def _key(order: ModelOrder) -> list[Any]:
    return [order.field_name, order.ascending, _as_list(order.dataset)]
