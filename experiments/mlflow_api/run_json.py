"""Whole runs as JSON: what a run is, and beside it what it logged, read and made."""

from collections.abc import Sequence
from typing import Final

from experiments.mlflow_api.shapes import encode, run_info
from experiments.tracking.database import Database
from experiments.tracking.operations import CreatedRun
from experiments.tracking.rendered import (
    NAME_TAG,
    WireData,
    WireLabel,
    held_data_json,
    run_data_json,
)
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunHead, RunRow

MAX_HELD: Final = 10_000
FIND_HEADS: Final = "SELECT id, uuid, version FROM experiments_run WHERE id IN (??)"
FIND_ROWS: Final = f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.id IN (??)"  # noqa: S608  # our own text
# Each run's version and what it is, encoded; every change of a run raises its version.
_infos: dict[str, tuple[int, bytes]] = {}


def info_json(row: RunRow) -> bytes:
    """Return what a run is; encoded once for as long as the run stays the same."""
    held = _infos.get(row.uuid)
    if held is not None and held[0] == row.version:
        return held[1]
    info = encode(run_info(row))
    if len(_infos) >= MAX_HELD:
        _infos.clear()
    _infos[row.uuid] = (row.version, info)
    return info


def run_json(db: Database, row: RunRow) -> bytes:
    """Return a run."""
    return b'{"info":%b,%b}' % (info_json(row), run_data_json(db, [row])[row.id])


def run_jsons(db: Database, run_ids: Sequence[int]) -> list[bytes]:
    """Return each run that there is, in this order; only runs that changed are read whole."""
    heads = [RunHead._make(row) for row in db.rows_in(FIND_HEADS, run_ids)]
    data = held_data_json(heads)
    found: dict[int, bytes] = {}
    for run_id, uuid, version in heads:
        info = _infos.get(uuid)
        if run_id in data and info is not None and info[0] == version:
            found[run_id] = b'{"info":%b,%b}' % (info[1], data[run_id])
    stale = [head.id for head in heads if head.id not in found]
    if stale:
        rows = [RunRow._make(row) for row in db.rows_in(FIND_ROWS, stale)]
        fresh = run_data_json(db, rows)
        found |= {row.id: b'{"info":%b,%b}' % (info_json(row), fresh[row.id]) for row in rows}
    return [found[run_id] for run_id in run_ids if run_id in found]


def created_run_json(made: CreatedRun) -> bytes:
    """Return a run that was just made."""
    tags = [WireLabel(NAME_TAG, made.row.name), *(WireLabel(*pair) for pair in made.tags)]
    return encode({"info": run_info(made.row), "data": WireData(tags=tags), "inputs": {}})
