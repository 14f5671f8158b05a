"""Delimited text into the typed table: plans from a sample, a fast pass, a careful one on misfit."""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from experiments.data import csv_pieces, inference
from experiments.data.csv_pieces import (
    BadRows,
    BrokenTextError,
    NeedsStreamError,
    Parsed,
    WatchedSource,
    WrongEncodingError,
)
from experiments.data.csv_results import column_schema, ragged_rows, renamed
from experiments.data.inference import ColumnPlan, MisfitError
from experiments.data.progress import Beat
from experiments.data.sniffing import CsvDialect, column_notes, safe_names, sniff_csv
from experiments.data.sources import (
    HEAD_BYTES,
    RawSource,
    Utf8Source,
    detect_encoding,
    first_invalid_utf8,
    legacy_encoding,
    undecodable,
)
from experiments.data.specs import (
    DEFAULT_NULL_WORDS,
    DatasetSchema,
    EngineError,
    IngestResult,
    ReadOptions,
)
from experiments.data.table_writing import (
    TableWriter,
    refuse_long_fields,
)


class _PlansMisfitError(Exception):
    """Some column does not fit its plan: check every word before writing again."""


class _NulError(Exception):
    """A piece holds a NUL."""


@dataclass(slots=True)
class _Attempt:
    """Everything one pass over the text needs."""

    raw: RawSource
    encoding: str
    dialect: CsvDialect
    names: list[str]
    plans: list[ColumnPlan]
    null_words: tuple[str, ...]
    options: ReadOptions
    beat: Beat
    is_streamed: bool = False
    has_quotes: bool = False
    notes: list[str] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    n_rows: int = 0

    def types(self, *, words_only: bool = False) -> dict[str, pa.DataType]:
        if words_only:
            return dict.fromkeys(self.names, pa.string())
        return {name: plan.direct_type for name, plan in zip(self.names, self.plans, strict=True)}

    def count(self, parsed: Parsed) -> None:
        """Add the bad rows of a piece; refuses a file of mostly bad rows early."""
        seen = 0 if self.is_streamed else self.n_rows + self.bad.count
        for row, expected, actual in parsed.bad:
            self.bad.add(seen + row, expected, actual)
        if self.bad.count > max(10_000, 2 * (self.n_rows + parsed.table.num_rows)):
            raise ragged_rows(self.bad, len(self.names), is_complete=False)


def read_csv(raw: RawSource, table_path: Path, options: ReadOptions, beat: Beat) -> IngestResult:
    """Read delimited text of any encoding into the Parquet table at `table_path`.

    Raises:
        EngineError: The text is no table; code and message say why and where.
    """
    encoding = detect_encoding(raw.head()[:8192], options.encoding)
    for _ in range(2):
        try:
            return _read_encoded(raw, encoding, table_path, options, beat)
        except WrongEncodingError as error:
            offset = first_invalid_utf8(raw)
            if options.encoding or offset is None or encoding != "utf-8":
                raise undecodable(encoding, offset or 0) from error
            encoding = legacy_encoding(raw, offset)
    raise undecodable(encoding, 0)


def _read_encoded(
    raw: RawSource, encoding: str, table_path: Path, options: ReadOptions, beat: Beat
) -> IngestResult:
    attempt = _prepare(raw, encoding, options, beat)
    is_checked = False
    while True:
        attempt.bad = BadRows()
        attempt.n_rows = 0
        try:
            writer = _write(attempt, table_path)
            if not (attempt.bad.count and attempt.has_quotes and not attempt.is_streamed):
                return _finish(attempt, writer)
            # Perhaps not the rows are broken but our cut through a quoted line end was.
            attempt.is_streamed = True
        except NeedsStreamError:
            attempt.is_streamed = True
        except _PlansMisfitError as error:
            if is_checked:
                raise AssertionError("checked plans must fit") from error
            _check_plans(attempt)
            is_checked = True


def _prepare(raw: RawSource, encoding: str, options: ReadOptions, beat: Beat) -> _Attempt:
    source = Utf8Source(raw, encoding)
    head = _head(source)
    complete = not source.read(1)
    if source.is_plain:
        _refuse_wrong_head(head, complete=complete)
    dialect = sniff_csv(head, complete=complete, options=options)
    if any("\0" in name for name in dialect.original_names):
        position = next(n for n, name in enumerate(dialect.original_names, 1) if "\0" in name)
        raise EngineError(
            "nul_character",
            f"The header name of column {position} holds a NUL character.",
            column=position,
        )
    names = safe_names(dialect.original_names)
    null_words = options.null_words if options.null_words is not None else DEFAULT_NULL_WORDS
    attempt = _Attempt(raw, encoding, dialect, names, [], null_words, options, beat)
    if dialect.note:
        attempt.notes.append(dialect.note)
    attempt.plans = _plans(attempt, head[dialect.data_offset :], complete=complete)
    return attempt


