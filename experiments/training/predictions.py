"""The predictions table of a run: written once as Parquet, read in slices with filters."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.export import safe_table
from experiments.data.specs import EngineError
from experiments.training.jsonable import to_json

MAX_LIMIT = 1_000
ROW_GROUP_ROWS = 50_000
SORTABLE = ("row", "actual", "prediction", "confidence", "correct", "error")
JSON_COLUMNS = ("probabilities", "reasons")
FILTERS = (
    "actual",
    "prediction",
    "correct",
    "min_confidence",
    "max_confidence",
    "min_error",
    "row",
    "has_reasons",
)


def write_predictions(
    path: Path,
    *,
    rows: NDArray[np.int64],
    actual: Sequence[str] | NDArray[np.float64],
    prediction: Sequence[str] | NDArray[np.float64],
    labels: Sequence[str] | None,
    probabilities: NDArray[np.float64] | None,
    reasons: Sequence[list[dict[str, Any]] | None],
) -> None:
    """Write one line per held-out row.

    Columns: row, actual, prediction, confidence, correct, error (regression: actual minus
    predicted), probabilities (JSON object) and reasons (JSON list), null where there are none.

    Args:
        path: where the file goes.
        rows: row number of each line in its table.
        actual: labels, or numbers for a regression.
        prediction: the same for what the model said.
        labels: class of each column of `probabilities`; None for a regression.
        probabilities: shape (n_rows, n_classes), or None.
        reasons: reasons of the first rows; shorter than `rows` where the rest has none.
    """
    n_rows = len(rows)
    confidence = None if probabilities is None else probabilities.max(axis=1)
    nothing: list[str | None] = [None] * n_rows
    texts = probability_texts(probabilities, labels)
    given = [None if item is None else json.dumps(to_json(item)) for item in reasons]
    given += [None] * (n_rows - len(given))
    columns = {
        "row": pa.array(rows, pa.int64()),
        "confidence": _floats(confidence, n_rows),
        "probabilities": pa.array(texts or nothing, pa.string()),
        "reasons": pa.array(given, pa.string()),
    }
    if labels is None:
        numbers = np.asarray(actual, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
        columns["actual"], columns["prediction"] = (pa.array(part) for part in numbers)
        columns["error"] = pa.array(numbers[0] - numbers[1])
        columns["correct"] = pa.nulls(n_rows, pa.bool_())
    else:
        columns["actual"] = pa.array(list(actual), pa.string())
        columns["prediction"] = pa.array(list(prediction), pa.string())
        columns["error"] = pa.nulls(n_rows, pa.float64())
        columns["correct"] = pc.equal(columns["actual"], columns["prediction"])
    order = ("row", "actual", "prediction", "confidence", "correct", "error", *JSON_COLUMNS)
    table = pa.table({name: columns[name] for name in order})
    temporary = path.with_name(path.name + ".part")
    pq.write_table(table, temporary, row_group_size=ROW_GROUP_ROWS, compression="zstd")
    temporary.replace(path)


def probability_texts(
    probabilities: NDArray[np.float64] | None, labels: Sequence[str] | None
) -> list[str] | None:
    """Return a JSON object {class: probability} per row, or None."""
    if probabilities is None or labels is None:
        return None
    rounded = np.round(probabilities, 6).tolist()
    return [json.dumps(dict(zip(labels, row, strict=True))) for row in rounded]


def _floats(values: NDArray[np.float64] | None, n_rows: int) -> pa.Array:
    return pa.nulls(n_rows, pa.float64()) if values is None else pa.array(values, pa.float64())


def read_predictions(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a slice of a predictions file (engine-host call).

    Args:
        payload: `path`, and optionally `offset`, `limit` (at most 1,000), `filters` (`actual`,
            `prediction`, `correct`, `min_confidence`, `max_confidence`, `min_error`, `row`,
            `has_reasons`) and `sort` (`{"column", "descending"}`).

    Returns:
        `{"count": rows that pass the filters, "results": [{"row", "prediction", "confidence",
        "probabilities", "actual", "correct", "error", "reasons"}]}`.

    Raises:
        EngineError: `invalid_filter`, `invalid_sort` or `invalid_page`, naming the field.
    """
    offset, limit = _page(payload)
    path = Path(payload["path"])
    rows = _selected(path, payload.get("filters") or {}, payload.get("sort"))
    wanted = rows.slice(offset, limit)
    table = pq.read_table(path).take(wanted)
    return {"count": len(rows), "results": [_result(row) for row in table.to_pylist()]}


