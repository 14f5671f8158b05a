"""Tables of the NASA Exoplanet Archive, fetched over its TAP service by pyvo.

The list of tables is light; pyvo is only imported when one is fetched.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.data.bundled import Column, write_described_csv
from experiments.data.progress import Beat
from experiments.data.specs import EngineError

SERVICE_URL = "https://exoplanetarchive.ipac.caltech.edu/TAP"
TIMEOUT_S = (10.0, 120.0)
MAX_DOWNLOAD_BYTES = 512 * 1024**2
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """One table of the archive: its name there, and what one would predict in it."""

    name: str
    table: str
    title: str
    description: str
    target: str


TABLES: dict[str, ArchiveTable] = {
    item.name: item
    for item in (
        ArchiveTable(
            "koi", "cumulative", "Kepler Objects of Interest (cumulative)",
            "Transit signals found by Kepler with their disposition.", "koi_disposition",
        ),
        ArchiveTable(
            "k2", "k2pandc", "K2 Planets and Candidates",
            "Planets and candidates of the K2 mission with their disposition.", "disposition",
        ),
        ArchiveTable(
            "toi", "toi", "TESS Objects of Interest",
            "Transit signals found by TESS with the disposition of the follow-up group.",
            "tfopwg_disp",
        ),
    )
}  # fmt: skip


def download_table(
    name: str,
    out_path: Path,
    *,
    service_url: str = SERVICE_URL,
    on_progress: Callable[[float, str], None],
    should_stop: Callable[[], bool],
    max_rows: int = 1_000_000,
) -> dict[str, Any]:
    """Fetch one table and write it to `out_path` as CSV with column descriptions and units.

    Args:
        name: A key of TABLES.
        out_path: Only exists when everything arrived.
        service_url: Base URL of a TAP service, from the settings, never from a client.
        on_progress: Called with (fraction, stage); the size is unknown, so steps are coarse.
        should_stop: Polled while bytes arrive.
        max_rows: The service is asked for no more than this.

    Returns:
        {"name", "title", "target", "n_rows", "n_columns", "query", "service_url"}.

    Raises:
        EngineError: `unknown_dataset`, `source_unreachable`, `source_refused`,
            `source_too_large`, `stopped`.
    """
    if name not in TABLES:
        raise EngineError(
            "unknown_dataset", f"The archive has no table “{name}”; known: {', '.join(TABLES)}."
        )
    chosen = TABLES[name]
    beat = Beat(on_progress, should_stop)
    query = f"select * from {chosen.table}"  # noqa: S608 - a constant of this module
    beat(0.0, "asking the archive")
    with tempfile.TemporaryFile(dir=out_path.parent) as answer:
        _fetch(service_url, query, max_rows, answer, beat)
        beat(0.8, "reading the answer")
        columns = _columns(answer, service_url)
    n_rows = len(columns[0][3]) if columns else 0
    if n_rows == 0:
        raise EngineError(
            "source_refused", f"The archive answered without rows for {chosen.table}."
        )
    partial = out_path.with_name(out_path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as handle:
            write_described_csv(handle, chosen.title, f"From {service_url}: {query}", columns)
        partial.replace(out_path)
    finally:
        partial.unlink(missing_ok=True)
    beat(1.0, "downloaded")
    return {
        "name": name,
        "title": chosen.title,
        "target": chosen.target,
        "n_rows": n_rows,
        "n_columns": len(columns),
        "query": query,
        "service_url": service_url,
    }


def _fetch(service_url: str, query: str, max_rows: int, answer: Any, beat: Beat) -> None:
    import requests
    from pyvo.dal import DALServiceError, TAPService
    from urllib3.exceptions import HTTPError

    n_bytes = 0
    try:
        with _timed_session() as session:
            service = TAPService(service_url, session=session)
            stream = service.create_query(query, maxrec=max_rows).execute_stream(post=True)
            if (status := getattr(stream, "status", 200)) >= 500:
                raise requests.HTTPError(f"HTTP status {status}")
            while data := stream.read(_CHUNK_BYTES):
                answer.write(data)
                n_bytes += len(data)
                if n_bytes > MAX_DOWNLOAD_BYTES:
                    raise EngineError(
                        "source_too_large",
                        f"The archive sent more than {MAX_DOWNLOAD_BYTES:,} bytes.",
                    )
                beat(0.1 + 0.6 * n_bytes / (n_bytes + 8 * 1024**2), "downloading")
    except (DALServiceError, requests.RequestException, HTTPError, OSError) as error:
        raise _unreachable(service_url, error) from error
    answer.seek(0)


def _unreachable(service_url: str, error: Exception) -> EngineError:
    cause = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return EngineError(
        "source_unreachable",
        f"The NASA Exoplanet Archive at {service_url} cannot be reached ({cause}). Check the "
        "network, or download the table elsewhere and upload the file.",
        service_url=service_url,
    )


def _timed_session() -> Any:
    import requests

    class TimedSession(requests.Session):
        """A session that never waits for ever."""

        def request(self, *args: Any, **kwargs: Any) -> requests.Response:
            kwargs.setdefault("timeout", TIMEOUT_S)
            return super().request(*args, **kwargs)

    return TimedSession()


def _columns(answer: Any, service_url: str) -> list[Column]:
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError
    from pyvo.dal import DALQueryError
    from pyvo.dal.tap import TAPResults

    try:
        result = TAPResults(parse(answer, verify="ignore"), url=service_url)
    except DALQueryError as error:
        raise EngineError(
            "source_refused", f"The archive refused the query: {str(error)[:300]}"
        ) from error
    except (VOTableSpecError, ValueError, IndexError, OSError) as error:
        raise EngineError(
            "source_refused",
            f"The archive's answer is not a VOTable: {str(error).splitlines()[0][:200]}",
        ) from error
    table = result.resultstable.to_table()
    columns: list[Column] = []
    for name in result.fieldnames:
        described = result.getdesc(name)
        unit = str(described.unit) if described.unit is not None else ""
        text = described.description or described.ID or name
        columns.append((name, str(text), unit, _cells(table[name])))
    return columns


def _cells(column: Any) -> Sequence[Any]:
    """Return the cells as CSV words; masked and not-a-number cells are empty."""
    return [
        "" if value is None or value != value else value  # noqa: PLR0124 - NaN is not itself
        for value in column.tolist()
    ]
