"""Searches of tables whose rows are found by their own columns and tags: not those of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.tracking.search.comparisons import (
    binary,
    in_list,
    integer_condition,
    microseconds,
    moment_condition,
    moment_param,
    moment_selected,
    text_condition,
)
from experiments.tracking.search.statement import ALWAYS, NEVER, Fragment, SortColumn
from experiments.tracking.search.vocabulary import Condition, Kind, Sort


@dataclass(frozen=True, slots=True)
class Table:
    """Which column holds which attribute; none of them is ever null.

    `tags` and `params` name a table, its column for the row, and the row's own number.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    integers: Mapping[str, str] = field(default_factory=dict)
    moments: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, str, str] = ("", "", "")
    params: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class OwnRowsSql:
    """Turns what was asked into SQL."""

    dialect: str
    table: Table

    def condition(self, asked: Condition) -> Fragment:
        """Return the condition."""
        if asked.kind is not Kind.ATTRIBUTE:
            return self._label(asked)
        if asked.key in self.table.moments:
            column = self.table.moments[asked.key]
            return moment_condition(self.dialect, column, asked.operator, asked.value)
        if asked.key in self.table.integers:
            return integer_condition(self.table.integers[asked.key], asked.operator, asked.value)
        return text_condition(
            self.dialect, self.table.texts[asked.key], asked.operator, asked.value
        )

    def sort(self, asked: Sort) -> list[SortColumn]:
        """Return the sort columns of an attribute."""
        if asked.key in self.table.moments:
            return [moment_sort(self.dialect, self.table.moments[asked.key], asked.ascending)]
        if asked.key in self.table.integers:
            return [SortColumn(self.table.integers[asked.key], ascending=asked.ascending)]
        column = binary(self.dialect, self.table.texts[asked.key])
        return [SortColumn(column, ascending=asked.ascending)]

    def _label(self, asked: Condition) -> Fragment:
        table, owner, number = self.table.tags if asked.kind is Kind.TAG else self.table.params
        found = (
            f"EXISTS (SELECT 1 FROM {table} label WHERE label.{owner} = {number} AND label.key = ?"
        )
        if asked.operator == "IS NULL":
            return Fragment(f"NOT {found})", (asked.key,))
        if asked.operator == "IS NOT NULL":
            return Fragment(f"{found})", (asked.key,))
        value = text_condition(self.dialect, "label.value", asked.operator, asked.value)
        return Fragment(f"{found} AND {value.sql})", (asked.key, *value.params))


def moment_sort(dialect: str, column: str, ascending: bool) -> SortColumn:  # noqa: FBT001
    """Return the order by a column of moments."""
    return SortColumn(
        column,
        ascending=ascending,
        selected=moment_selected(dialect, column),
        to_param=lambda selected: moment_param(dialect, microseconds(selected)),
    )


def id_condition(dialect: str, column: str, asked: Condition) -> Fragment:
    """Return the condition on a number that clients write as a text.

    A text that is no number the way we write one equals none.
    """
    texts = asked.value if isinstance(asked.value, tuple) else (str(asked.value),)
    if asked.operator in ("LIKE", "ILIKE"):
        return text_condition(dialect, f"CAST({column} AS text)", asked.operator, asked.value)
    ids = [int(text) for text in texts if _is_id(text)]
    negated = asked.operator in ("!=", "NOT IN")
    if not ids:
        return ALWAYS if negated else NEVER
    return in_list(dialect, column, ids, negated=negated)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18 and str(int(text)) == text