def export_predictions(payload: dict[str, Any]) -> dict[str, Any]:
    """Write the predictions that pass to a file and return `{"n_rows"}` (engine-host call).

    CSV gets one column per class probability and the reasons as plain words, with cells that a
    spreadsheet would take for formulas made harmless; Parquet keeps the stored columns.

    Args:
        payload: `path`, `out_path`, `fmt` (csv or parquet), and optionally `filters` and `sort`
            as for `read_predictions`.

    Raises:
        EngineError: `bad_format`, `invalid_filter`, `invalid_sort`.
    """
    fmt, path, out_path = payload["fmt"], Path(payload["path"]), Path(payload["out_path"])
    if fmt not in {"csv", "parquet"}:
        raise EngineError("bad_format", f"“{fmt}” is no export format; use csv or parquet.")
    rows = _selected(path, payload.get("filters") or {}, payload.get("sort"))
    table = pq.read_table(path).take(rows)
    if fmt == "parquet":
        pq.write_table(table, out_path, compression="zstd")
    else:
        pacsv.write_csv(safe_table(_spread(table)), out_path)
    return {"n_rows": len(rows)}


def _spread(table: pa.Table) -> pa.Table:
    """Return the table with JSON columns turned into plain ones."""
    plain = table.drop_columns(list(JSON_COLUMNS))
    given = [json.loads(text or "{}") for text in table.column("probabilities").to_pylist()]
    for label in given[0] if given else ():
        values = pa.array([row.get(label) for row in given], pa.float64())
        plain = plain.append_column(f"probability of {label}", values)
    reasons = [json.loads(text or "[]") for text in table.column("reasons").to_pylist()]
    words = pa.array(["; ".join(item["text"] for item in row) for row in reasons], pa.string())
    return plain.append_column("reasons", words)


def _result(row: dict[str, Any]) -> dict[str, Any]:
    for name in JSON_COLUMNS:
        row[name] = None if row[name] is None else json.loads(row[name])
    row["reasons"] = row["reasons"] or []
    clean: dict[str, Any] = to_json(row)
    return clean


def _page(payload: Mapping[str, Any]) -> tuple[int, int]:
    values = payload.get("offset", 0), payload.get("limit", 50)
    for name, value in zip(("offset", "limit"), values, strict=True):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise EngineError(
                "invalid_page", f"“{name}” must be a whole number from 0.", field=name
            )
    return values[0], min(values[1], MAX_LIMIT)


def _selected(path: Path, filters: Mapping[str, Any], sort: Mapping[str, Any] | None) -> pa.Array:
    """Return positions of the lines that pass, in the wanted order."""
    for name in filters:
        if name not in FILTERS:
            raise EngineError(
                "invalid_filter",
                f"There is no filter “{name}”; there are: {', '.join(FILTERS)}.",
                field=name,
            )
    columns = ["row", "actual", "prediction", "confidence", "correct", "error"]
    if filters.get("has_reasons") is not None:
        columns.append("reasons")
    table = pq.read_table(path, columns=columns)
    positions = pa.array(np.arange(len(table)))
    mask = _mask(table, filters)
    if mask is not None:
        table, positions = (
            table.filter(mask),
            positions.filter(pc.fill_null(mask, fill_value=False)),
        )
    if not sort:
        return positions
    column = sort.get("column")
    if column not in SORTABLE:
        raise EngineError(
            "invalid_sort",
            f"Predictions cannot be sorted by “{column}”; choose one of: {', '.join(SORTABLE)}.",
            field="sort",
        )
    # The position as second key keeps equal values in file order.
    keyed = table.select([column]).append_column("position", positions)
    direction = "descending" if sort.get("descending") else "ascending"
    keys = [(column, direction), ("position", "ascending")]
    return positions.take(pc.sort_indices(keyed, sort_keys=keys))


def _mask(table: pa.Table, filters: Mapping[str, Any]) -> Any:
    masks = [_one_mask(table, name, value) for name, value in filters.items() if value is not None]
    combined = None
    for mask in masks:
        combined = mask if combined is None else pc.and_kleene(combined, mask)
    return combined


def _one_mask(table: pa.Table, name: str, value: Any) -> Any:
    if name in {"actual", "prediction"}:
        return _equals(table.column(name), value, name)
    if name == "correct":
        return pc.equal(table.column("correct"), _as_boolean(value, name))
    if name == "has_reasons":
        valid = pc.is_valid(table.column("reasons"))
        return valid if _as_boolean(value, name) else pc.invert(valid)
    number = _as_number(value, name)
    if name == "row":
        return pc.equal(table.column("row"), int(number))
    if name == "min_error":
        return pc.greater_equal(pc.abs(table.column("error")), number)
    compare = pc.greater_equal if name == "min_confidence" else pc.less_equal
    return compare(table.column("confidence"), number)


def _equals(column: Any, value: Any, name: str) -> Any:
    if pa.types.is_string(column.type):
        return pc.equal(column, str(value))
    return pc.equal(column, _as_number(value, name))


def _as_boolean(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false", "1", "0"}:
        return str(value).lower() in {"true", "1"}
    raise EngineError("invalid_filter", f"“{name}” must be true or false.", field=name)


def _as_number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or abs(number) > 2**53:
        raise EngineError("invalid_filter", f"“{name}” must be a number.", field=name)
    return number
