"""The typed Parquet table of a dataset version: row groups, exact counts and category levels."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.data.specs import EngineError, ReadOptions

ROW_GROUP_ROWS = 100_000
MAX_LEVELS = 1_000
MAX_LEVEL_CHARS = 100


class TableWriter:
    """Writes batches of rows to one Parquet file and counts what the schema needs to know."""

    def __init__(self, path: Path, schema: pa.Schema, options: ReadOptions) -> None:
        """Create the file at `path`; nothing else may exist there."""
        self.schema = schema
        self.n_rows = 0
        self.n_infinite: dict[str, int] = {}
        self.n_null = dict.fromkeys(schema.names, 0)
        self._options = options
        strings = [field.name for field in schema if pa.types.is_string(field.type)]
        self._levels: dict[str, set[str]] = {name: set() for name in strings}
        self._pending: list[pa.Table] = []
        self._n_pending = 0
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="snappy",
            use_dictionary=strings,
            write_statistics=True,
            write_page_index=False,
        )

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is pending and the footer."""
        if error is None:
            self._flush(everything=True)
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`, which has the writer's schema.

        Raises:
            EngineError: `too_many_cells`.
        """
        self.n_rows += table.num_rows
        limit = self._options.max_cells
        if self.n_rows * max(1, table.num_columns) > limit:
            raise EngineError(
                "too_many_cells",
                f"The table has more than {limit:,} cells (rows × columns); the limit was reached "
                f"at row {self.n_rows:,}.",
                limit=limit,
            )
        for name, column in zip(table.column_names, table.columns, strict=True):
            self._count(name, column)
        self._pending.append(table)
        self._n_pending += table.num_rows
        if self._n_pending >= ROW_GROUP_ROWS:
            self._flush(everything=False)

    def levels(self, name: str) -> tuple[str, ...] | None:
        """Return the sorted distinct words of a string column, None when there are too many."""
        found = self._levels.get(name)
        return None if found is None else tuple(sorted(found))

    def _count(self, name: str, column: pa.ChunkedArray) -> None:
        self.n_null[name] += column.null_count
        if pa.types.is_floating(column.type):
            n_infinite = pc.sum(pc.is_inf(column)).as_py() or 0
            if n_infinite:
                self.n_infinite[name] = self.n_infinite.get(name, 0) + n_infinite
            return
        levels = self._levels.get(name)
        if levels is None:
            return
        distinct = pc.unique(column).drop_null()
        if len(distinct) <= MAX_LEVELS:
            levels.update(distinct.to_pylist())
        if len(distinct) > MAX_LEVELS or len(levels) > MAX_LEVELS:
            del self._levels[name]

    def _flush(self, *, everything: bool) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        n_full = table.num_rows if everything else table.num_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS
        if n_full:
            self._writer.write_table(table.slice(0, n_full), row_group_size=ROW_GROUP_ROWS)
        rest = table.slice(n_full)
        self._pending = [rest] if rest.num_rows else []
        self._n_pending = rest.num_rows


def refuse_long_fields(
    column: pa.Array | pa.ChunkedArray, name: str, first_row: int, options: ReadOptions
) -> None:
    """Raise `field_too_long`, naming row and column, when a word passes the field limit."""
    if column.nbytes <= options.max_field_bytes:
        return
    lengths = pc.binary_length(column)
    if (pc.max(lengths).as_py() or 0) > options.max_field_bytes:
        index = pc.index(pc.greater(lengths, options.max_field_bytes), value=True).as_py()
        raise EngineError(
            "field_too_long",
            f"Row {first_row + index:,}, column “{name}”: a field is longer than "
            f"{options.max_field_bytes:,} bytes.",
            row=first_row + index,
            column=name,
        )


def refuse_nul(column: pa.Array | pa.ChunkedArray, name: str, first_row: int) -> None:
    """Raise `nul_character`, naming row and column, when a word holds a NUL."""
    found = pc.match_substring(column, "\0")
    if pc.any(found).as_py():
        row = first_row + pc.index(found, value=True).as_py()
        raise nul_error(row, name)


def nul_error(row: int, column: str) -> EngineError:
    """Return the error for a NUL character."""
    return EngineError(
        "nul_character",
        f"Row {row:,}, column “{column}” holds a NUL character, which no text may contain.",
        row=row,
        column=column,
    )


def text_or_category(levels: Sequence[str] | None, n_filled: int) -> str:
    """Return "category" for a column of few repeated short words, else "text"."""
    if levels is None or not levels:
        return "text"
    if max(len(level) for level in levels) > MAX_LEVEL_CHARS:
        return "text"
    return "category" if len(levels) <= max(2, 0.5 * n_filled) else "text"
