"""Reading an uploaded file, whatever it is, into one typed Parquet table."""

from collections.abc import Callable
from pathlib import Path

from experiments.data.csv_reading import read_csv
from experiments.data.json_reading import read_json
from experiments.data.parquet_reading import is_parquet, read_parquet
from experiments.data.progress import Beat
from experiments.data.sniffing import looks_like_json, refuse_binary
from experiments.data.sources import RawSource, Utf8Source, detect_encoding
from experiments.data.specs import EngineError, IngestResult, ReadOptions

__all__ = ["IngestResult", "ReadOptions", "ingest"]


def ingest(
    raw_path: Path,
    *,
    file_name: str,
    table_path: Path,
    options: ReadOptions,
    on_progress: Callable[[float, str], None],
    should_stop: Callable[[], bool],
) -> IngestResult:
    """Read the file at `raw_path` into a Parquet table at `table_path`.

    The format is decided by the content; `file_name` only appears in messages. The table has row
    groups of 100,000 rows in the order of the file. Memory does not grow with the file. On any
    error nothing is left at `table_path`.

    Raises:
        EngineError: What is wrong with the file and where; `stopped` when `should_stop()`.
    """
    beat = Beat(on_progress, should_stop)
    beat(0.0, "opening")
    try:
        with RawSource(raw_path, options) as raw:
            result = _read(raw, raw_path, table_path, options, beat)
    except EngineError as error:
        table_path.unlink(missing_ok=True)
        error.details.setdefault("file_name", file_name)
        raise
    except BaseException:
        table_path.unlink(missing_ok=True)
        raise
    beat(1.0, "reading")
    return result


def _read(
    raw: RawSource, raw_path: Path, table_path: Path, options: ReadOptions, beat: Beat
) -> IngestResult:
    head = raw.head()
    if not head.strip():
        raise EngineError("no_data_rows", "The file has no content but blanks.")
    if is_parquet(head):
        if raw.is_gzip:
            raise EngineError("unsupported_format", "A gzipped Parquet file: upload it unpacked.")
        return read_parquet(raw_path, table_path, options, beat)
    encoding = detect_encoding(head[:8192], options.encoding)
    refuse_binary(head, encoding)
    text = Utf8Source(raw, encoding).read(4096).decode(errors="replace")
    raw.rewind()
    if looks_like_json(text):
        return read_json(raw, encoding, table_path, options, beat)
    return read_csv(raw, table_path, options, beat)
