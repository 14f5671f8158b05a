"""From what a client sends to the frame a model wants: by name, checked, never by position."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.data.specs import MISSING_CATEGORY, EngineError
from registry.serving.specs import EXPECTED_WORDS, INPUT_MISMATCH, FeatureSpec, InputContract

MAX_LISTED = 20
TRUE_WORDS = frozenset({"true", "yes", "1", "t", "y"})
FALSE_WORDS = frozenset({"false", "no", "0", "f", "n"})
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _WrongValueError(ValueError):
    """A value that is not of the column's type."""


def frame_from_rows(rows: Sequence[Any], contract: InputContract) -> pd.DataFrame:
    """Return the rows as a frame with the model's columns in the model's order.

    Numbers and booleans become float64 with NaN for missing, dates seconds since 1970, text and
    categories `str` objects with the literal missing category.

    Args:
        rows: one mapping of column name to value per row; the order of keys does not matter.
        contract: the columns of the model.

    Raises:
        EngineError: `input_schema_mismatch`, with what is missing, unknown, empty or of the wrong
            type, and what is expected.
    """
    _check_shape(rows)
    problems = _column_problems([set(row) for row in rows], contract)
    if problems:
        raise mismatch(contract, **problems)
    columns: dict[str, Any] = {}
    wrong: list[dict[str, Any]] = []
    empty: list[str] = []
    for feature in contract.features:
        values: list[Any] = []
        for number, row in enumerate(rows):
            try:
                values.append(_convert(row[feature.name], feature))
            except _WrongValueError:
                wrong.append(_wrong(number, feature, row[feature.name]))
                values.append(None)
        if not feature.nullable and any(_is_missing(row[feature.name]) for row in rows):
            empty.append(feature.name)
        columns[feature.name] = _column(values, feature)
    if wrong or empty:
        raise mismatch(contract, wrong_type=wrong, empty=empty)
    return pd.DataFrame(columns, columns=contract.names)


def check_table_columns(types: Mapping[str, str], contract: InputContract) -> list[str]:
    """Return which columns of a table the model does not use; refuse tables that do not fit.

    Args:
        types: type of each column of the table.
        contract: the columns of the model.

    Raises:
        EngineError: `input_schema_mismatch` for missing columns and columns of another kind.
    """
    missing = [name for name in contract.names if name not in types]
    wrong = [
        {"column": feature.name, "expected": feature.type, "found": types[feature.name]}
        for feature in contract.features
        if feature.name in types and not _same_kind(types[feature.name], feature.type)
    ]
    if missing or wrong:
        raise mismatch(contract, missing=missing, wrong_type=wrong)
    return sorted(set(types) - set(contract.names))


def mismatch(contract: InputContract, **problems: Any) -> EngineError:
    """Return the error that names what does not fit and what is expected."""
    found = {key: value for key, value in problems.items() if value}
    parts = ["The input does not fit the model."]
    for key, words in (
        ("missing", "Missing columns"),
        ("unknown", "Unknown columns"),
        ("empty", "Columns that may not be empty"),
    ):
        if key in found:
            parts.append(f"{words}: {_listed(found[key])}.")
    parts.extend(_wrong_text(item) for item in found.get("wrong_type", [])[:3])
    if "missing" in found or "unknown" in found:
        parts.append(f"Expected columns: {_listed(contract.names)}.")
    found["wrong_type"] = found.get("wrong_type", [])[:MAX_LISTED]
    expected = [{"name": item.name, "type": item.type} for item in contract.features]
    columns = [*found.get("missing", []), *found.get("unknown", []), *found.get("empty", [])]
    columns += [item["column"] for item in found["wrong_type"]]
    found["columns"] = list(dict.fromkeys(columns))
    return EngineError(INPUT_MISMATCH, " ".join(parts), **found, expected=expected)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_LISTED])
    more = len(names) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _wrong_text(item: Mapping[str, Any]) -> str:
    if "found" in item:
        return f"Column {item['column']} is {item['found']}, expected {item['expected']}."
    expected = EXPECTED_WORDS[item["expected"]]
    return f"Row {item['row'] + 1}, column {item['column']}: {item['value']!r} is not {expected}."


def _wrong(number: int, feature: FeatureSpec, value: Any) -> dict[str, Any]:
    shown = value if isinstance(value, bool | int | float) else str(value)[:80]
    return {"row": number, "column": feature.name, "expected": feature.type, "value": shown}


def _check_shape(rows: Sequence[Any]) -> None:
    if not isinstance(rows, list | tuple) or not rows:
        raise EngineError(INPUT_MISMATCH, "Give a list with at least one row.", columns=[])
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise EngineError(
                INPUT_MISMATCH,
                f"Row {number + 1} must be an object of column names and values.",
                row=number,
                columns=[],
            )


def _column_problems(keys: Sequence[set[str]], contract: InputContract) -> dict[str, list[str]]:
    known = set(contract.names)
    missing: set[str] = set()
    unknown: set[str] = set()
    for names in keys:
        missing |= known - names
        unknown |= names - known - contract.ignored
    ordered = [name for name in contract.names if name in missing]
    found = {"missing": ordered, "unknown": sorted(str(name) for name in unknown)}
    return {key: value for key, value in found.items() if value}


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return isinstance(value, float) and math.isnan(value)


def _convert(value: Any, feature: FeatureSpec) -> float | str | None:
    if _is_missing(value):
        return None
    if feature.type in {"integer", "number"}:
        return _number(value, whole=feature.type == "integer")
    if feature.type == "boolean":
        return _boolean(value)
    if feature.type == "datetime":
        return _seconds(value)
    return _text(value)


def _number(value: Any, *, whole: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _WrongValueError
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _WrongValueError from None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise _WrongValueError
    return number


def _boolean(value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float) and value in {0, 1}:
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE_WORDS:
            return 1.0
        if word in FALSE_WORDS:
            return 0.0
    raise _WrongValueError


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        raise _WrongValueError
    try:
        moment = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        raise _WrongValueError from None
    # Stored tables hold naive times; an offset is folded into UTC, as the loader does.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (aware - EPOCH).total_seconds()


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _WrongValueError
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _column(values: list[Any], feature: FeatureSpec) -> Any:
    if feature.type in {"category", "text"}:
        filled = [MISSING_CATEGORY if value is None else value for value in values]
        return pd.Series(filled, dtype=object)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _same_kind(found: str, expected: str) -> bool:
    numeric = {"integer", "number", "boolean"}
    words = {"category", "text"}
    if expected in numeric:
        return found in numeric
    # A file whose category column happens to hold only numbers is still readable as words.
    return found in words | numeric if expected in words else found == expected
