"""Figures of one stored column: exact counts and extremes, the rest from a stated sample."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.columns import ColumnFacts, column_role
from experiments.data.rows import json_number
from experiments.data.specs import ColumnSchema

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
EXACT_ROWS = 200_000
SAMPLE_ROWS = 100_000
N_BINS = 30
N_TOP = 10
_HASH_PRIME = np.uint64(0x9E3779B97F4A7C15)
_local = threading.local()

Hashes = NDArray[np.uint64]


@dataclass(slots=True)
class ColumnResult:
    """Everything later steps need to know about one column."""

    column: ColumnSchema
    stats: dict[str, Any]
    facts: ColumnFacts
    hashes: Hashes
    sample: NDArray[np.float64]
    valid: NDArray[np.bool_]
    levels: list[Any] = field(default_factory=list)
    n_infinite: int = 0


def sample_rows(n_rows: int) -> NDArray[np.int64] | None:
    """Return the sorted row numbers of the sample, None when every row is used."""
    if n_rows <= EXACT_ROWS:
        return None
    generator = np.random.default_rng(0)
    return np.sort(generator.choice(n_rows, SAMPLE_ROWS, replace=False))


def read_column(table_path: Path, name: str) -> pa.ChunkedArray:
    """Return one column, words as dictionaries. Each thread keeps its own open file."""
    key = (str(table_path), table_path.stat().st_mtime_ns)
    if getattr(_local, "key", None) != key:
        with table_path.open("rb") as handle:
            schema = pq.ParquetFile(handle).schema_arrow
        words = [item.name for item in schema if pa.types.is_string(item.type)]
        source = pa.PythonFile(table_path.open("rb"), mode="r")
        _local.file = pq.ParquetFile(source, read_dictionary=words)
        _local.key = key
    return _local.file.read(columns=[name], use_threads=False).column(0)


def forget_open_files() -> None:
    """Close this thread's open table."""
    _local.key = _local.file = None


def column_result(
    table_path: Path, column: ColumnSchema, rows: NDArray[np.int64] | None
) -> ColumnResult:
    """Return the figures of one column of the table.

    Args:
        table_path: Parquet file written by `ingest`.
        column: Its schema.
        rows: Sample rows for quantiles, histogram and the distinct estimate; None = all.
    """
    values = read_column(table_path, column.name)
    if column.type in ("text", "category"):
        return _word_result(column, values, rows)
    if column.type == "boolean":
        words = pc.if_else(values, "true", "false").dictionary_encode()
        return _word_result(column, words, rows)
    return _number_result(column, values, rows)


def _base(column: ColumnSchema, n_rows: int, n_null: int) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "unit": column.unit,
        "description": column.description,
        "n_null": n_null,
        "null_percent": round(100 * n_null / n_rows, 4) if n_rows else 0.0,
        "n_distinct": 0,
        "distinct_is_estimate": False,
        "min": None,
        "max": None,
        "mean": None,
        "std": None,
        "quantiles": None,
        "histogram": None,
        "top_values": [],
        "n_infinite": 0,
        "role": None,
    }


def _word_result(
    column: ColumnSchema, values: pa.ChunkedArray, rows: NDArray[np.int64] | None
) -> ColumnResult:
    array = values.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], values.type)
    codes = pc.fill_null(pc.cast(array.indices, pa.int64()), -1).to_numpy()
    counts = np.bincount(codes + 1, minlength=len(array.dictionary) + 1)
    n_null, counts = int(counts[0]), counts[1:]
    stats = _base(column, len(codes), n_null)
    stats["n_distinct"] = int(np.count_nonzero(counts))
    order = np.argsort(-counts, kind="stable")[:N_TOP]
    stats["top_values"] = [
        {"value": array.dictionary[int(n)].as_py(), "count": int(counts[n])}
        for n in order
        if counts[n]
    ]
    lengths = pc.utf8_length(array.dictionary).to_numpy(zero_copy_only=False)
    n_filled = len(codes) - n_null
    mean_chars = float((lengths * counts).sum() / n_filled) if n_filled else 0.0
    used = lengths[counts > 0]
    if n_filled:
        stats["length"] = {"min": int(used.min()), "mean": mean_chars, "max": int(used.max())}
    facts = ColumnFacts(
        len(codes), n_filled, stats["n_distinct"],
        has_equal_lengths=bool(n_filled) and used.min() == used.max(), mean_chars=mean_chars,
    )  # fmt: skip
    stats["role"] = column_role(column, facts)
    sampled = codes if rows is None else codes[rows]
    as_numbers = np.where(sampled < 0, np.nan, _alphabetical(array.dictionary, sampled))
    return ColumnResult(
        column, stats, facts, _mixed(codes.view(np.uint64)), as_numbers, codes >= 0,
        array.dictionary.to_pylist() if len(array.dictionary) <= 1000 else [],
    )  # fmt: skip


