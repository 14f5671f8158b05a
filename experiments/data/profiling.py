"""The profile of a dataset version: column figures, pictures, duplicates, warnings and a first look."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.data.loading import count_rows
from experiments.data.progress import Beat
from experiments.data.rows import json_number, read_rows
from experiments.data.specs import DatasetSchema
from experiments.data.statistics import ColumnResult, column_result, sample_rows
from experiments.data.targets import guess_target, target_findings
from experiments.data.warnings import dataset_warnings

HEAD_ROWS = 50
MAX_CORRELATED = 60
MAX_MISSING_COLUMNS = 60
_CORRELATION_CELLS = 60_000_000


def profile(
    table_path: Path,
    schema: DatasetSchema,
    *,
    on_progress: Callable[[float, str], None],
    should_stop: Callable[[], bool],
    target: str | None = None,
) -> dict[str, Any]:
    """Return the JSON-clean profile of a stored table.

    Counts, nulls, min, max, mean, std, duplicates and top words are exact; above 200,000 rows
    quantiles, histograms, correlations and distinct numbers come from 100,000 rows and
    `sample` says so. Memory: one column at a time and 16 bytes a row.

    Args:
        table_path: Parquet file written by `ingest`.
        schema: Its schema.
        on_progress: Called with (fraction, stage).
        should_stop: Polled between columns.
        target: Column whose leakage and balance are judged; None = the guessed one.

    Raises:
        EngineError: `stopped`, `unknown_column`.
    """
    beat = Beat(on_progress, should_stop)
    n_rows = count_rows(table_path)
    rows = sample_rows(n_rows)
    results, n_duplicates, complete = _all_columns(table_path, schema, rows, n_rows, beat)
    beat(0.8, "correlations")
    chosen = target or guess_target(results)
    if chosen is not None:
        schema.column(chosen)
    findings = target_findings(results, chosen) if chosen else None
    beat(0.95, "warnings")
    warnings = dataset_warnings(results, n_rows=n_rows, n_duplicates=n_duplicates)
    n_used = n_rows if rows is None else len(rows)
    made = {
        "n_rows": n_rows,
        "n_columns": len(results),
        "sample": {
            "rows_used": n_used,
            "exact": ["n_rows", "n_null", "min", "max", "mean", "std", "duplicates"]
            + ([] if rows is not None else ["n_distinct", "quantiles", "histogram", "correlation"]),
        },
        "columns": [result.stats for result in results],
        "correlation": _correlation(results),
        "missingness": _missingness(results, complete),
        "duplicates": {"n_rows": n_duplicates},
        "target_guess": chosen if target is None else guess_target(results),
        "task_guess": findings["task"] if findings else None,
        "warnings": warnings + (findings["warnings"] if findings else []),
        "head": _head(table_path, schema),
    }
    beat(1.0, "profiling")
    return made


def _all_columns(
    table_path: Path,
    schema: DatasetSchema,
    rows: NDArray[np.int64] | None,
    n_rows: int,
    beat: Beat,
) -> tuple[list[ColumnResult], int, NDArray[np.bool_]]:
    results: list[ColumnResult] = []
    row_hashes = np.zeros(n_rows, dtype=np.uint64)
    complete = np.ones(n_rows, dtype=bool)
    n_threads = max(1, min(4, os.cpu_count() or 1))
    none = np.zeros(0, dtype=np.uint64)
    columns = list(schema.columns)
    with ThreadPoolExecutor(n_threads) as pool:
        # A few at a time: finished columns wait with 17 bytes a row until they are folded in.
        for start in range(0, len(columns), 2 * n_threads):
            batch = columns[start : start + 2 * n_threads]
            for result in pool.map(lambda item: column_result(table_path, item, rows), batch):
                row_hashes = (row_hashes ^ result.hashes) * np.uint64(0x9E3779B97F4A7C15)
                row_hashes ^= row_hashes >> np.uint64(32)
                complete &= result.valid
                if rows is not None:
                    result.valid = result.valid[rows]
                result.hashes = none
                results.append(result)
            beat(0.8 * len(results) / max(1, len(columns)), "profiling columns")
    n_duplicates = n_rows - len(pd.unique(row_hashes))
    return results, n_duplicates, complete


def _correlation(results: list[ColumnResult]) -> dict[str, Any]:
    """Return Pearson correlations over pairwise complete rows of the sample."""
    usable = [
        result
        for result in results
        if result.column.type in ("integer", "number", "boolean")
        and result.stats["n_distinct"] > 1
        and result.stats["role"] is None
    ][:MAX_CORRELATED]
    names = [result.column.name for result in usable]
    if len(usable) < 2:
        return {"columns": names, "matrix": [[1.0]] * len(names), "rows_used": 0}
    step = max(1, len(usable[0].sample) * len(usable) ** 2 // _CORRELATION_CELLS)
    frame = pd.DataFrame({n: result.sample[::step] for n, result in enumerate(usable)})
    if frame.isna().to_numpy().any():
        matrix = frame.corr(min_periods=10).to_numpy()
    else:
        with np.errstate(all="ignore"):
            matrix = np.corrcoef(frame.to_numpy(), rowvar=False)
    clean = [
        [None if np.isnan(cell) else json_number(round(float(cell), 4)) for cell in line]
        for line in matrix
    ]
    return {"columns": names, "matrix": clean, "rows_used": len(frame)}


def _missingness(results: list[ColumnResult], complete: NDArray[np.bool_]) -> dict[str, Any]:
    """Return which columns are missing together, as shares of the sample's rows."""
    missing = [result for result in results if result.stats["n_null"] > 0]
    missing.sort(key=lambda result: -result.stats["n_null"])
    missing = missing[:MAX_MISSING_COLUMNS]
    shares: list[list[float]] = []
    if missing:
        masks = np.stack([~result.valid for result in missing]).astype(np.float32)
        shares = np.round(masks @ masks.T / masks.shape[1], 5).tolist()
    return {
        "columns": [result.column.name for result in missing],
        "rows_complete": int(complete.sum()),
        "co_missing": shares,
    }


def _head(table_path: Path, schema: DatasetSchema) -> dict[str, Any]:
    page = read_rows(
        {"table_path": str(table_path), "schema": schema.to_json(), "offset": 0, "limit": HEAD_ROWS}
    )
    return {"columns": page["columns"], "rows": page["rows"]}
