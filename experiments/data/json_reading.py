"""JSON records, JSON lines and JSON columns into the typed table: streamed, strict, flat."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from experiments.data import inference
from experiments.data.csv_results import renamed
from experiments.data.inference import ColumnPlan, MisfitError
from experiments.data.json_records import Records
from experiments.data.progress import Beat
from experiments.data.sniffing import refuse_wide, safe_names
from experiments.data.sources import RawSource
from experiments.data.specs import (
    ColumnSchema,
    DatasetSchema,
    EngineError,
    IngestResult,
    ReadOptions,
)
from experiments.data.table_writing import (
    TableWriter,
    refuse_long_fields,
    refuse_nul,
    text_or_category,
)

BATCH_ROWS = 20_000
_INT64 = 2**63
_EXACT = 2**53


@dataclass(slots=True)
class _Kinds:
    """What kinds of values one key was seen with."""

    kinds: set[str] = field(default_factory=set)
    sample: list[str] = field(default_factory=list)

    def add(self, value: Any, limit: int) -> None:
        kind = type(value).__name__
        if kind == "int" and not -_EXACT <= value <= _EXACT:
            kind = "long" if -_INT64 <= value < _INT64 else "huge"
        self.kinds.add(kind)
        if kind == "str" and len(self.sample) < limit:
            self.sample.append(value)


def read_json(
    raw: RawSource, encoding: str, table_path: Path, options: ReadOptions, beat: Beat
) -> IngestResult:
    """Read JSON records, lines or columns into the Parquet table at `table_path` (two passes).

    Raises:
        EngineError: Where the text is not a list of flat objects.
    """
    records = Records(raw, encoding, beat)
    kinds = _kinds_of(records, options)
    keys = list(kinds)
    names = safe_names(keys)
    for position, key in enumerate(keys, 1):
        if "\0" in key:
            raise EngineError(
                "nul_character", f"The name of column {position} holds a NUL.", column=position
            )
    plans = [
        _plan(kinds[key], options.column_types.get(name) or options.column_types.get(key))
        for key, name in zip(keys, names, strict=True)
    ]
    while True:
        try:
            writer = _write(records, table_path, keys, names, plans, options)
        except _MisfitColumnError as error:
            plans[error.position] = inference.TEXT
        else:
            return _result(records, writer, keys, names, plans, kinds, options)


def _kinds_of(records: Records, options: ReadOptions) -> dict[str, _Kinds]:
    """Return each key in order of appearance with the kinds of its values (one pass)."""
    kinds: dict[str, _Kinds] = {}
    for record in records:
        for key, value in record.items():
            if key not in kinds:
                kinds[key] = _Kinds()
                refuse_wide(len(kinds), options)
            if value is not None:
                kinds[key].add(value, options.sample_rows)
    if not kinds:
        raise EngineError("no_data_rows", "The JSON holds no records.")
    return kinds


class _MisfitColumnError(Exception):
    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def _plan(kinds: _Kinds, declared: str | None) -> ColumnPlan:
    words = pa.array(
        [text.encode("utf-8", "replace").decode() for text in kinds.sample], pa.string()
    )
    if declared:
        return inference.declared_plan(declared, words, inference.infer_plan(words))
    seen = kinds.kinds
    if seen == {"bool"}:
        return ColumnPlan("boolean", "true/false")
    if seen and seen <= {"int", "long"}:
        return ColumnPlan("integer")
    if seen and seen <= {"int", "float"}:
        return ColumnPlan("number")
    if seen == {"str"}:
        guess = inference.infer_plan(words)
        if guess.kind == "datetime":
            return guess
    return inference.TEXT


def _write(
    records: Records,
    table_path: Path,
    keys: list[str],
    names: list[str],
    plans: list[ColumnPlan],
    options: ReadOptions,
) -> TableWriter:
    schema = pa.schema([pa.field(n, p.arrow_type) for n, p in zip(names, plans, strict=True)])
    with TableWriter(table_path, schema, options) as writer:
        batch: list[dict[str, Any]] = []
        for record in records:
            batch.append(record)
            if len(batch) >= BATCH_ROWS:
                writer.write(_table(batch, keys, names, plans, writer.n_rows, options))
                batch = []
        if batch:
            writer.write(_table(batch, keys, names, plans, writer.n_rows, options))
    return writer


def _table(
    batch: list[dict[str, Any]],
    keys: list[str],
    names: list[str],
    plans: list[ColumnPlan],
    n_before: int,
    options: ReadOptions,
) -> pa.Table:
    nulls = options.null_words or ()
    columns = []
    for position, (key, name, plan) in enumerate(zip(keys, names, plans, strict=True)):
        cells = [record.get(key) for record in batch]
        if plan.kind in ("integer", "number", "boolean") and not plan.is_declared:
            columns.append(pa.array(cells, plan.arrow_type))
            continue
        words = _words(cells, name, n_before, nulls)
        refuse_long_fields(words, name, n_before + 1, options)
        refuse_nul(words, name, n_before + 1)
        try:
            columns.append(inference.convert(words, plan))
        except MisfitError as error:
            if not plan.is_declared:
                raise _MisfitColumnError(position) from error
            row = n_before + error.index + 1
            raise EngineError(
                "type_mismatch",
                f"Row {row:,}, column “{name}”: “{error.value[:80]}” is not of the declared type "
                f"{plan.kind}.",
                row=row,
                column=name,
            ) from error
    return pa.Table.from_arrays(columns, names=names)


def _words(cells: list[Any], name: str, n_before: int, nulls: tuple[str, ...]) -> pa.Array:
    words = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
    if nulls:
        words = [None if word in nulls else word for word in words]
    try:
        return pa.array(words, pa.string())
    except UnicodeEncodeError as error:
        row = n_before + 1 + next(n for n, word in enumerate(words) if word and _is_lone(word))
        raise EngineError(
            "lone_surrogate",
            f"Row {row:,}, column “{name}” holds half of a character (a lone surrogate).",
            row=row,
            column=name,
        ) from error


def _is_lone(word: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in word)


def _result(
    records: Records,
    writer: TableWriter,
    keys: list[str],
    names: list[str],
    plans: list[ColumnPlan],
    kinds: dict[str, _Kinds],
    options: ReadOptions,
) -> IngestResult:
    columns, notes = [], []
    for key, name, plan in zip(keys, names, plans, strict=True):
        kind, levels = plan.kind, None
        if kind == "text" and not plan.is_declared:
            levels = writer.levels(name)
            kind = text_or_category(levels, writer.n_rows - writer.n_null[name])
            levels = levels if kind == "category" else None
            if len(kinds[key].kinds) > 1:
                notes.append(f"Column “{name}” mixes kinds of values; all are kept as text.")
        columns.append(
            ColumnSchema(
                name,
                key,
                kind,
                nullable=writer.n_null[name] > 0,
                format=plan.format,
                levels=levels,
            )
        )
    if records.n_nan:
        notes.append(f"{records.n_nan:,} NaN values were read as missing.")
    schema = DatasetSchema(
        tuple(columns), records.file_format, records.encoding,
        null_words=options.null_words or (), header=True,
    )  # fmt: skip
    report = {
        "encoding": records.encoding,
        "separator": "",
        "decimal": ".",
        "comment_lines": 0,
        "renamed_columns": renamed(schema.columns),
        "bad_rows": {"count": 0, "first": []},
        "infinite_values": sum(writer.n_infinite.values()),
        "nan_values": records.n_nan,
        "notes": notes,
    }
    return IngestResult(schema, writer.n_rows, len(columns), report)
