"""Uploaded Parquet into our typed table: declared sizes are never trusted, batches are bounded."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.data.csv_results import renamed
from experiments.data.inference import ARROW_TYPES
from experiments.data.progress import Beat
from experiments.data.sniffing import refuse_wide, safe_names
from experiments.data.specs import (
    ColumnSchema,
    DatasetSchema,
    EngineError,
    IngestResult,
    ReadOptions,
)
from experiments.data.table_writing import TableWriter, refuse_nul, text_or_category

MAGIC = b"PAR1"
BATCH_ROWS = 16_384
_KINDS = (
    ((pa.types.is_boolean,), "boolean"),
    ((pa.types.is_integer,), "integer"),
    ((pa.types.is_floating,), "number"),
    ((pa.types.is_timestamp, pa.types.is_date), "datetime"),
    ((pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view), "text"),
    ((pa.types.is_null, pa.types.is_time), "text"),
)


def is_parquet(head: bytes) -> bool:
    """Return whether the content starts like Parquet."""
    return head.startswith(MAGIC)


@dataclass(slots=True)
class _Reading:
    """One column on its way: how it is stored and what was noted."""

    name: str
    original: str
    kind: str
    notes: list[str] = field(default_factory=list)


def read_parquet(
    raw_path: Path, table_path: Path, options: ReadOptions, beat: Beat
) -> IngestResult:
    """Read a Parquet file batch by batch into the table at `table_path`.

    Raises:
        EngineError: `invalid_parquet`, `unsupported_column`, `expanded_too_large`, a limit.
    """
    with raw_path.open("rb") as handle:
        try:
            return _read(pa.PythonFile(handle, mode="r"), table_path, options, beat)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise EngineError(
                "invalid_parquet",
                f"The Parquet file is damaged, cut off or not readable: {str(error)[:200]}",
            ) from error


def _read(
    handle: pa.PythonFile, table_path: Path, options: ReadOptions, beat: Beat
) -> IngestResult:
    plain = pq.ParquetFile(handle, arrow_extensions_enabled=False)
    arrow_schema, meta = plain.schema_arrow, plain.metadata
    refuse_wide(len(arrow_schema), options)
    if meta.num_rows == 0 or len(arrow_schema) == 0:
        raise EngineError("no_data_rows", "The Parquet file has no data rows.")
    if meta.num_rows * len(arrow_schema) > options.max_cells:
        raise EngineError(
            "too_many_cells",
            f"The table claims {meta.num_rows:,} rows × {len(arrow_schema):,} columns; the limit "
            f"is {options.max_cells:,} cells.",
            limit=options.max_cells,
        )
    columns = _columns(arrow_schema)
    words = [column.original for column in columns if column.kind == "text"]
    # Dictionary pages stay dictionaries, so a repeated giant word is measured before it expands.
    file = pq.ParquetFile(handle, read_dictionary=words, arrow_extensions_enabled=False)
    target = pa.schema([pa.field(column.name, ARROW_TYPES[column.kind]) for column in columns])
    n_bytes = 0
    with TableWriter(table_path, target, options) as writer:
        batch_rows = max(256, min(BATCH_ROWS, 4_000_000 // len(columns)))
        for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
            arrays = []
            for column, array in zip(columns, batch.columns, strict=True):
                n_bytes += _expanded_bytes(array, column, writer.n_rows, options)
                if n_bytes > options.max_expanded_bytes:
                    raise EngineError(
                        "expanded_too_large",
                        f"The data expand to more than {options.max_expanded_bytes:,} bytes; "
                        f"reading was stopped at row {writer.n_rows:,}.",
                        limit_bytes=options.max_expanded_bytes,
                    )
                arrays.append(_stored(array, column, writer.n_rows))
            writer.write(pa.Table.from_arrays(arrays, schema=target))
            beat(writer.n_rows / meta.num_rows, "reading")
    return _result(columns, writer, options)


def _columns(schema: pa.Schema) -> list[_Reading]:
    names = safe_names(schema.names)
    if len(set(schema.names)) < len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise EngineError(
            "duplicate_column",
            f"The Parquet file has two columns called “{twice}”.",
            column=twice,
        )
    return [
        _Reading(name, item.name, _kind(item)) for name, item in zip(names, schema, strict=True)
    ]


def _kind(item: pa.Field) -> str:
    type_ = item.type.value_type if pa.types.is_dictionary(item.type) else item.type
    if pa.types.is_decimal(type_):
        return "number" if type_.precision <= 15 else "text"
    for tests, kind in _KINDS:
        if any(test(type_) for test in tests):
            return kind
    raise EngineError(
        "unsupported_column",
        f"Column “{item.name}” holds {type_}; only numbers, text, booleans and dates can be read.",
        column=item.name,
    )


def _expanded_bytes(array: pa.Array, column: _Reading, n_before: int, options: ReadOptions) -> int:
    if not pa.types.is_dictionary(array.type):
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            longest = pc.max(pc.binary_length(array)).as_py() or 0
            _refuse_long(longest, column, n_before, options)
        return int(array.nbytes)
    if not _is_words(array.dictionary.type):
        return len(array) * 8
    lengths = pc.binary_length(array.dictionary)
    _refuse_long(pc.max(lengths).as_py() or 0, column, n_before, options)
    if len(lengths) == 0:
        return 0
    return int(pc.sum(pc.take(pc.cast(lengths, pa.int64()), array.indices)).as_py() or 0)


def _refuse_long(longest: int, column: _Reading, n_before: int, options: ReadOptions) -> None:
    if longest > options.max_field_bytes:
        raise EngineError(
            "field_too_long",
            f"Column “{column.name}”, after row {n_before:,}: a field is longer than "
            f"{options.max_field_bytes:,} bytes.",
            row=n_before + 1,
            column=column.name,
        )


def _is_words(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _stored(array: pa.Array, column: _Reading, n_before: int) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    target = ARROW_TYPES[column.kind]
    if column.kind == "text":
        stored = array if array.type == target else pc.cast(array, target)
        refuse_nul(stored, column.name, n_before + 1)
        return stored
    if column.kind == "datetime":
        if pa.types.is_timestamp(array.type) and array.type.tz:
            array = pc.cast(array, pa.timestamp(array.type.unit, "UTC"))
            column.notes[:] = [f"Column “{column.name}”: times are stored in UTC."]
        if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
            return pc.cast(array, target, safe=False)
        return pc.cast(array, target)
    if column.kind == "integer" and pa.types.is_uint64(array.type):
        top = pc.max(array).as_py() or 0
        if top >= 2**63:
            raise EngineError(
                "integer_too_large",
                f"Column “{column.name}”, after row {n_before:,}: {top} does not fit in 64 bits "
                "with sign; store the column as text.",
                column=column.name,
            )
    return pc.cast(array, target)


def _result(columns: list[_Reading], writer: TableWriter, options: ReadOptions) -> IngestResult:
    made, notes = [], []
    for column in columns:
        kind, levels = column.kind, None
        if kind == "text":
            levels = writer.levels(column.name)
            kind = text_or_category(levels, writer.n_rows - writer.n_null[column.name])
            levels = levels if kind == "category" else None
        notes += column.notes
        declared = options.column_types.get(column.name) or options.column_types.get(
            column.original
        )
        if declared and declared != kind:
            if {declared, kind} <= {"text", "category"}:
                kind = declared
            else:
                raise EngineError(
                    "type_mismatch",
                    f"Column “{column.name}” is {kind} in the Parquet file; it cannot be declared "
                    f"as {declared}.",
                    column=column.name,
                )
        made.append(
            ColumnSchema(
                column.name,
                column.original,
                kind,
                nullable=writer.n_null[column.name] > 0,
                levels=levels,
            )
        )
    schema = DatasetSchema(tuple(made), "parquet", "", null_words=())
    report = {
        "encoding": "",
        "separator": "",
        "decimal": ".",
        "comment_lines": 0,
        "renamed_columns": renamed(schema.columns),
        "bad_rows": {"count": 0, "first": []},
        "infinite_values": sum(writer.n_infinite.values()),
        "notes": notes,
    }
    return IngestResult(schema, writer.n_rows, len(made), report)
