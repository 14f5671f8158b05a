"""The stored table as a pandas frame that scikit-learn can train on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.data.specs import MISSING_CATEGORY, DatasetSchema, EngineError


def load_frame(
    table_path: Path,
    schema: DatasetSchema,
    columns: Sequence[str] | None = None,
    rows: Sequence[int] | np.ndarray[Any, Any] | None = None,
) -> pd.DataFrame:
    """Return the table ready for training, shape (n_rows, n_columns).

    Integers without missing values are int64; other numbers, booleans (0/1) and date-times
    (seconds since 1970, UTC) are float64 with NaN for missing. Infinities become NaN. Category and
    text columns are object columns of str in which a missing value is the word `__missing__`.

    Args:
        table_path: Parquet file written by `ingest`.
        schema: Its schema.
        columns: Names in the wanted order; None = all.
        rows: Row numbers in the wanted order; None = all.

    Raises:
        EngineError: `unknown_column`.
    """
    names = list(columns) if columns is not None else schema.names
    for name in names:
        schema.column(name)
    with table_path.open("rb") as handle:
        table = pq.ParquetFile(handle).read(columns=list(dict.fromkeys(names)))
    if rows is not None:
        table = table.take(pa.array(np.asarray(rows, dtype=np.int64)))
    return frame_from_table(table, schema, names)


def frame_from_table(table: pa.Table, schema: DatasetSchema, names: Sequence[str]) -> pd.DataFrame:
    """Return rows already read, as `load_frame` gives them (for reading a table in pieces).

    Raises:
        EngineError: `unknown_column`.
    """
    types = [schema.column(name).type for name in names]
    data = {
        # Left to itself pandas 3 would make `str` columns, which skops and ONNX do not know.
        name: pd.Series(values := _training_values(table.column(name), type_), dtype=values.dtype)
        for name, type_ in zip(names, types, strict=True)
    }
    return pd.DataFrame(data, columns=list(names))


def _training_values(column: pa.ChunkedArray, type_: str) -> np.ndarray[Any, Any]:
    if type_ in ("category", "text"):
        filled = pc.fill_null(pc.cast(column, pa.string()), MISSING_CATEGORY)
        return np.asarray(filled.to_numpy(), dtype=object)
    if type_ == "integer" and column.null_count == 0:
        return np.array(column.to_numpy())
    if type_ == "datetime":
        microseconds = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64())
        column = pc.divide(pc.cast(microseconds, pa.float64(), safe=False), 1e6)
    values = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    values[np.isinf(values)] = np.nan
    return values


def count_rows(table_path: Path) -> int:
    """Return the number of rows of a stored table.

    Raises:
        EngineError: `table_missing` when the file is gone.
    """
    try:
        with table_path.open("rb") as handle:
            return int(pq.ParquetFile(handle).metadata.num_rows)
    except FileNotFoundError as error:
        raise EngineError("table_missing", "The stored table of this dataset is gone.") from error
