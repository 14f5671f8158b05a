"""Conditions on columns as SQL that means the same on SQLite and PostgreSQL.

Texts are compared byte by byte, LIKE minds the case, ILIKE does not, and a pattern has no escapes.
SQLite's own LIKE ignores the case unless a pragma says otherwise, so that patterns become GLOB.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from experiments.tracking.search.grammar import Value
from experiments.tracking.search.statement import ALWAYS, NEVER, Fragment

SQLITE: Final = "sqlite"
GREATEST_INTEGER: Final = 2**63 - 1
LEAST_INTEGER: Final = -(2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_MS: Final = -62_135_596_800_000
_GREATEST_MS: Final = 253_402_300_799_000
_SIGNS: Final = {"=": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


def text_condition(dialect: str, column: str, operator: str, value: Value) -> Fragment:
    """Return the condition on a column of text."""
    if operator in ("=", "!="):
        return Fragment(f"{column} {_SIGNS[operator]} ?", (value,))
    if operator in ("IN", "NOT IN"):
        if not isinstance(value, tuple):
            raise TypeError(operator)
        return in_list(dialect, column, value, negated=operator == "NOT IN")
    return _pattern(dialect, column, operator, str(value))


def in_list(
    dialect: str, column: str, values: Sequence[str | int], *, negated: bool = False
) -> Fragment:
    """Return ``column IN values`` with one parameter, however many values there are."""
    if len(values) == 1:
        return Fragment(f"{column} {'<>' if negated else '='} ?", (values[0],))
    if dialect == SQLITE:
        sign = "NOT IN" if negated else "IN"
        listed = json.dumps(list(values), ensure_ascii=False)
        return Fragment(f"{column} {sign} (SELECT value FROM json_each(?))", (listed,))
    sign = "<> ALL" if negated else "= ANY"
    return Fragment(f"{column} {sign}(?)", (list(values),))


def ids_in(dialect: str, column: str, ids: Sequence[int]) -> Fragment:
    """Return ``column IN ids``, which no row fulfils without ids."""
    return in_list(dialect, column, ids) if ids else NEVER


def number_condition(column: str, operator: str, value: Value) -> Fragment:
    """Return the condition on a column of floats."""
    return Fragment(f"{column} {_SIGNS[operator]} ?", (float(_number(value)),))


def integer_condition(column: str, operator: str, value: Value) -> Fragment:
    """Return the condition on a column of 64-bit integers; false where the column is null."""
    least, greatest = integers_that(operator, _number(value))
    if operator == "!=":
        if least > greatest or not LEAST_INTEGER <= least <= GREATEST_INTEGER:
            return Fragment(f"{column} IS NOT NULL")
        return Fragment(f"{column} <> ?", (least,))
    if least > greatest or not (least <= GREATEST_INTEGER and greatest >= LEAST_INTEGER):
        return NEVER
    least, greatest = max(least, LEAST_INTEGER), min(greatest, GREATEST_INTEGER)
    if least == greatest:
        return Fragment(f"{column} = ?", (least,))
    return Fragment(f"{column} BETWEEN ? AND ?", (least, greatest))


def moment_condition(dialect: str, column: str, operator: str, value: Value) -> Fragment:
    """Return the condition on a column of moments that are never null, by their whole ms."""
    least, greatest = integers_that(operator, _number(value))
    if operator == "!=":
        if not _LEAST_MS <= least <= greatest <= _GREATEST_MS:
            return ALWAYS
        within = Fragment(f"NOT ({column} >= ? AND {column} < ?)")
    else:
        within = Fragment(f"({column} >= ? AND {column} < ?)")
    least, greatest = max(least, _LEAST_MS), min(greatest, _GREATEST_MS)
    if least > greatest:
        return NEVER
    bounds = (moment_param(dialect, least * 1000), moment_param(dialect, (greatest + 1) * 1000))
    return Fragment(within.sql, bounds)


def integers_that(operator: str, value: float) -> tuple[int, int]:
    """Return the least and the greatest integer for which the comparison holds.

    For ``!=`` those for which it does not; an empty interval when there is none.
    """
    least, greatest = LEAST_INTEGER, GREATEST_INTEGER
    if math.isinf(value):
        value = LEAST_INTEGER - 1 if value < 0 else GREATEST_INTEGER + 1
    down, up = math.floor(value), math.ceil(value)
    if operator in ("=", "!="):
        return (up, down)
    if operator == ">":
        return (down + 1, greatest)
    if operator == ">=":
        return (up, greatest)
    return (least, up - 1) if operator == "<" else (least, down)


def moment_param(dialect: str, since_epoch_us: int) -> Any:
    """Return the moment as the database's driver takes it."""
    moment = _EPOCH + timedelta(microseconds=since_epoch_us)
    return str(moment.replace(tzinfo=None)) if dialect == SQLITE else moment


def moment_selected(dialect: str, column: str) -> str:
    """Return the expression that gives the moment as microseconds since 1970, or as SQLite's text.

    SQLite's text is passed through an operator, or Django's connections would convert it.
    """
    if dialect == SQLITE:
        return f"{column} || ''"
    return f"CAST(EXTRACT(EPOCH FROM {column}) * 1000000 AS bigint)"


def microseconds(selected: str | int) -> int:
    """Return the microseconds since 1970 of what `moment_selected` gave."""
    if isinstance(selected, int):
        return selected
    moment = datetime.fromisoformat(selected).replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def binary(dialect: str, column: str) -> str:
    """Return the column of text so that it sorts by its bytes."""
    return column if dialect == SQLITE else f'{column} COLLATE "C"'


def matches(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """Whether a LIKE pattern matches, for texts that live in no column."""
    parts = [{"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern]
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.fullmatch("".join(parts), text, flags) is not None


def _pattern(dialect: str, column: str, operator: str, pattern: str) -> Fragment:
    if dialect == SQLITE:
        return Fragment(f"{column} GLOB ?", (as_glob(pattern, ignore_case=operator == "ILIKE"),))
    return Fragment(f"{column} {operator} ? ESCAPE ''", (pattern,))


def as_glob(pattern: str, *, ignore_case: bool) -> str:
    """Return a LIKE pattern as SQLite's GLOB; without case, each letter is a class of its forms."""
    return "".join(_glob_char(char, ignore_case=ignore_case) for char in pattern)


def _glob_char(char: str, *, ignore_case: bool) -> str:
    if char == "%":
        return "*"
    if char == "_":
        return "?"
    if char in "*?[":
        return f"[{char}]"
    if not ignore_case:
        return char
    forms = {form for form in (char, char.lower(), char.upper()) if len(form) == 1}
    return f"[{''.join(sorted(forms))}]" if len(forms) > 1 else char


def _number(value: Value) -> int | float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value