def _head(source: Utf8Source) -> bytes:
    pieces: list[bytes] = []
    n_bytes = 0
    while n_bytes < HEAD_BYTES and (data := source.read(HEAD_BYTES - n_bytes)):
        pieces.append(data)
        n_bytes += len(data)
    return b"".join(pieces)


def _refuse_wrong_head(head: bytes, *, complete: bool) -> None:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if complete or error.start < len(head) - 4:
            raise WrongEncodingError from error


def _plans(attempt: _Attempt, sample: bytes, *, complete: bool) -> list[ColumnPlan]:
    if not complete:
        sample = sample[: sample.rfind(attempt.dialect.newline) + 1]
    types = attempt.types(words_only=True)
    parsed = csv_pieces.parse_piece(sample, attempt.dialect, types, attempt.null_words)
    table = parsed.table.slice(0, attempt.options.sample_rows).combine_chunks()
    prefer_eu = attempt.options.decimal == "," or (
        attempt.options.decimal is None and attempt.dialect.separator == ";"
    )
    plans = []
    for name, original in zip(attempt.names, attempt.dialect.original_names, strict=True):
        words = _array(table.column(name))
        plan = inference.infer_plan(words, prefer_eu=prefer_eu, null_words=attempt.null_words)
        declared = attempt.options.column_types
        type_ = declared.get(name) or declared.get(original)
        plans.append(inference.declared_plan(type_, words, plan) if type_ else plan)
    return plans


def _array(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], column.type)


def _parsed_pieces(attempt: _Attempt, *, words_only: bool) -> Iterator[Parsed]:
    """Yield parsed and (unless `words_only`) converted pieces in file order."""
    if attempt.is_streamed:
        yield from _streamed(attempt, words_only=words_only)
    else:
        yield from _cut_and_parsed(attempt, words_only=words_only)


def _cut_and_parsed(attempt: _Attempt, *, words_only: bool) -> Iterator[Parsed]:
    source = Utf8Source(attempt.raw, attempt.encoding, attempt.dialect.data_offset)
    types = attempt.types(words_only=words_only)

    def work(piece: bytes) -> Parsed:
        if b"\0" in piece:
            raise _NulError
        n_quotes = piece.count(b'"')
        if n_quotes % 2:
            raise NeedsStreamError
        attempt.has_quotes = attempt.has_quotes or n_quotes > 0
        parsed = csv_pieces.parse_piece(piece, attempt.dialect, types, attempt.null_words)
        return parsed if words_only else _converted(attempt, parsed)

    n_threads = max(1, min(4, os.cpu_count() or 1))
    waiting: deque[Future[Parsed]] = deque()
    pieces = csv_pieces.cut_pieces(source, attempt.dialect.newline, attempt.options)
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > n_threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _streamed(attempt: _Attempt, *, words_only: bool) -> Iterator[Parsed]:
    source = WatchedSource(attempt.raw, attempt.encoding, attempt.dialect)
    types = attempt.types(words_only=words_only)
    try:
        for parsed in csv_pieces.stream_pieces(source, attempt.dialect, types, attempt.null_words):
            yield parsed if words_only else _converted(attempt, parsed)
    except BrokenTextError as error:
        raise _diagnosed(attempt, str(error)) from error
    if source.n_quotes % 2:
        problem = csv_pieces.diagnose(
            attempt.raw, attempt.encoding, attempt.dialect, attempt.names, attempt.options
        )
        if problem:
            raise problem


def _diagnosed(attempt: _Attempt, reason: str) -> EngineError:
    problem = csv_pieces.diagnose(
        attempt.raw, attempt.encoding, attempt.dialect, attempt.names, attempt.options
    )
    return problem or EngineError(
        "broken_record",
        f"After row {attempt.n_rows:,}: the records cannot be told apart ({reason}).",
        row=attempt.n_rows + 1,
    )


def _converted(attempt: _Attempt, parsed: Parsed) -> Parsed:
    columns = []
    nulls = pa.array(attempt.null_words, pa.string())
    for plan, column in zip(attempt.plans, parsed.table.columns, strict=True):
        array = _array(column)
        if pa.types.is_string(array.type):
            if plan.is_trimmed:
                array = inference.trim(array, nulls)
            try:
                array = inference.convert(array, plan)
            except MisfitError as error:
                raise _PlansMisfitError from error
        columns.append(array)
    return Parsed(pa.Table.from_arrays(columns, names=attempt.names), parsed.bad)


