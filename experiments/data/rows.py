"""Pages of rows for the exploration page and the API, called through the engine host."""

import math
import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.data.filters import checked_filter, filter_mask
from experiments.data.specs import DatasetSchema, EngineError

MAX_LIMIT = 1_000
_CACHED_TABLES = 8
_CACHED_ORDERS = 16

_lock = threading.Lock()
_tables: OrderedDict[tuple[str, int, int], pq.ParquetFile] = OrderedDict()
_orders: OrderedDict[tuple[Any, ...], np.ndarray[Any, Any]] = OrderedDict()


def read_rows(payload: dict[str, Any]) -> dict[str, Any]:
    """Return one page of rows.

    Args:
        payload: {"table_path", "schema" (JSON), "offset", "limit" (<= 1000), "sort":
            {"column", "descending"} or null, "filters": [{"column", "op", "value"}], "columns":
            [...] or null}.

    Returns:
        {"total" (rows that pass the filters), "columns": [{"name", "type"}], "rows": [[...]],
        "row_numbers": [...]}. Row numbers count from 0 in the table's own order. Missing is None,
        infinities are the words "Infinity" and "-Infinity", date-times ISO words.

    Raises:
        EngineError: `bad_filter`, `bad_sort`, `unknown_column`, `bad_page`, `table_missing`.
    """
    schema = DatasetSchema.from_json(payload["schema"])
    offset, limit = _page(payload)
    names = payload.get("columns") or schema.names
    columns = [schema.column(name) for name in names]
    path = Path(payload["table_path"])
    key, file = _opened(path)
    with _lock:
        order = _order(key, file, schema, payload)
        total = file.metadata.num_rows if order is None else len(order)
        stop = min(offset + limit, total)
        numbers = np.arange(offset, max(offset, stop)) if order is None else order[offset:stop]
        table = _take(file, [column.name for column in columns], numbers)
    cells = [json_values(table.column(n)) for n in range(len(columns))]
    return {
        "total": int(total),
        "columns": [{"name": column.name, "type": column.type} for column in columns],
        "rows": [list(row) for row in zip(*cells, strict=True)],
        "row_numbers": [int(number) for number in numbers],
    }


def json_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the cells as JSON-clean values."""
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [json_number(value) for value in values]
    if pa.types.is_timestamp(column.type):
        return [json_value(value) for value in values]
    return list(values)


def json_number(value: float | None) -> float | str | None:
    """Return a number JSON can hold: NaN is None, infinities are words."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def json_value(value: Any) -> Any:
    """Return one cell as a JSON-clean value."""
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _page(payload: dict[str, Any]) -> tuple[int, int]:
    try:
        offset, limit = int(payload.get("offset") or 0), int(payload.get("limit") or 50)
    except (TypeError, ValueError) as error:
        raise EngineError("bad_page", "Offset and limit must be whole numbers.") from error
    if offset < 0 or not 1 <= limit <= MAX_LIMIT:
        raise EngineError("bad_page", f"The limit is 1 to {MAX_LIMIT}, the offset not negative.")
    return offset, limit


def _opened(path: Path) -> tuple[tuple[str, int, int], pq.ParquetFile]:
    try:
        info = path.stat()
    except OSError as error:
        raise EngineError("table_missing", "The stored table of this dataset is gone.") from error
    key = (str(path), info.st_mtime_ns, info.st_size)
    with _lock:
        if key in _tables:
            _tables.move_to_end(key)
            return key, _tables[key]
        _tables[key] = pq.ParquetFile(pa.PythonFile(path.open("rb"), mode="r"))
        if len(_tables) > _CACHED_TABLES:
            _tables.popitem(last=False)[1].close(force=True)
        return key, _tables[key]


def _order(
    key: tuple[str, int, int],
    file: pq.ParquetFile,
    schema: DatasetSchema,
    payload: dict[str, Any],
) -> np.ndarray[Any, Any] | None:
    """Return the row numbers that pass, sorted; None = all rows in their own order."""
    filters, sort = payload.get("filters") or [], payload.get("sort") or None
    if not filters and not sort:
        return None
    cache_key = (*key, repr(filters), repr(sort))
    if cache_key in _orders:
        _orders.move_to_end(cache_key)
        return _orders[cache_key]
    order = _make_order(file, schema, filters, sort)
    _orders[cache_key] = order
    while len(_orders) > 1 and (
        len(_orders) > _CACHED_ORDERS or sum(a.nbytes for a in _orders.values()) > 64 * 1024**2
    ):
        _orders.popitem(last=False)
    return order


def _make_order(
    file: pq.ParquetFile,
    schema: DatasetSchema,
    filters: list[dict[str, Any]],
    sort: dict[str, Any] | None,
) -> np.ndarray[Any, Any]:
    needed = {checked_filter(schema, item)[0].name for item in filters}
    by = None
    if sort:
        by = str(sort.get("column", ""))
        if by not in schema.names:
            raise EngineError("bad_sort", f"There is no column “{by}” to sort by.", column=by)
        needed.add(by)
    table = file.read(columns=sorted(needed))
    mask = filter_mask(table, schema, filters)
    rows = pa.array(np.arange(table.num_rows, dtype=np.int32))
    if mask is not None:
        rows = rows.filter(mask.combine_chunks() if hasattr(mask, "combine_chunks") else mask)
    if by is None:
        return np.asarray(rows.to_numpy())
    values = table.column(by)
    if mask is not None:
        values = values.filter(mask)
    direction = "descending" if (sort or {}).get("descending") else "ascending"
    # The row number as second key keeps the file's order among equals, also when descending.
    keyed = pa.table({"value": values, "row": rows})
    keys = [("value", direction, "at_end"), ("row", "ascending", "at_end")]
    return np.asarray(rows.take(pc.sort_indices(keyed, sort_keys=keys)).to_numpy())


def _take(file: pq.ParquetFile, names: list[str], numbers: np.ndarray[Any, Any]) -> pa.Table:
    """Return the rows `numbers` in that order; reads only the row groups they lie in."""
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    ends = np.cumsum(sizes)
    groups = np.unique(np.searchsorted(ends, numbers, side="right"))
    unique = list(dict.fromkeys(names))
    if len(groups) == 0:
        return file.schema_arrow.empty_table().select(names)
    pieces, starts, base = [], {}, 0
    for group in groups:
        wanted = np.unique(
            numbers[(numbers < ends[group]) & (numbers >= ends[group] - sizes[group])]
        )
        local = wanted - (ends[group] - sizes[group])
        pieces.append(file.read_row_group(int(group), columns=unique).take(pa.array(local)))
        starts.update({int(row): base + n for n, row in enumerate(wanted)})
        base += len(wanted)
    table = pa.concat_tables(pieces)
    return table.take(pa.array([starts[int(row)] for row in numbers])).select(names)
