"""A run's files as pages show them: a folder's entries, the beginning of a text or table."""

import codecs
import csv
import io
from dataclasses import dataclass, field
from typing import Final

import msgspec

from assets.storage import blob_path
from experiments.artifact_paths import clean_folder, joined, path_of_uri, run_uri
from experiments.models import ArtifactFile, Run
from experiments.selectors.artifact_places import place_in_run
from experiments.selectors.artifacts import Entry, get_file, list_folder

MAX_TEXT_BYTES: Final = 200_000
MAX_TABLE_ROWS: Final = 200
MAX_TABLE_COLUMNS: Final = 100
MAX_CELL_CHARS: Final = 300
MAX_SHOWN_BYTES: Final = 25 * 1024 * 1024
IMAGES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
}
DRAWINGS: Final = frozenset({"svg"})
PAGES: Final = frozenset({"html", "htm"})
TABLES: Final = {"csv": ",", "tsv": "\t"}


MAX_JSON_TABLE_BYTES: Final = 2 * 1024 * 1024
# Control characters but tab, line ends and form feed.
NO_TEXT: Final = tuple(set(range(32)) - {9, 10, 12, 13, 27})


class LoggedTable(msgspec.Struct):
    """A table as clients log it as JSON; cells stay as they are written."""

    columns: list[str]
    data: list[list[msgspec.Raw]]


@dataclass(frozen=True)
class Folder:
    """What is directly in a folder of a run."""

    path: str
    entries: list[tuple[Entry, str]]
    parents: list[tuple[str, str]]


@dataclass(frozen=True)
class Preview:
    """A file as far as a page can show it: text, table, image, page or none."""

    kind: str
    text: str = ""
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_cut: bool = False


def has_own_files(run: Run) -> bool:
    """Whether the run's files are in this server's store."""
    return path_of_uri(run_uri(run.experiment.artifact_location, run.uuid)) is not None


def folder_of(run: Run, path: str) -> Folder:
    """Return the folder with paths below the run.

    Raises:
        Invalid: for a hostile path.
    """
    clean = clean_folder(path)
    entries = list_folder(place_in_run(run, clean))
    parts = clean.split("/") if clean else []
    return Folder(
        clean,
        # Folders first, as file managers do.
        [(one, joined(clean, one.name)) for one in sorted(entries, key=lambda one: not one.is_dir)],
        [(part, "/".join(parts[: n + 1])) for n, part in enumerate(parts)],
    )


def file_of(run: Run, path: str) -> ArtifactFile:
    """Return the file with its stored bytes.

    Raises:
        Invalid: for a hostile path, and for a folder.
        NotFound: when there is none.
    """
    return get_file(place_in_run(run, clean_folder(path)))


def ending_of(file: ArtifactFile) -> str:
    """Return the ending of the file's name in small letters, without the dot."""
    name = file.path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1].lower() if "." in name else ""


def preview_of(file: ArtifactFile) -> Preview:
    """Return what can be shown of the file; reads at most 200 kB of it."""
    ending = ending_of(file)
    if ending in IMAGES:
        return Preview("image" if file.size_bytes <= MAX_SHOWN_BYTES else "none")
    if ending in PAGES:
        return Preview("page" if file.size_bytes <= MAX_SHOWN_BYTES else "none")
    stored_table = _json_table(file) if ending == "json" else None
    if stored_table is not None:
        return stored_table
    with blob_path(file.blob.sha256).open("rb") as stored:
        data = stored.read(MAX_TEXT_BYTES + 1)
    is_cut = len(data) > MAX_TEXT_BYTES
    text = _as_text(data[:MAX_TEXT_BYTES])
    if text is None:
        return Preview("none")
    if ending in TABLES:
        return _table(text, TABLES[ending], is_cut=is_cut)
    return Preview("text", text=text, is_cut=is_cut)


def _as_text(data: bytes) -> str | None:
    """Return UTF-8 (the last character may be cut), UTF-16 with its mark, or Latin text.

    None for anything else: text has no control characters.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="ignore")
    if any(byte in data for byte in NO_TEXT):
        return None
    for end in range(len(data), max(len(data) - 4, -1), -1):
        try:
            return data[:end].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", errors="replace")


def _json_table(file: ArtifactFile) -> Preview | None:
    """Return a table as clients log it, ``{"columns": …, "data": …}``, or None for other content."""
    if file.size_bytes > MAX_JSON_TABLE_BYTES:
        return None
    try:
        content = msgspec.json.decode(blob_path(file.blob.sha256).read_bytes(), type=LoggedTable)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    rows = [
        [_cell(value) for value in row[:MAX_TABLE_COLUMNS]] for row in content.data[:MAX_TABLE_ROWS]
    ]
    return Preview(
        "table",
        head=[name[:MAX_CELL_CHARS] for name in content.columns[:MAX_TABLE_COLUMNS]],
        rows=rows,
        is_cut=len(content.data) > MAX_TABLE_ROWS,
    )


def _cell(value: msgspec.Raw) -> str:
    text = bytes(value)[: 4 * MAX_CELL_CHARS].decode(errors="ignore")
    if text.startswith('"') and len(text) < 4 * MAX_CELL_CHARS:
        text = msgspec.json.decode(text, type=str)
    return text[:MAX_CELL_CHARS]


def _table(text: str, delimiter: str, *, is_cut: bool) -> Preview:
    try:
        found = []
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            found.append([cell[:MAX_CELL_CHARS] for cell in row[:MAX_TABLE_COLUMNS]])
            if len(found) > MAX_TABLE_ROWS + 1:
                break
    except csv.Error:
        return Preview("text", text=text, is_cut=is_cut)
    if is_cut and len(found) <= MAX_TABLE_ROWS + 1:
        found = found[:-1]  # its last row may be half a row
    head, rows = (found[0], found[1:]) if found else ([], [])
    return Preview(
        "table",
        head=head,
        rows=rows[:MAX_TABLE_ROWS],
        is_cut=is_cut or len(rows) > MAX_TABLE_ROWS,
    )
