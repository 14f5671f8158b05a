"""Guesses about a text file from its first bytes: kind of file, preamble, separator, header, names."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from experiments.data.specs import EngineError, ReadOptions

SEPARATORS = ("\t", ";", "|", ",")
SINGLE_COLUMN = "\x1f"
MAX_NAME_CHARS = 200
_SNIFFED_LINES = 200
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90", "a Windows program"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PK\x03\x04", "a zip archive or Excel workbook"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x1f\x8b", "gzip inside gzip"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ARROW1", "an Arrow file"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml|svg|head|body|script)\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"[+-]?\s*[$€£¥]?\s*(\d[\d.,  ']*|[.,]\d+)([eE][+-]?\d+)?\s*[%$€£¥]?|[+-]?(inf|nan|infinity)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
_COLUMN_LINE = re.compile(
    r"COLUMN\s+(?P<name>\S+?)\s*:\s*(?P<text>.*?)\s*(\[(?P<unit>[^\[\]]*)\])?$"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How the text of a table is laid out; offsets count bytes of the UTF-8 text."""

    separator: str
    newline: bytes
    comment_prefix: str
    preamble: tuple[str, ...]
    has_header: bool
    original_names: tuple[str, ...]
    data_offset: int
    note: str = ""


def refuse_binary(head: bytes, encoding: str) -> None:
    """Refuse content that is no table, whatever the file is called.

    Args:
        head: First bytes, expanded.
        encoding: The detected one; wide encodings may hold any byte.

    Raises:
        EngineError: `unsupported_format` naming what the content is.
    """
    kind = next((name for magic, name in _MAGICS if head.startswith(magic)), None)
    if kind is None and _PICKLE.match(head):
        kind = "a Python pickle"
    if kind is None and _MARKUP.match(head[:1000]):
        kind = "a web page or XML"
    if kind is None and not encoding.startswith(("utf-16", "utf-32")):
        sample = head[:65_536]
        n_control = sum(sample.count(byte) for byte in (*range(1, 9), *range(14, 27)))
        if n_control > 0.02 * len(sample):
            kind = "binary data"
    if kind is not None:
        raise EngineError(
            "unsupported_format",
            f"The content is {kind}, not a table. Accepted: CSV, TSV (also gzipped), "
            "JSON records, JSON lines, Parquet.",
            found=kind,
        )


def looks_like_json(text: str) -> bool:
    """Return whether `text` (the head of a file) starts like JSON records or lines."""
    start = text.lstrip()
    if start.startswith("{"):
        return bool(re.match(r'\{\s*("|\}|$)', start))
    return bool(re.match(r'\[\s*([\[\{\]"\d-]|true|false|null|NaN|$)', start))


