"""Row filters typed by their column: the conditions of the exploration page, the API and exports."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from experiments.data import inference
from experiments.data.inference import ColumnPlan, MisfitError
from experiments.data.specs import ColumnSchema, DatasetSchema, EngineError

OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "contains", "is_null", "not_null", "in")
MAX_FILTERS = 50
MAX_VALUES = 1_000


def filter_mask(
    table: pa.Table, schema: DatasetSchema, filters: Sequence[Mapping[str, Any]]
) -> pa.ChunkedArray | None:
    """Return the boolean mask of rows that pass every filter, None without filters.

    Args:
        table: Holds at least the columns that the filters name.
        schema: Types the values: "5" given for an integer column is 5.
        filters: [{"column", "op", "value"}].

    Raises:
        EngineError: `bad_filter` naming the column.
    """
    if len(filters) > MAX_FILTERS:
        raise EngineError("bad_filter", f"At most {MAX_FILTERS} filters can be combined.")
    mask = None
    for item in filters:
        column, operator, value = checked_filter(schema, item)
        passed = pc.fill_null(
            _passes(table.column(column.name), column, operator, value), fill_value=False
        )
        mask = passed if mask is None else pc.and_(mask, passed)
    return mask


def checked_filter(schema: DatasetSchema, item: Mapping[str, Any]) -> tuple[ColumnSchema, str, Any]:
    """Return (column, operator, value) of one filter.

    Raises:
        EngineError: `bad_filter`.
    """
    name = str(item.get("column", ""))
    if name not in schema.names:
        raise EngineError("bad_filter", f"There is no column “{name}” to filter by.", column=name)
    operator = item.get("op", "eq")
    if operator not in OPERATORS:
        raise EngineError(
            "bad_filter",
            f"Column “{name}”: “{operator}” is not a filter; use one of {', '.join(OPERATORS)}.",
            column=name,
        )
    return schema.column(name), operator, item.get("value")


def _passes(
    values: pa.ChunkedArray, column: ColumnSchema, operator: str, value: Any
) -> pa.ChunkedArray:
    if operator == "is_null":
        return pc.is_null(values)
    if operator == "not_null":
        return pc.is_valid(values)
    if operator == "contains":
        words = values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
        return pc.match_substring(words, _word(column, value), ignore_case=True)
    if operator == "in":
        return pc.is_in(values, value_set=_typed_list(column, values.type, value))
    comparisons = {
        "eq": pc.equal,
        "ne": pc.not_equal,
        "lt": pc.less,
        "le": pc.less_equal,
        "gt": pc.greater,
        "ge": pc.greater_equal,
    }
    return comparisons[operator](values, _typed(column, value))


def _word(column: ColumnSchema, value: Any) -> str:
    if not isinstance(value, str | int | float) or len(str(value)) > MAX_VALUES:
        raise _bad(column, value, "a piece of text is needed")
    return str(value)


def _typed_list(column: ColumnSchema, type_: pa.DataType, value: Any) -> pa.Array:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not 1 <= len(items) <= MAX_VALUES:
        raise _bad(column, value, f"a list of 1 to {MAX_VALUES} values is needed")
    typed = [_typed(column, item).as_py() for item in items]
    if column.type == "integer" and any(isinstance(item, float) for item in typed):
        typed = [int(item) for item in typed if float(item).is_integer()]
    return pa.array(typed, type_)


def _typed(column: ColumnSchema, value: Any) -> pa.Scalar:
    if value is None or isinstance(value, dict | list):
        raise _bad(column, value, "one value is needed")
    word = str(value).strip() if column.type not in ("text", "category") else str(value)
    try:
        array = pa.array([word], pa.string())
        if column.type == "integer" and "." in word:
            # An integer column may well be compared with 2.5.
            return inference.convert(array, ColumnPlan("number", is_declared=True))[0]
        kind = "text" if column.type == "category" else column.type
        fmt = "iso" if kind == "datetime" else ""
        return inference.convert(array, ColumnPlan(kind, fmt, is_declared=True))[0]
    except (MisfitError, UnicodeEncodeError) as error:
        raise _bad(column, value, f"that is not of type {column.type}") from error


def _bad(column: ColumnSchema, value: Any, reason: str) -> EngineError:
    return EngineError(
        "bad_filter",
        f"Column “{column.name}”: the value “{str(value)[:80]}” cannot be used: {reason}.",
        column=column.name,
    )
