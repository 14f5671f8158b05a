"""Small helpers for the tests of the data engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from experiments.data.profiling import profile
from experiments.data.reading import ingest
from experiments.data.specs import DatasetSchema, IngestResult, ReadOptions

KOI = Path(__file__).resolve().parents[3] / "shared" / "data" / "nasa_kepler_koi.csv"


@dataclass
class Table:
    path: Path
    result: IngestResult

    @property
    def schema(self) -> DatasetSchema:
        return self.result.schema

    @property
    def report(self) -> dict[str, Any]:
        return self.result.report

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.schema.columns}

    def values(self) -> dict[str, list[Any]]:
        return pq.read_table(self.path).to_pydict()


def read(folder: Path, content: bytes | str | Path, name: str = "t", **options: Any) -> Table:
    """Ingest `content` (bytes, text or an existing file) inside `folder`."""
    if isinstance(content, Path):
        raw = content
    else:
        raw = folder / f"{name}.raw"
        raw.write_bytes(content.encode() if isinstance(content, str) else content)
    path = folder / f"{name}.parquet"
    result = ingest(
        raw,
        file_name="upload.bin",
        table_path=path,
        options=ReadOptions(**options),
        on_progress=lambda _fraction, _stage: None,
        should_stop=lambda: False,
    )
    return Table(path, result)


def profiled(table: Table, **options: Any) -> dict[str, Any]:
    return profile(
        table.path,
        table.schema,
        on_progress=lambda _fraction, _stage: None,
        should_stop=lambda: False,
        **options,
    )


def codes(warnings: list[dict[str, Any]], code: str) -> set[str | None]:
    return {item["column"] for item in warnings if item["code"] == code}
