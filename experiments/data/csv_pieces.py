"""Delimited text as a stream of parsed pieces: cutting, parsing by pyarrow, finding broken rows."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pacsv

from experiments.data.sniffing import CsvDialect
from experiments.data.sources import RawSource, Utf8Source
from experiments.data.specs import EngineError, ReadOptions
from experiments.data.table_writing import nul_error

PIECE_BYTES = 4 * 1024**2


class NeedsStreamError(Exception):
    """Cutting at line ends is not safe here: a quoted field may span lines."""


class WrongEncodingError(Exception):
    """The text is not the UTF-8 it was taken for."""


class BrokenTextError(Exception):
    """Pyarrow could not cut the text into records; the slow diagnosis knows why."""


@dataclass(slots=True)
class BadRows:
    """Rows with another number of fields than the header: how many, and the first five."""

    count: int = 0
    first: list[dict[str, object]] = field(default_factory=list)

    def add(self, row: int, expected: int, actual: int) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < 5:
            self.first.append({"row": row, "reason": f"{actual} fields, expected {expected}"})


@dataclass(slots=True)
class Parsed:
    """One parsed piece; row numbers of `bad` count from 1 inside the piece."""

    table: pa.Table
    bad: list[tuple[int, int, int]]


def line_too_long(limit: int, row: int) -> EngineError:
    """Return the error for a line without end."""
    return EngineError(
        "line_too_long",
        f"Row {row:,}: the line is longer than {limit:,} bytes. Is a line end or a closing quote "
        "missing?",
        row=row,
    )


def cut_pieces(source: Utf8Source, newline: bytes, options: ReadOptions) -> Iterator[bytes]:
    """Yield pieces of about 4 MB that end at a line end.

    Raises:
        EngineError: `line_too_long`.
    """
    rest = b""
    n_done_bytes = 0
    while data := source.read(PIECE_BYTES):
        cut = data.rfind(newline) + 1
        if cut == 0:
            rest += data
            if len(rest) > options.max_line_bytes:
                row = _count_lines(source, newline, n_done_bytes) + 1
                raise line_too_long(options.max_line_bytes, row)
            continue
        piece = rest + data[:cut]
        n_done_bytes += len(piece)
        yield piece
        rest = data[cut:]
    if rest:
        yield rest


def _count_lines(source: Utf8Source, newline: bytes, n_bytes: int) -> int:
    """Count line ends in the first `n_bytes` of a source again; only errors need to know."""
    again = Utf8Source(source.raw, source.encoding, source.skip_bytes)
    n_lines = 0
    while n_bytes > 0 and (data := again.read(min(n_bytes, PIECE_BYTES))):
        n_lines += data.count(newline)
        n_bytes -= len(data)
    return n_lines


def parse_piece(
    piece: bytes,
    dialect: CsvDialect,
    types: dict[str, pa.DataType],
    null_words: tuple[str, ...],
) -> Parsed:
    """Parse one piece of whole records.

    Raises:
        WrongEncodingError: Not UTF-8.
        pa.ArrowInvalid: A word does not fit the type of its column.
    """
    bad: list[tuple[int, int, int]] = []
    if not piece or piece.isspace():
        return Parsed(pa.table({n: pa.array([], t) for n, t in types.items()}), bad)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(piece),
            read_options=pacsv.ReadOptions(
                column_names=list(types), use_threads=False, block_size=len(piece) + 1
            ),
            parse_options=_parse_options(dialect, bad),
            convert_options=_convert_options(types, null_words),
        )
    except pa.ArrowInvalid as error:
        _check_utf8(piece, error)
        if "Empty CSV" in str(error):
            return Parsed(pa.table({n: pa.array([], t) for n, t in types.items()}), bad)
        raise
    return Parsed(table, bad)


def stream_pieces(
    source: Utf8Source,
    dialect: CsvDialect,
    types: dict[str, pa.DataType],
    null_words: tuple[str, ...],
) -> Iterator[Parsed]:
    """Yield parsed blocks of text whose quoted fields may hold line ends.

    Row numbers of bad rows count from 1 at the start of the text here.

    Raises:
        WrongEncodingError: Not UTF-8.
        BrokenTextError: Records cannot be told apart.
        pa.ArrowInvalid: A word does not fit the type of its column.
    """
    bad: list[tuple[int, int, int]] = []
    try:
        reader = pacsv.open_csv(
            source,
            read_options=pacsv.ReadOptions(
                column_names=list(types), use_threads=False, block_size=PIECE_BYTES
            ),
            parse_options=_parse_options(dialect, bad),
            convert_options=_convert_options(types, null_words),
        )
        for batch in reader:
            yield Parsed(pa.Table.from_batches([batch]), bad[:])
            bad.clear()
    except pa.ArrowInvalid as error:
        if "conversion error" in str(error) and "UTF8" not in str(error):
            raise
        if "UTF8" in str(error):
            raise WrongEncodingError from error
        raise BrokenTextError(str(error)) from error
    if bad:
        empty = pa.table({n: pa.array([], t) for n, t in types.items()})
        yield Parsed(empty, bad)


def _parse_options(dialect: CsvDialect, bad: list[tuple[int, int, int]]) -> pacsv.ParseOptions:
    def remember(row: pacsv.InvalidRow) -> str:
        bad.append((row.number or 0, row.expected_columns, row.actual_columns))
        return "skip"

    return pacsv.ParseOptions(
        delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=remember
    )


def _convert_options(
    types: dict[str, pa.DataType], null_words: tuple[str, ...]
) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types=types,
        null_values=list(null_words),
        strings_can_be_null=True,
        true_values=["true", "True", "TRUE", "yes", "Yes", "YES"],
        false_values=["false", "False", "FALSE", "no", "No", "NO"],
    )


def _check_utf8(piece: bytes, error: pa.ArrowInvalid) -> None:
    try:
        piece.decode()
    except UnicodeDecodeError:
        raise WrongEncodingError from error


class WatchedSource(Utf8Source):
    """UTF-8 source of the streamed path: counts quotes, stops at NUL and at endless lines."""

    def __init__(self, raw: RawSource, encoding: str, dialect: CsvDialect) -> None:
        """Start at the first data row of `dialect`."""
        self.n_quotes = 0
        self._n_open_bytes = 0
        self._newline = dialect.newline
        self._is_watching = False
        super().__init__(raw, encoding, dialect.data_offset)
        self._is_watching = True

    def read(self, n_bytes: int = -1) -> bytes:
        """Return at most `n_bytes` of UTF-8.

        Raises:
            BrokenTextError: NUL or an endless line.
        """
        data = super().read(n_bytes)
        if self._is_watching and data:
            self.n_quotes += data.count(b'"')
            at = data.rfind(self._newline)
            self._n_open_bytes = len(data) - at if at >= 0 else self._n_open_bytes + len(data)
            if b"\0" in data:
                raise BrokenTextError("NUL")
            if self._n_open_bytes > self.raw.options.max_line_bytes:
                raise BrokenTextError("endless line")
        return data


def diagnose(
    raw: RawSource, encoding: str, dialect: CsvDialect, names: list[str], options: ReadOptions
) -> EngineError | None:
    """Return what is wrong with the first broken record, None when every record is whole.

    Slow (one pass of the standard library's reader): only called when something is known to be
    wrong. Row 1 is the first data row.
    """
    source = Utf8Source(raw, encoding, dialect.data_offset)
    old_limit = csv.field_size_limit(options.max_field_bytes)
    row_number = 0
    try:
        reader = csv.reader(_lines(source, options), delimiter=dialect.separator, strict=True)
        for cells in reader:
            row_number += bool(cells)
            for position, cell in enumerate(cells):
                if "\0" in cell:
                    return nul_error(row_number, [*names, "beyond the header"][
                        min(position, len(names))])  # fmt: skip
    except csv.Error as error:
        return _quote_error(str(error), row_number + 1, options)
    except UnicodeDecodeError as error:
        raise WrongEncodingError from error
    finally:
        csv.field_size_limit(old_limit)
    return None


def _lines(source: Utf8Source, options: ReadOptions) -> Iterator[str]:
    text = io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8", newline="")
    n_lines = 0
    while line := text.readline(options.max_line_bytes):
        n_lines += 1
        if len(line) >= options.max_line_bytes:
            raise line_too_long(options.max_line_bytes, n_lines)
        yield line


def _quote_error(message: str, row: int, options: ReadOptions) -> EngineError:
    if "field larger" in message:
        return EngineError(
            "field_too_long",
            f"Row {row:,}: a field is longer than {options.max_field_bytes:,} bytes; perhaps a "
            "quote is opened there and never closed.",
            row=row,
        )
    if "unexpected end" in message:
        return EngineError(
            "unclosed_quote", f"Row {row:,}: a quote is opened and never closed.", row=row
        )
    return EngineError(
        "broken_quote", f"Row {row:,}: a quoted field is broken ({message}).", row=row
    )
