"""Tables on their way out: CSV that no spreadsheet executes, or Parquet, filtered and streamed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from experiments.data.filters import checked_filter, filter_mask
from experiments.data.progress import Beat
from experiments.data.specs import DatasetSchema, EngineError

FORMATS = ("csv", "parquet")
_BATCH_ROWS = 50_000
_FORMULA = r"^\s*[=+\-@\t\r]"
_PLAIN_NUMBER = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"


def export_rows(  # noqa: PLR0913 - one call says everything about an export
    table_path: Path,
    schema: DatasetSchema,
    out_path: Path,
    *,
    fmt: str = "csv",
    safe_csv: bool = True,
    columns: Sequence[str] | None = None,
    filters: Sequence[Mapping[str, Any]] = (),
    on_progress: Callable[[float, str], None] = lambda _fraction, _stage: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write the rows that pass `filters` to `out_path` and return how many there are.

    With `safe_csv` a text cell or name that begins (after blanks) with = + - @ TAB or CR gets a
    leading apostrophe, so that no spreadsheet takes it for a formula; plain numbers stay.

    Raises:
        EngineError: `bad_format`, `bad_filter`, `unknown_column`, `stopped`.
    """
    if fmt not in FORMATS:
        raise EngineError("bad_format", f"“{fmt}” is no export format; use csv or parquet.")
    names = [schema.column(name).name for name in (columns or schema.names)]
    needed = list(dict.fromkeys(names + [checked_filter(schema, item)[0].name for item in filters]))
    beat = Beat(on_progress, should_stop)
    n_out = 0
    try:
        with table_path.open("rb") as handle:
            file = pq.ParquetFile(handle)
            target = pa.schema([file.schema_arrow.field(name) for name in names])
            total = max(1, file.metadata.num_rows)
            n_read = 0
            with _writer(out_path, target, fmt, safe_csv=safe_csv) as writer:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=needed):
                    table = pa.Table.from_batches([batch])
                    n_read += table.num_rows
                    mask = filter_mask(table, schema, filters)
                    table = (table if mask is None else table.filter(mask)).select(names)
                    if fmt == "csv" and safe_csv:
                        table = safe_table(table)
                    writer.write_table(table)
                    n_out += table.num_rows
                    beat(n_read / total, "exporting")
    except BaseException:
        out_path.unlink(missing_ok=True)
        raise
    return n_out


def _writer(
    out_path: Path, target: pa.Schema, fmt: str, *, safe_csv: bool
) -> pacsv.CSVWriter | pq.ParquetWriter:
    if fmt == "parquet":
        return pq.ParquetWriter(out_path, target, compression="zstd")
    if safe_csv:
        target = pa.schema([field.with_name(safe_cell(field.name)) for field in target])
    return pacsv.CSVWriter(
        str(out_path), target, write_options=pacsv.WriteOptions(quoting_style="needed")
    )


def safe_table(table: pa.Table) -> pa.Table:
    """Return `table` with formula-like names and text cells made harmless."""
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string())  # noqa: PLW2901
            risky = pc.and_(
                pc.match_substring_regex(column, _FORMULA),
                pc.invert(pc.match_substring_regex(column, _PLAIN_NUMBER)),
            )
            quoted = pc.binary_join_element_wise("'", column, "")
            column = pc.if_else(pc.fill_null(risky, fill_value=False), quoted, column)  # noqa: PLW2901
        columns.append(column)
    return pa.Table.from_arrays(columns, names=[safe_cell(name) for name in table.column_names])


def safe_cell(text: str) -> str:
    """Return one piece of text that no spreadsheet takes for a formula."""
    starts = text.lstrip(" \u00a0\n\v\f")[:1]
    return f"'{text}" if starts and starts in "=+-@\t\r" else text