def column_notes(preamble: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return {column: (description, unit)} out of `COLUMN name: text [unit]` lines."""
    notes: dict[str, tuple[str, str]] = {}
    for line in preamble:
        match = _COLUMN_LINE.match(line.strip())
        if match:
            notes[match["name"]] = (match["text"], match["unit"] or "")
    return notes


def safe_names(originals: Sequence[str]) -> list[str]:
    """Return unique, printable, non-empty names, one for each original name."""
    taken: set[str] = set()
    wanted = [_clean_name(name, position) for position, name in enumerate(originals, 1)]
    reserved = Counter(wanted)
    names = []
    for name in wanted:
        candidate, n = name, 2
        while candidate in taken or (n > 2 and candidate in reserved):
            candidate, n = f"{name}_{n}", n + 1
        taken.add(candidate)
        names.append(candidate)
    return names


def _clean_name(name: str, position: int) -> str:
    name = unicodedata.normalize("NFC", _CONTROL.sub(" ", name)).strip()
    return name[:MAX_NAME_CHARS].rstrip() or f"column_{position}"


def sniff_csv(head: bytes, *, complete: bool, options: ReadOptions) -> CsvDialect:
    """Return the layout of delimited text.

    Args:
        head: First bytes as UTF-8.
        complete: Whether `head` is the whole text.
        options: What the user declared wins over guessing.

    Raises:
        EngineError: `no_data_rows`, `line_too_long` or `too_many_columns`.
    """
    newline = b"\n" if b"\n" in head else b"\r"
    prefix = "#" if options.comment_prefix is None else options.comment_prefix
    preamble, offset = _read_preamble(head, newline, prefix)
    body = head[offset:]
    if not body.strip():
        raise EngineError("no_data_rows", "The file has no data rows.")
    if not complete:
        cut = body.rfind(newline)
        if cut < 0:
            raise EngineError(
                "line_too_long",
                f"The first row is longer than {len(body):,} bytes: is this a table?",
                row=1,
            )
        body = body[: cut + 1]
    lines, is_cut = _first_lines(body, newline)
    complete = complete and not is_cut
    separator = options.separator or _guess_separator(lines, complete=complete)
    records = _records(lines, separator)
    if not complete and len(records) > 2:
        records = records[:-1]
    return _layout(body, offset, newline, prefix, preamble, separator, records, options)


def _first_lines(body: bytes, newline: bytes) -> tuple[list[str], bool]:
    """Return up to 200 lines and whether there were more."""
    lines, start = [], 0
    for raw in islice(_line_ends(body, newline), _SNIFFED_LINES):
        lines.append(body[start:raw].decode(errors="replace"))
        start = raw
    return lines, start < len(body)


def _line_ends(body: bytes, newline: bytes) -> Iterator[int]:
    at = 0
    while at < len(body):
        found = body.find(newline, at)
        at = len(body) if found < 0 else found + 1
        yield at


def _read_preamble(head: bytes, newline: bytes, prefix: str) -> tuple[list[str], int]:
    lines: list[str] = []
    offset = 0
    marker = prefix.encode()
    while offset < len(head):
        end = head.find(newline, offset)
        end = len(head) if end < 0 else end + 1
        line = head[offset:end]
        if line.strip() and not (marker and line.startswith(marker)):
            break
        if line.strip():
            lines.append(line.decode(errors="replace").strip()[len(prefix) :].strip())
        offset = end
    return lines, offset


def _records(lines: Sequence[str], separator: str) -> list[list[str]]:
    limit = csv.field_size_limit(16 * 1024**2)
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return [line.rstrip("\r\n").split(separator) for line in lines if line.strip()]
    finally:
        csv.field_size_limit(limit)


def _guess_separator(lines: Sequence[str], *, complete: bool) -> str:
    best, best_score = "", 0.0
    for separator in SEPARATORS:
        counts = [len(row) for row in _records(lines, separator)]
        if not complete and len(counts) > 2:
            counts = counts[:-1]
        width, n_same = Counter(counts).most_common(1)[0]
        score = n_same / len(counts) + (1.0 if counts[0] == width else 0.0)
        if width > 1 and score > best_score:
            best, best_score = separator, score
    if best:
        return best
    widths = [len(_records(lines[:1], separator)[0]) for separator in SEPARATORS]
    if max(widths) > 1:
        return SEPARATORS[widths.index(max(widths))]
    return SINGLE_COLUMN if any("," in line for line in lines) else ","


def _layout(
    body: bytes,
    offset: int,
    newline: bytes,
    prefix: str,
    preamble: list[str],
    separator: str,
    records: list[list[str]],
    options: ReadOptions,
) -> CsvDialect:
    has_header = options.header if options.header is not None else _has_header(records)
    note = ""
    width = Counter(len(row) for row in records).most_common(1)[0][0]
    if has_header:
        names = records[0]
        data = records[1:]
        extra = width - len(names)
        if extra > 0 and data and all(not any(row[len(names) :]) for row in data):
            names = names + [""] * extra
            note = f"Every row ends with {extra} empty field(s) that the header does not name."
        offset += _record_end(body, newline)
    else:
        names = _commented_names(preamble, width, separator)
        if names:
            preamble = preamble[:-1]
            has_header = True
        else:
            names = [f"column_{n}" for n in range(1, width + 1)]
    refuse_wide(len(names), options)
    return CsvDialect(
        separator, newline, prefix if preamble else "", tuple(preamble), has_header,
        tuple(names), offset, note,
    )  # fmt: skip


def refuse_wide(n_columns: int, options: ReadOptions) -> None:
    """Raise `too_many_columns` above the limit."""
    if n_columns > options.max_columns:
        raise EngineError(
            "too_many_columns",
            f"The table has {n_columns:,} columns; the limit is {options.max_columns:,}.",
            n_columns=n_columns,
        )


def _record_end(body: bytes, newline: bytes) -> int:
    """Return the offset just after the first record; a quoted name may hold line ends."""
    start = len(body) - len(body.lstrip(b"\r\n"))
    end = start
    while True:
        found = body.find(newline, end)
        if found < 0:
            return len(body)
        end = found + 1
        if body.count(b'"', start, end) % 2 == 0:
            return end


def _commented_names(preamble: list[str], width: int, separator: str) -> list[str]:
    if not preamble or width < 2:
        return []
    names = _records([preamble[-1]], separator)[:1]
    if names and len(names[0]) == width and not any(_kind(cell) for cell in names[0]):
        return names[0]
    return []


def _kind(cell: str) -> str:
    cell = cell.strip()
    if _NUMBER.fullmatch(cell):
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    if cell.lower() in ("true", "false"):
        return "boolean"
    return ""


def _has_header(records: list[list[str]]) -> bool:
    first, rest = records[0], records[1:]
    kinds = [_kind(cell) for cell in first]
    if not any(kinds):
        if not rest:
            return True
        # All words: data when the first row repeats words of its own column, and names nothing new.
        columns = [{row[n] for row in rest if n < len(row)} for n in range(len(first))]
        repeats = [cell.strip() and cell in columns[n] for n, cell in enumerate(first)]
        return not (repeats and all(repeats))
    if _counts_years(first, rest):
        return True
    votes_against = 0
    for n, kind in enumerate(kinds):
        below = [_kind(row[n]) for row in rest if n < len(row) and row[n].strip()]
        if kind and (not below or below.count(kind) >= 0.5 * len(below)):
            votes_against += 1
    return votes_against == 0


def _counts_years(first: list[str], rest: list[list[str]]) -> bool:
    """Return whether numeric names are a run of years above data that are no years."""
    years = [int(cell) for cell in first if re.fullmatch(r"(1[89]|20)\d\d", cell.strip())]
    n_numbers = sum(_kind(cell) == "number" for cell in first)
    if len(years) < 2 or len(years) != n_numbers or years != sorted(set(years)):
        return False
    below = [cell for row in rest[:20] for cell in row if _kind(cell) == "number"]
    n_years = sum(bool(re.fullmatch(r"(1[89]|20)\d\d", cell.strip())) for cell in below)
    return n_years < 0.5 * max(1, len(below))