def _write(attempt: _Attempt, table_path: Path) -> TableWriter:
    schema = pa.schema(
        [pa.field(n, p.arrow_type) for n, p in zip(attempt.names, attempt.plans, strict=True)]
    )
    attempt.beat(0.0, "reading")
    with TableWriter(table_path, schema, attempt.options) as writer:
        try:
            for parsed in _parsed_pieces(attempt, words_only=False):
                attempt.count(parsed)
                for name, column in zip(attempt.names, parsed.table.columns, strict=True):
                    if pa.types.is_string(column.type):
                        first = attempt.n_rows + 1
                        refuse_long_fields(column, name, first, attempt.options)
                writer.write(parsed.table)
                attempt.n_rows = writer.n_rows
                attempt.beat(attempt.raw.fraction, "reading")
        except _NulError as error:
            raise _diagnosed(attempt, "NUL") from error
        except pa.ArrowInvalid as error:
            if "conversion error" in str(error):
                raise _PlansMisfitError from error
            raise _diagnosed(attempt, str(error)) from error
    return writer


def _check_plans(attempt: _Attempt) -> None:
    """Read everything as words and widen each plan until all rows fit it."""
    nulls = pa.array(attempt.null_words, pa.string())
    guesses = list(attempt.plans)
    reasons: dict[int, str] = {}
    long_integers: set[int] = set()
    row = 0
    for parsed in _retrying_pieces(attempt):
        for n, name in enumerate(attempt.names):
            plan = attempt.plans[n]
            if plan.kind == "text":
                continue
            words = _array(parsed.table.column(n))
            if plan.is_trimmed:
                words = inference.trim(words, nulls)
            attempt.plans[n], misfit = _fitting_plan(plan, words, name, row)
            if attempt.plans[n].kind == "integer" and inference.has_long_integer(words):
                long_integers.add(n)
            if misfit and n in long_integers and attempt.plans[n].kind == "number":
                # Earlier integers beyond 2^53 would change as float64.
                attempt.plans[n] = replace(inference.TEXT, is_trimmed=plan.is_trimmed)
            if misfit:
                reasons[n] = f"“{misfit.value}” in row {row + misfit.index + 1:,}"
        row += parsed.table.num_rows
        attempt.beat(attempt.raw.fraction, "checking types")
    for n, reason in reasons.items():
        if guesses[n].kind not in ("unknown", attempt.plans[n].kind):
            attempt.notes.append(
                f"Column “{attempt.names[n]}” looked like {guesses[n].kind} but is "
                f"{attempt.plans[n].kind}: {reason}."
            )
    attempt.plans = [
        replace(plan, kind="text") if plan.kind == "unknown" else plan for plan in attempt.plans
    ]


def _retrying_pieces(attempt: _Attempt) -> Iterator[Parsed]:
    # A quoted line end may first show up in this pass; plans only widen, so starting over is safe.
    try:
        yield from _parsed_pieces(attempt, words_only=True)
    except NeedsStreamError:
        attempt.is_streamed = True
        yield from _parsed_pieces(attempt, words_only=True)
    except _NulError as error:
        raise _diagnosed(attempt, "NUL") from error


def _fitting_plan(
    plan: ColumnPlan, words: pa.Array, name: str, row: int
) -> tuple[ColumnPlan, MisfitError | None]:
    last: MisfitError | None = None
    while True:
        try:
            inference.convert(words, plan)
        except MisfitError as misfit:
            if plan.is_declared:
                raise EngineError(
                    "type_mismatch",
                    f"Row {row + misfit.index + 1:,}, column “{name}”: “{misfit.value[:80]}” is "
                    f"not of the declared type {plan.kind}.",
                    row=row + misfit.index + 1,
                    column=name,
                ) from misfit
            plan, last = inference.widened(plan, words, misfit), misfit
        else:
            return plan, last


def _finish(attempt: _Attempt, writer: TableWriter) -> IngestResult:
    if attempt.bad.count and not attempt.options.skip_bad_rows:
        raise ragged_rows(attempt.bad, len(attempt.names), is_complete=True)
    if writer.n_rows == 0:
        raise EngineError("no_data_rows", "The file has no data rows.")
    dialect = attempt.dialect
    notes = column_notes(dialect.preamble)
    columns = tuple(
        column_schema(name, original, plan, writer, notes)
        for name, original, plan in zip(
            attempt.names, dialect.original_names, attempt.plans, strict=True
        )
    )
    decimal = "," if any(plan.format == "eu" for plan in attempt.plans) else "."
    if len(columns) > attempt.options.warn_columns:
        attempt.notes.append(f"The table is very wide ({len(columns):,} columns).")
    schema = DatasetSchema(
        columns, "csv", attempt.encoding, dialect.separator, decimal, dialect.comment_prefix,
        dialect.preamble, attempt.null_words, dialect.has_header,
    )  # fmt: skip
    report = {
        "encoding": attempt.encoding,
        "separator": dialect.separator,
        "decimal": decimal,
        "comment_lines": len(dialect.preamble),
        "renamed_columns": renamed(columns),
        "bad_rows": {"count": attempt.bad.count, "first": attempt.bad.first},
        "infinite_values": sum(writer.n_infinite.values()),
        "notes": attempt.notes,
    }
    return IngestResult(schema, writer.n_rows, len(columns), report)
