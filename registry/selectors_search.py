"""Searches of registered models and their versions, in the tracking protocol's language.

Prompts are kept as registered models with a tag; a search leaves them out unless it asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import ids_in
from experiments.tracking.search.own_rows import OwnRowsSql, Table
from experiments.tracking.search.statement import (
    Fragment,
    PageRequest,
    SortColumn,
    Statement,
    check_max_results,
    read_page,
)
from experiments.tracking.search.vocabulary import (
    LABEL,
    LISTED_TEXT,
    QUOTED_NUMBER,
    TEXT,
    Condition,
    Kind,
    Sort,
    Vocabulary,
    conditions_of,
    sorts_of,
)

MAX_MODELS: Final = 1_000
MAX_VERSIONS: Final = 200_000
PROMPT_TAG: Final = "mlflow.prompt.is_prompt"
_PREFIXES: Final = {"attribute": Kind.ATTRIBUTE, "tag": Kind.TAG, "tags": Kind.TAG}

MODELS: Final = Vocabulary(
    prefixes=_PREFIXES,
    attributes={"name": LISTED_TEXT},
    labels={Kind.TAG: LABEL},
    synonyms={"timestamp": "last_updated_timestamp"},
    ordered=frozenset({"name", "last_updated_timestamp"}),
)
VERSIONS: Final = Vocabulary(
    prefixes=_PREFIXES,
    attributes={
        "name": LISTED_TEXT,
        "run_id": LISTED_TEXT,
        "source_path": TEXT,
        "version_number": QUOTED_NUMBER,
    },
    labels={Kind.TAG: LABEL},
    ordered=frozenset({"name", "version_number", "creation_timestamp", "last_updated_timestamp"}),
)
_MODEL_TABLE: Final = Table(
    texts={"name": "m.name"},
    moments={"last_updated_timestamp": "m.updated_at"},
    tags=("registry_registeredmodeltag", "model_id", "m.id"),
)
_VERSION_TABLE: Final = Table(
    texts={
        "name": "m.name",
        "run_id": "CASE WHEN v.run_text <> '' THEN v.run_text ELSE COALESCE("
        "(SELECT r.uuid FROM experiments_run r WHERE r.id = v.run_id), '') END",
        "source_path": "v.source",
    },
    integers={"version_number": "v.number"},
    moments={"last_updated_timestamp": "v.updated_at", "creation_timestamp": "v.created_at"},
    tags=("registry_modelversiontag", "version_id", "v.id"),
)


def search_registered_models(
    db: Database,
    project_ids: Iterable[int],
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    max_results: int = 100,
    page_token: str | None = None,
) -> tuple[list[int], str | None]:
    """Return the numbers of a page of models, in order, and the token of the next page, if any.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_MODELS)
    conditions = conditions_of(filter_text, MODELS)
    sorts = _with_last(sorts_of(order_by, MODELS), Sort(Kind.ATTRIBUTE, "name", ascending=True))
    query = (filter_text or "", tuple(order_by))
    request = PageRequest(max_results, page_token, "registered_models", query)
    statement = Statement(("m.id",), "registry_registeredmodel m")
    statement.where.append(ids_in(db.dialect, "m.project_id", sorted(set(project_ids))))
    _choose(statement, OwnRowsSql(db.dialect, _MODEL_TABLE), conditions, sorts, "m.id")
    rows, token = read_page(db, statement, request)
    return [row[0] for row in rows], token


def search_model_versions(
    db: Database,
    project_ids: Iterable[int],
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    max_results: int = 10_000,
    page_token: str | None = None,
) -> tuple[list[int], str | None]:
    """Return the numbers of a page of versions, in order, and the token of the next page, if any.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_VERSIONS)
    conditions = conditions_of(filter_text, VERSIONS)
    sorts: Sequence[Sort] = sorts_of(order_by, VERSIONS)
    if not sorts:
        sorts = [Sort(Kind.ATTRIBUTE, "last_updated_timestamp", ascending=False)]
    sorts = _with_last(sorts, Sort(Kind.ATTRIBUTE, "name", ascending=True))
    sorts = _with_last(sorts, Sort(Kind.ATTRIBUTE, "version_number", ascending=False))
    query = (filter_text or "", tuple(order_by))
    request = PageRequest(max_results, page_token, "model_versions", query)
    statement = Statement(
        ("v.id",), "registry_modelversion v JOIN registry_registeredmodel m ON m.id = v.model_id"
    )
    statement.where.append(ids_in(db.dialect, "m.project_id", sorted(set(project_ids))))
    _choose(statement, OwnRowsSql(db.dialect, _VERSION_TABLE), conditions, sorts, "v.id")
    rows, token = read_page(db, statement, request)
    return [row[0] for row in rows], token


def _choose(
    statement: Statement,
    sql: OwnRowsSql,
    conditions: Sequence[Condition],
    sorts: Sequence[Sort],
    number: str,
) -> None:
    """Add conditions and order; the row's own number makes the order complete."""
    asks_for_prompts = False
    for asked in conditions:
        if asked.kind is Kind.TAG and asked.key == PROMPT_TAG:
            asks_for_prompts = True
            statement.where.append(_prompts(sql, asked))
        else:
            statement.where.append(sql.condition(asked))
    if not asks_for_prompts:
        statement.where.append(_no_prompts(sql))
    for sort in sorts:
        statement.order += sql.sort(sort)
    statement.order.append(SortColumn(number))


def _prompts(sql: OwnRowsSql, asked: Condition) -> Fragment:
    """Return the condition; models without the tag are no prompts either."""
    wanted = (asked.operator, asked.value)
    if wanted in {("!=", "true"), ("=", "false")}:
        return _no_prompts(sql)
    return sql.condition(asked)


def _no_prompts(sql: OwnRowsSql) -> Fragment:
    is_prompt = sql.condition(Condition(Kind.TAG, PROMPT_TAG, "=", "true", is_number=False))
    return Fragment(f"NOT {is_prompt.sql}", is_prompt.params)


def _with_last(sorts: Sequence[Sort], last: Sort) -> list[Sort]:
    if any(sort.key == last.key for sort in sorts):
        return list(sorts)
    return [*sorts, last]
