"""Whole runs as JSON: what a run is, and beside it what it logged, read and made."""

from collections.abc import Iterator, Sequence

from experiments.mlflow_api.shapes import encode, run_info
from experiments.tracking.database import Database
from experiments.tracking.operations import CreatedRun
from experiments.tracking.rendered import NAME_TAG, WireData, WireLabel, run_data_json
from experiments.tracking.rows import RunRow


def run_json(db: Database, row: RunRow) -> bytes:
    """Return a run."""
    return b'{"info":%b,%b}' % (encode(run_info(row)), run_data_json(db, [row])[row.id])


def run_jsons(db: Database, rows: Sequence[RunRow]) -> Iterator[bytes]:
    """Return each run, in their order."""
    data = run_data_json(db, rows)
    return (b'{"info":%b,%b}' % (encode(run_info(row)), data[row.id]) for row in rows)


def created_run_json(made: CreatedRun) -> bytes:
    """Return a run that was just made."""
    tags = [WireLabel(NAME_TAG, made.row.name), *(WireLabel(*pair) for pair in made.tags)]
    return encode({"info": run_info(made.row), "data": WireData(tags=tags), "inputs": {}})
