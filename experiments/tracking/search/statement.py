"""Pieces of SQL for both databases, and the pages that are read with them.

A page ends with a signed token that holds the sort values of its last row, so that the next page
begins behind that row, however many rows were added before it. Every sort column is therefore an
expression that is never null: what is missing sorts last through a rank or a far-off value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from experiments.tracking.database import Database
from platform_site.core.errors import Invalid
from platform_site.core.paging import make_token, read_token

MAX_TOKEN_CHARS: Final = 20_000
# Texts longer than this would make the token too long for a URL; such pages count rows instead.
MAX_TOKEN_TEXT_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL with ``?`` and the values for them."""

    sql: str
    params: tuple[Any, ...] = ()


View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
NEVER: Final = Fragment("1 = 0")
ALWAYS: Final = Fragment("1 = 1")


def unchanged(value: Any) -> Any:
    """Return the value."""
    return value


@dataclass(frozen=True, slots=True)
class SortColumn:
    """An expression that is never null; `selected` is what a token keeps of it."""

    sql: str
    ascending: bool = True
    selected: str = ""
    to_param: Callable[[Any], Any] = unchanged


@dataclass(slots=True)
class Statement:
    """A SELECT whose pages are wanted; the last sort column is unique."""

    columns: Sequence[str]
    source: str
    joins: list[Fragment] = field(default_factory=list)
    where: list[Fragment] = field(default_factory=list)
    order: list[SortColumn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows are wanted, behind which token, of which query."""

    max_results: int
    token: str | None
    search: str
    query: tuple[Any, ...]

    def digest(self) -> str:
        """Return what ties a token to this query."""
        text = json.dumps(self.query, default=list)
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def view_of(alias: str, view: View) -> list[Fragment]:
    """Return the condition for active or deleted rows; none for all."""
    if view == "ALL":
        return []
    lifecycle = "active" if view == "ACTIVE_ONLY" else "deleted"
    return [Fragment(f"{alias}.lifecycle = ?", (lifecycle,))]


def check_max_results(max_results: int, *, most: int) -> None:
    """Refuse page sizes outside [1, most].

    Raises:
        Invalid: for one.
    """
    if not 1 <= max_results <= most:
        raise Invalid(f"max_results must be between 1 and {most}.", field="max_results")


def read_page(
    db: Database, statement: Statement, request: PageRequest
) -> tuple[list[tuple[Any, ...]], str | None]:
    """Return one page of rows (without sort columns) and the token of the next page, if any.

    Raises:
        Invalid: for a page token that was not made for this query.
    """
    position = _read_position(request, len(statement.order))
    if NEVER in statement.where:
        return [], None
    fragment = _select(statement, position, request.max_results + 1)
    rows = db.rows_planned(fragment.sql, fragment.params)
    n_columns = len(statement.columns)
    page = [row[:n_columns] for row in rows[: request.max_results]]
    if len(rows) <= request.max_results:
        return page, None
    return page, _next_token(request, position, rows[request.max_results - 1][n_columns:])


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a page begins: behind these sort values, or behind so many rows."""

    keys: tuple[Any, ...] | None = None
    offset: int = 0


def _select(statement: Statement, position: _Position, limit: int) -> Fragment:
    selected = [*statement.columns, *(one.selected or one.sql for one in statement.order)]
    where = list(statement.where)
    if position.keys is not None:
        where.append(behind(statement.order, position.keys))
    parts = [f"SELECT {', '.join(selected)} FROM {statement.source}"]
    parts += [join.sql for join in statement.joins]
    parts.append("WHERE " + " AND ".join(one.sql for one in where))
    parts.append(
        "ORDER BY "
        + ", ".join(f"{one.sql} {'ASC' if one.ascending else 'DESC'}" for one in statement.order)
    )
    parts.append("LIMIT ? OFFSET ?" if position.offset else "LIMIT ?")
    params = [value for one in (*statement.joins, *where) for value in one.params]
    params += [limit, position.offset] if position.offset else [limit]
    return Fragment(" ".join(parts), tuple(params))


def behind(order: Sequence[SortColumn], keys: Sequence[Any]) -> Fragment:
    """Return the condition for rows that come after one with these sort values.

    The first comparison alone is redundant, but an index can begin to read there.
    """
    sql = "1 = 0"
    params: tuple[Any, ...] = ()
    for column, key in reversed(list(zip(order, keys, strict=True))):
        sign, value = ">" if column.ascending else "<", column.to_param(key)
        sql = f"({column.sql} {sign} ? OR ({column.sql} = ? AND {sql}))"
        params = (value, value, *params)
    first = order[0]
    sign = ">=" if first.ascending else "<="
    return Fragment(f"{first.sql} {sign} ? AND {sql}", (first.to_param(keys[0]), *params))


def _next_token(request: PageRequest, position: _Position, keys: Sequence[Any] | None) -> str:
    if any(isinstance(key, str) and len(key) > MAX_TOKEN_TEXT_CHARS for key in keys or ()):
        # Rows are counted from the last known position; only rows added behind that can shift them.
        keys, offset = position.keys, position.offset + request.max_results
    else:
        offset = 0
    content = {"q": request.digest(), "k": keys and list(keys), "o": offset}
    return make_token(content, salt=f"search:{request.search}")


def _read_position(request: PageRequest, n_keys: int) -> _Position:
    if not request.token:
        return _Position()
    if len(request.token) > MAX_TOKEN_CHARS:
        raise _bad_token()
    content = read_token(request.token, salt=f"search:{request.search}")
    keys, offset = content.get("k"), content.get("o")
    fits = keys is None or (isinstance(keys, list) and len(keys) == n_keys)
    if content.get("q") != request.digest() or not fits or not isinstance(offset, int):
        raise _bad_token()
    return _Position(keys=None if keys is None else tuple(keys), offset=offset)


def _bad_token() -> Invalid:
    return Invalid("The page token is not valid for this list.", code="bad_page_token")
