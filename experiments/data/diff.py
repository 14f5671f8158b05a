"""The difference between two versions of a dataset, and rows that two tables share."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.columns import is_named_identifier
from experiments.data.loading import count_rows
from experiments.data.specs import DatasetSchema

_PRIME = np.uint64(0x9E3779B97F4A7C15)
Hashes = NDArray[np.uint64]


def diff_tables(
    old_table: Path, old_schema: DatasetSchema, new_table: Path, new_schema: DatasetSchema
) -> dict[str, Any]:
    """Return what changed from the old table to the new one.

    Rows are matched by a key column when one is unique and filled in both tables; without a key a
    changed row counts as one removed and one added. Only columns that both tables have are
    compared. Memory: 16 bytes a row and one column at a time.

    Returns:
        {"rows_added", "rows_removed", "rows_changed", "columns_added", "columns_removed",
        "type_changes": [{"column", "from", "to"}], "key": column or None}.
    """
    shared = [name for name in old_schema.names if name in set(new_schema.names)]
    types = {name: (old_schema.column(name).type, new_schema.column(name).type) for name in shared}
    key = _key_column(old_table, new_table, types)
    old_rows = _row_hashes(old_table, types, side=0, skip=key)
    new_rows = _row_hashes(new_table, types, side=1, skip=key)
    if key is None:
        counts = _unkeyed(old_rows, new_rows)
    else:
        old_keys = _column_hashes(old_table, key, types[key], side=0)
        new_keys = _column_hashes(new_table, key, types[key], side=1)
        counts = _keyed(old_keys, old_rows, new_keys, new_rows)
    return {
        **counts,
        "columns_added": [name for name in new_schema.names if name not in types],
        "columns_removed": [name for name in old_schema.names if name not in types],
        "type_changes": [
            {"column": name, "from": old, "to": new}
            for name, (old, new) in types.items()
            if old != new
        ],
        "key": key,
    }


def shared_rows(
    one_table: Path, one_schema: DatasetSchema, other_table: Path, other_schema: DatasetSchema
) -> dict[str, Any]:
    """Return how many rows of the other table also stand in the first: {"count", "share"}.

    For a test table that repeats training rows (share 1.0 = the same table).
    """
    types = {
        name: (one_schema.column(name).type, other_schema.column(name).type)
        for name in one_schema.names
        if name in set(other_schema.names)
    }
    if not types:
        return {"count": 0, "share": 0.0}
    one = _row_hashes(one_table, types, side=0, skip=None)
    other = _row_hashes(other_table, types, side=1, skip=None)
    count = int(np.isin(other, one).sum())
    return {"count": count, "share": count / len(other) if len(other) else 0.0}


def _unkeyed(old: Hashes, new: Hashes) -> dict[str, int]:
    both = pd.concat([pd.Series(1, index=new), pd.Series(-1, index=old)])
    balance = both.groupby(level=0).sum().to_numpy()
    return {
        "rows_added": int(balance[balance > 0].sum()),
        "rows_removed": int(-balance[balance < 0].sum()),
        "rows_changed": 0,
    }


def _keyed(
    old_keys: Hashes, old_rows: Hashes, new_keys: Hashes, new_rows: Hashes
) -> dict[str, int]:
    old = pd.Series(old_rows, index=old_keys)
    places = pd.Index(old_keys).get_indexer(pd.Index(new_keys))
    matched = places >= 0
    changed = old.to_numpy()[places[matched]] != new_rows[matched]
    return {
        "rows_added": int((~matched).sum()),
        "rows_removed": int(len(old_keys) - matched.sum()),
        "rows_changed": int(changed.sum()),
    }


def _key_column(old_table: Path, new_table: Path, types: dict[str, tuple[str, str]]) -> str | None:
    kinds = ("integer", "text", "category")
    able = [name for name, pair in types.items() if pair[0] in kinds and pair[1] in kinds]
    able.sort(key=lambda name: not is_named_identifier(name))
    sizes = count_rows(old_table), count_rows(new_table)
    for name in able[:50]:
        if all(
            _is_unique(path, name, n) for path, n in zip((old_table, new_table), sizes, strict=True)
        ):
            return name
    return None


def _is_unique(path: Path, name: str, n_rows: int) -> bool:
    column = _read(path, name)
    if column.null_count:
        return False
    start = column.slice(0, 1000)
    if pc.count_distinct(start).as_py() < len(start):
        return False
    return bool(pc.count_distinct(column).as_py() == n_rows)


def _read(path: Path, name: str) -> pa.ChunkedArray:
    with path.open("rb") as handle:
        return pq.ParquetFile(handle).read(columns=[name]).column(0)


def _row_hashes(
    path: Path, types: dict[str, tuple[str, str]], *, side: int, skip: str | None
) -> Hashes:
    hashes = np.zeros(count_rows(path), dtype=np.uint64)
    for name, pair in types.items():
        if name != skip:
            hashes = (hashes ^ _column_hashes(path, name, pair, side=side)) * _PRIME
            hashes ^= hashes >> np.uint64(32)
    return hashes


def _column_hashes(path: Path, name: str, types: tuple[str, str], *, side: int) -> Hashes:
    """Return one hash a row; equal values hash equal in both tables whatever their types."""
    column = _read(path, name)
    numeric = {"integer", "number"}
    if set(types) <= numeric and types[0] != types[1]:
        values = pc.cast(column, pa.float64(), safe=False)
    elif types[0] != types[1] and types[side] not in ("text", "category"):
        values = pc.cast(column, pa.string())
    elif types[side] in ("datetime", "boolean"):
        values = pc.cast(column, pa.int64())
    else:
        values = column
    if pa.types.is_string(values.type):
        words = np.asarray(pc.fill_null(values, "\0").to_numpy(), dtype=object)
        return pd.util.hash_array(words, categorize=True)
    missing = values.is_null().to_numpy()
    numbers = pc.fill_null(values, 0).to_numpy()
    hashes = pd.util.hash_array(numbers)
    return np.where(missing, np.uint64(7), hashes)
