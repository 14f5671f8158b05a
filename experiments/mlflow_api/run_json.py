"""Whole runs as JSON: what a run is, and beside it what it logged, read and made."""

from collections.abc import Iterator, Sequence
from typing import Final

from experiments.mlflow_api.shapes import encode, run_info
from experiments.tracking.database import Database
from experiments.tracking.operations import CreatedRun
from experiments.tracking.rendered import NAME_TAG, WireData, WireLabel, run_data_json
from experiments.tracking.rows import RunRow

MAX_HELD: Final = 10_000
_held: dict[int, tuple[RunRow, bytes]] = {}


def info_json(row: RunRow) -> bytes:
    """Return what a run is; encoded once for as long as the row stays the same."""
    held = _held.get(row.id)
    if held is not None and held[0] == row:
        return held[1]
    info = encode(run_info(row))
    if len(_held) >= MAX_HELD:
        _held.clear()
    _held[row.id] = (row, info)
    return info


def run_json(db: Database, row: RunRow) -> bytes:
    """Return a run."""
    return b'{"info":%b,%b}' % (info_json(row), run_data_json(db, [row])[row.id])


def run_jsons(db: Database, rows: Sequence[RunRow]) -> Iterator[bytes]:
    """Return each run, in their order."""
    data = run_data_json(db, rows)
    return (b'{"info":%b,%b}' % (info_json(row), data[row.id]) for row in rows)


def created_run_json(made: CreatedRun) -> bytes:
    """Return a run that was just made."""
    tags = [WireLabel(NAME_TAG, made.row.name), *(WireLabel(*pair) for pair in made.tags)]
    return encode({"info": run_info(made.row), "data": WireData(tags=tags), "inputs": {}})