def _alphabetical(words: pa.Array, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank of each word in alphabetical order; neighbours in name stay neighbours."""
    ranks = np.empty(len(words) + 1, dtype=np.float64)
    ranks[pc.sort_indices(words).to_numpy()] = np.arange(len(words))
    return ranks[codes]


def _number_result(
    column: ColumnSchema, values: pa.ChunkedArray, rows: NDArray[np.int64] | None
) -> ColumnResult:
    is_time = column.type == "datetime"
    if is_time:
        values = pc.cast(values, pa.int64())
    n_rows, n_null = len(values), values.null_count
    stats = _base(column, n_rows, n_null)
    if n_null:
        valid = pc.is_valid(values).to_numpy()
        bits_source = pc.fill_null(values, 0).to_numpy()
    else:
        valid = np.ones(n_rows, dtype=bool)
        bits_source = values.to_numpy()
    hashes = _mixed(_bits(bits_source))
    if n_null:
        hashes[~valid] = np.uint64(1)
    numbers = bits_source if rows is None else bits_source[rows]
    sample = np.array(numbers, dtype=np.float64)
    sample_valid = valid if rows is None else valid[rows]
    sample[~sample_valid] = np.nan
    n_infinite = _exact(stats, bits_source, valid, n_null)
    n_filled = n_rows - n_null
    known = numbers[sample_valid]
    n_distinct, is_estimate = _distinct(known, n_filled)
    stats["n_distinct"], stats["distinct_is_estimate"] = n_distinct, is_estimate
    _sampled(stats, known, is_integer=column.type == "integer")
    stats["n_infinite"] = n_infinite
    facts = ColumnFacts(
        n_rows, n_filled, n_distinct, *_id_shape(column, bits_source, valid, n_filled)
    )
    stats["role"] = column_role(column, facts)
    if is_time:
        _as_times(stats)
    sample[np.isinf(sample)] = np.nan
    return ColumnResult(column, stats, facts, hashes, sample, valid, [], n_infinite)


def _bits(values: NDArray[Any]) -> Hashes:
    if values.dtype == np.float64:
        return (values + 0.0).view(np.uint64)  # makes -0.0 and 0.0 equal
    return np.ascontiguousarray(values, dtype=np.int64).view(np.uint64)


def _mixed(bits: Hashes) -> Hashes:
    mixed = bits * _HASH_PRIME
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _exact(
    stats: dict[str, Any], values: NDArray[Any], valid: NDArray[np.bool_], n_null: int
) -> int:
    """Fill min, max, mean and std over every row; return how many values are infinite."""
    known = values[valid] if n_null else values
    if len(known) == 0:
        return 0
    n_infinite = 0
    if known.dtype == np.float64:
        total = known.sum()
        if not np.isfinite(total):
            finite = np.isfinite(known)
            n_infinite = int(np.isinf(known).sum())
            stats["min"], stats["max"] = json_number(known.min()), json_number(known.max())
            known = known[finite]
            if len(known) == 0:
                return n_infinite
    if stats["min"] is None:
        stats["min"], stats["max"] = known.min().item(), known.max().item()
    mean = float(known.mean())
    stats["mean"] = json_number(mean)
    if len(known) > 1:
        stats["std"] = json_number(float(known.std(ddof=1, dtype=np.float64)))
    return n_infinite


def _distinct(known: NDArray[Any], n_filled: int) -> tuple[int, bool]:
    """Return (number of distinct values, whether that is an estimate)."""
    if len(known) == 0:
        return 0, False
    _, counts = np.unique(known, return_counts=True)
    if len(known) == n_filled:
        return len(counts), False
    n_once = int((counts == 1).sum())
    if n_once > 0.99 * len(known):
        return n_filled, True
    if n_once == 0:
        return len(counts), True
    # Guaranteed-error estimator: the values seen once stand for sqrt(N/n) values each.
    estimate = np.sqrt(n_filled / len(known)) * n_once + (len(counts) - n_once)
    return int(min(n_filled, estimate)), True


def _sampled(stats: dict[str, Any], known: NDArray[Any], *, is_integer: bool) -> None:
    known = known[np.isfinite(known)] if known.dtype == np.float64 else known
    if len(known) == 0:
        return
    levels = np.quantile(known, QUANTILES)
    stats["quantiles"] = {
        f"{share:g}": float(level) for share, level in zip(QUANTILES, levels, strict=True)
    }
    low, high = float(known.min()), float(known.max())
    n_bins = N_BINS
    if is_integer and high - low < N_BINS:
        n_bins, low, high = int(high - low) + 1, low - 0.5, high + 0.5
    if np.isfinite(high - low):
        counts, edges = np.histogram(known.astype(np.float64), bins=n_bins, range=(low, high))
        stats["histogram"] = {"edges": edges.tolist(), "counts": counts.tolist()}
    if stats["n_distinct"] <= N_BINS:
        values, counts = np.unique(known, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:N_TOP]
        stats["top_values"] = [{"value": values[n].item(), "count": int(counts[n])} for n in order]


def _id_shape(
    column: ColumnSchema, values: NDArray[Any], valid: NDArray[np.bool_], n_filled: int
) -> tuple[bool, bool]:
    """Return (values fill their range densely, all have the same number of digits)."""
    if column.type != "integer" or n_filled == 0:
        return False, False
    known = values[valid]
    low, high = int(known.min()), int(known.max())
    same = low > 9_999 and len(str(low)) == len(str(high))
    return high - low < 2 * n_filled, same


def _as_times(stats: dict[str, Any]) -> None:
    """Turn microseconds since 1970 into ISO words."""

    def word(value: float | None) -> str | None:
        if value is None:
            return None
        return str(np.datetime64(int(value), "us"))

    for key in ("min", "max", "mean"):
        stats[key] = word(stats[key])
    stats["std"] = None
    stats["top_values"] = [
        {"value": word(item["value"]), "count": item["count"]} for item in stats["top_values"]
    ]
    if stats["quantiles"]:
        stats["quantiles"] = {key: word(value) for key, value in stats["quantiles"].items()}
    if stats["histogram"]:
        stats["histogram"]["edges"] = [word(edge) for edge in stats["histogram"]["edges"]]
