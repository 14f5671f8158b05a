"""Conditions of a search of traces as SQL on the trace ``t``; each on other tables is an EXISTS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from experiments.tracking.search.comparisons import (
    SQLITE,
    binary,
    in_list,
    integer_condition,
    number_condition,
    text_condition,
)
from experiments.tracking.search.grammar import (
    ABSENCE,
    COMPARISONS,
    LISTS,
    PATTERNS,
    Clause,
    Order,
)
from experiments.tracking.search.statement import Fragment, SortColumn
from experiments.tracking.search.vocabulary import (
    EQUALITY,
    LABEL_OPERATORS,
    LISTED_TEXT_OPERATORS,
)
from platform_site.core.errors import Invalid

TAG: Final = "tag"
METADATA: Final = "metadata"
ATTRIBUTE: Final = "attribute"
SPAN: Final = "span"
PREFIXES: Final = {
    "tag": TAG,
    "tags": TAG,
    "metadata": METADATA,
    "request_metadata": METADATA,
    "attribute": ATTRIBUTE,
    "attributes": ATTRIBUTE,
    "trace": ATTRIBUTE,
    "span": SPAN,
    "feedback": "feedback",
    "expectation": "expectation",
}
SYNONYMS: Final = {
    "timestamp": "timestamp_ms",
    "execution_time": "execution_time_ms",
    "end_time": "end_time_ms",
}
NUMBERS: Final = {
    "timestamp_ms": "t.request_ms",
    "execution_time_ms": "t.duration_ms",
    "end_time_ms": "(t.request_ms + COALESCE(t.duration_ms, 0))",
}
TEXTS: Final = {
    "request_id": "t.trace_id",
    "status": "t.state",
    "client_request_id": "t.client_request_id",
    "name": "t.name",
}
ATTRIBUTES: Final = (*NUMBERS, *SYNONYMS, *TEXTS, "prompt", "run_id", "text")
NAME_TAG: Final = "mlflow.traceName"
PROMPTS_TAG: Final = "mlflow.linkedPrompts"
SOURCE_RUN: Final = "mlflow.sourceRun"
SPAN_COLUMNS: Final = {"name": "s.name", "type": "s.span_type", "status": "s.status_code"}
SPAN_ATTRIBUTE: Final = "attributes."
ASSESSMENT_OPERATORS: Final = COMPARISONS | PATTERNS | ABSENCE
FAR_OFF_MS: Final = 2**63 - 1
_LABELS: Final = (
    "EXISTS (SELECT 1 FROM experiments_tracelabel v WHERE v.trace_id = t.id"
    " AND v.kind = ? AND v.key = ?"
)
_EDGES: Final = (
    "EXISTS (SELECT 1 FROM experiments_tracerun e JOIN experiments_run r ON r.id = e.run_id"
    " WHERE e.trace_id = t.id AND "
)
_ASSESSED: Final = (
    "EXISTS (SELECT 1 FROM experiments_assessment a WHERE a.trace_id = t.id"
    " AND a.kind = ? AND a.name = ? AND a.is_valid"
)
_RLIKE: Final = re.compile(r"\sRLIKE\s", re.IGNORECASE)


def refuse_regular_expressions(text: str) -> None:
    """Say plainly that there are none: one of them can hold a database for seconds.

    Raises:
        Invalid: when the filter seems to hold one outside quotes.
    """
    if _RLIKE.search(re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)):
        raise Invalid("RLIKE is not supported; use LIKE or ILIKE with '%' instead.", field="filter")


@dataclass(frozen=True, slots=True)
class TracesSql:
    """Turns clauses into SQL."""

    dialect: str

    def conditions(self, clauses: Sequence[Clause]) -> list[Fragment]:
        """Return the conditions; those on spans must hold for one and the same span.

        Raises:
            Invalid: naming the clause that the search does not take.
        """
        found: list[Fragment] = []
        on_span: list[Fragment] = []
        for clause in clauses:
            kind, key = _resolve(clause)
            if kind == SPAN or (kind == ATTRIBUTE and key == "text"):
                on_span.append(self._span(clause, "content" if kind == ATTRIBUTE else key))
            elif kind == ATTRIBUTE:
                found.append(self._attribute(clause, key))
            elif kind in (TAG, METADATA):
                found.append(self._label(clause, kind, key))
            else:
                found.append(self._assessment(clause, kind, key))
        if on_span:
            both = " AND ".join(one.sql for one in on_span)
            sql = f"EXISTS (SELECT 1 FROM experiments_span s WHERE s.trace_id = t.id AND {both})"
            found.append(Fragment(sql, tuple(value for one in on_span for value in one.params)))
        return found

    def order(self, order: Order, number: int) -> tuple[Fragment | None, list[SortColumn]]:
        """Return the join that an order needs, if any, and its sort columns.

        Raises:
            Invalid: for a key that traces cannot be ordered by.
        """
        kind, key = _resolve(order)
        if kind == ATTRIBUTE and key in NUMBERS:
            far_off = FAR_OFF_MS if order.ascending else -FAR_OFF_MS
            return None, [
                SortColumn(f"COALESCE({NUMBERS[key]}, {far_off})", ascending=order.ascending)
            ]
        if kind == ATTRIBUTE and key == "experiment_id":
            return None, [SortColumn("t.experiment_id", ascending=order.ascending)]
        if kind == ATTRIBUTE and key in TEXTS:
            return None, [SortColumn(binary(self.dialect, TEXTS[key]), ascending=order.ascending)]
        if kind == ATTRIBUTE and key == "run_id":
            kind, key = METADATA, SOURCE_RUN
        if kind not in (TAG, METADATA):
            raise Invalid(f"{order.place}: traces cannot be ordered by this.", field="order_by")
        name = f"o{number}"
        join = Fragment(
            f"LEFT JOIN experiments_tracelabel {name} ON {name}.trace_id = t.id"
            f" AND {name}.kind = ? AND {name}.key = ?",
            (kind, key),
        )
        return join, [
            SortColumn(f"CASE WHEN {name}.value IS NULL THEN 1 ELSE 0 END"),
            SortColumn(
                binary(self.dialect, f"COALESCE({name}.value, '')"), ascending=order.ascending
            ),
        ]

    def _attribute(self, clause: Clause, key: str) -> Fragment:
        if key in NUMBERS:
            _check(clause, COMPARISONS, is_number=True)
            return integer_condition(NUMBERS[key], clause.operator, clause.value)
        if key == "run_id":
            return self._run(clause)
        if key == "prompt":
            return self._prompt(clause)
        if key not in TEXTS:
            raise Invalid(
                f"{clause.place}: there is no attribute '{key[:100]}'; there are"
                f" {', '.join(sorted(ATTRIBUTES))}.",
                field="filter",
            )
        _check(clause, LISTED_TEXT_OPERATORS)
        value = text_condition(self.dialect, TEXTS[key], clause.operator, clause.value)
        return Fragment(f"({TEXTS[key]} <> '' AND {value.sql})", value.params)

    def _label(self, clause: Clause, kind: str, key: str) -> Fragment:
        _check(clause, LABEL_OPERATORS)
        if (kind, key) == (TAG, NAME_TAG):
            if clause.operator in ABSENCE:
                return Fragment(f"t.name {'=' if clause.operator == 'IS NULL' else '<>'} ''")
            return self._attribute(clause, "name")
        if (kind, key, clause.operator) == (METADATA, SOURCE_RUN, "="):
            return self._run(clause)
        if clause.operator in ABSENCE:
            negation = "NOT " if clause.operator == "IS NULL" else ""
            return Fragment(f"{negation}{_LABELS})", (kind, key))
        return self._labelled(clause, kind, key)

    def _labelled(self, clause: Clause, kind: str, key: str) -> Fragment:
        value = text_condition(self.dialect, "v.value", clause.operator, clause.value)
        return Fragment(f"{_LABELS} AND {value.sql})", (kind, key, *value.params))

    def _run(self, clause: Clause) -> Fragment:
        """Return the traces made in a run or looked at by it."""
        _check(clause, LISTED_TEXT_OPERATORS)
        made_in = self._labelled(clause, METADATA, SOURCE_RUN)
        if clause.operator not in ("=", "IN"):
            return made_in
        values = clause.value if isinstance(clause.value, tuple) else (str(clause.value),)
        edge = in_list(self.dialect, "r.uuid", values)
        sql = f"({made_in.sql} OR {_EDGES}{edge.sql}))"
        return Fragment(sql, (*made_in.params, *edge.params))

    def _prompt(self, clause: Clause) -> Fragment:
        """Return the traces that used a version of a prompt, written as ``name/version``."""
        _check(clause, frozenset({"="}))
        name, slash, version = str(clause.value).partition("/")
        if not slash or "/" in version:
            raise Invalid(f"{clause.place}: a prompt is written as 'name/version'.", field="filter")
        if self.dialect == SQLITE:
            one = "SELECT 1 FROM json_each(v.value) p WHERE json_extract(p.value, '$.name') = ?"
            version_of = "json_extract(p.value, '$.version')"
        else:
            one = (
                "SELECT 1 FROM jsonb_array_elements(CAST(v.value AS jsonb)) p"
                " WHERE p.value ->> 'name' = ?"
            )
            version_of = "p.value ->> 'version'"
        sql = f"{_LABELS} AND EXISTS ({one} AND {version_of} = ?))"
        return Fragment(sql, (TAG, PROMPTS_TAG, name, version))

    def _span(self, clause: Clause, key: str) -> Fragment:
        if key == "content":
            _check(clause, PATTERNS)
            columns = ("s.attributes", "s.name", "s.events")
            parts = [
                text_condition(self.dialect, column, clause.operator, clause.value)
                for column in columns
            ]
            sql = " OR ".join(part.sql for part in parts)
            return Fragment(f"({sql})", tuple(value for one in parts for value in one.params))
        _check(clause, LISTED_TEXT_OPERATORS)
        if key in SPAN_COLUMNS:
            return text_condition(self.dialect, SPAN_COLUMNS[key], clause.operator, clause.value)
        name = key.removeprefix(SPAN_ATTRIBUTE)
        if name == key or not name:
            raise Invalid(
                f"{clause.place}: a span has name, type, status, content and attributes.….",
                field="filter",
            )
        value = text_condition(self.dialect, self._span_value(), clause.operator, clause.value)
        each = (
            "json_each(s.attributes)"
            if self.dialect == SQLITE
            else "json_each_text(CAST(s.attributes AS json))"
        )
        sql = f"EXISTS (SELECT 1 FROM {each} p WHERE p.key = ? AND {value.sql})"
        return Fragment(sql, (name, *value.params))

    def _span_value(self) -> str:
        """Return the text of an attribute, whose value is JSON text, without its quotes."""
        first = "substr(p.value, 1, 1) = '\"'"
        # Neither PostgreSQL's texts nor SQLite's patterns can hold NUL, which JSON writes so.
        if self.dialect == SQLITE:
            whole, plain = "instr(p.value, '\\u0000') = 0", "json_extract(p.value, '$')"
        else:
            whole, plain = "strpos(p.value, '\\u0000') = 0", "CAST(p.value AS json) #>> '{}'"
        return f"(CASE WHEN {first} AND {whole} THEN {plain} ELSE p.value END)"

    def _assessment(self, clause: Clause, kind: str, key: str) -> Fragment:
        is_number = clause.operator in COMPARISONS - EQUALITY
        _check(clause, ASSESSMENT_OPERATORS, is_number=is_number)
        if clause.operator in ABSENCE:
            negation = "NOT " if clause.operator == "IS NULL" else ""
            return Fragment(f"{negation}{_ASSESSED})", (kind, key))
        if is_number:
            value = number_condition(self._number_said(), clause.operator, clause.value)
        else:
            value = text_condition(self.dialect, self._text_said(), clause.operator, clause.value)
        return Fragment(f"{_ASSESSED} AND {value.sql})", (kind, key, *value.params))

    def _text_said(self) -> str:
        if self.dialect != SQLITE:
            return "(a.body ->> 'value')"
        kind = "json_type(a.body, '$.value')"
        plain = "CAST(json_extract(a.body, '$.value') AS text)"
        return f"(CASE WHEN {kind} IN ('true', 'false') THEN {kind} ELSE {plain} END)"

    def _number_said(self) -> str:
        if self.dialect == SQLITE:
            is_number = "json_type(a.body, '$.value') IN ('integer', 'real')"
            return f"(CASE WHEN {is_number} THEN json_extract(a.body, '$.value') END)"
        is_number = "jsonb_typeof(a.body -> 'value') = 'number'"
        return f"(CASE WHEN {is_number} THEN CAST(a.body ->> 'value' AS float8) END)"


def _resolve(asked: Clause | Order) -> tuple[str, str]:
    field = "filter" if isinstance(asked, Clause) else "order_by"
    prefix, key = asked.field.prefix, asked.field.key
    kind = ATTRIBUTE if prefix is None else PREFIXES.get(prefix)
    if kind is None:
        raise Invalid(
            f"{asked.place}: there is no '{prefix}.…'; there are {', '.join(sorted(PREFIXES))}.",
            field=field,
        )
    return kind, SYNONYMS.get(key, key) if kind == ATTRIBUTE else key


def _check(clause: Clause, operators: frozenset[str], *, is_number: bool = False) -> None:
    if clause.operator not in operators:
        raise Invalid(
            f"{clause.place}: this field takes {', '.join(sorted(operators))},"
            f" not {clause.operator}.",
            field="filter",
        )
    if clause.operator in ABSENCE | LISTS:
        return
    if is_number == isinstance(clause.value, str):
        wanted = "a number without quotes" if is_number else "a text in quotes"
        raise Invalid(f"{clause.place}: this field is compared with {wanted}.", field="filter")
