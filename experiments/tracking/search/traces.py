"""The search of traces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import ids_in
from experiments.tracking.search.grammar import parse_filter, parse_orders
from experiments.tracking.search.statement import (
    PageRequest,
    SortColumn,
    Statement,
    check_max_results,
    read_page,
)
from experiments.tracking.search.traces_sql import (
    ATTRIBUTE,
    SYNONYMS,
    TracesSql,
    refuse_regular_expressions,
)
from platform_site.core.errors import Invalid

MAX_RESULTS: Final = 500


def search_traces(
    db: Database,
    experiment_ids: Iterable[int],
    filter_text: str | None = None,
    order_by: Sequence[str] = (),
    max_results: int = 100,
    page_token: str | None = None,
) -> tuple[list[int], str | None]:  # fmt: skip
    """Return the numbers of a page of traces and the token of the next page, if any.

    Args:
        db: the connection to read with.
        experiment_ids: whose traces; the caller must be allowed to see them.
        filter_text: as the protocol has it, without RLIKE.
        order_by: keys with ASC or DESC; the newest trace, then its id, decide the rest.
        max_results: at most so many rows, up to 500.
        page_token: what the page before returned.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    check_max_results(max_results, most=MAX_RESULTS)
    refuse_regular_expressions(filter_text or "")
    clauses, orders = parse_filter(filter_text), parse_orders(order_by)
    wanted = sorted(set(experiment_ids))
    request = PageRequest(
        max_results, page_token, "traces", (wanted, filter_text or "", tuple(order_by))
    )
    sql = TracesSql(db.dialect)
    scope = ids_in(db.dialect, "t.experiment_id", wanted)
    statement = Statement(["t.id"], "experiments_trace t", where=[scope])
    statement.where += sql.conditions(clauses)
    named: set[str] = set()
    for number, order in enumerate(orders):
        join, columns = sql.order(order, number)
        name = f"{order.field.prefix or ATTRIBUTE}.{SYNONYMS.get(order.field.key, order.field.key)}"
        if name in named:
            raise Invalid(f"{order.place}: this key comes twice.", field="order_by")
        named.add(name)
        statement.joins += [join] if join is not None else []
        statement.order += columns
    if "attribute.timestamp_ms" not in named:
        statement.order.append(SortColumn("t.request_ms", ascending=False))
    if "attribute.request_id" not in named:
        statement.order.append(SortColumn("t.trace_id"))
    rows, token = read_page(db, statement, request)
    return [row[0] for row in rows], token
