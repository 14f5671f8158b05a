"""Whole runs as JSON: what a run is, and beside it what it logged, read and made."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from experiments.mlflow_api.shapes import NAME_TAG, LabelOut, encode, run_info
from experiments.tracking.database import Database
from experiments.tracking.inputs import inputs_and_outputs
from experiments.tracking.operations import CreatedRun
from experiments.tracking.rows import RunRow

LATEST: Final = (
    "SELECT m.run_id, k.name, m.value, m.timestamp_ms, m.step, m.is_nan "
    "FROM experiments_latestmetric m JOIN experiments_key k ON k.id = m.key_id "
    "WHERE m.run_id IN (??) ORDER BY k.name"
)
LABELS: Final = (
    "SELECT v.run_id, k.name, v.value FROM {table} v JOIN experiments_key k ON k.id = v.key_id "
    "WHERE v.run_id IN (??) ORDER BY k.name"
)


class MetricOut(msgspec.Struct):
    """The newest point of a metric."""

    key: str
    value: float | str
    timestamp: int
    step: int


class DataOut(msgspec.Struct, omit_defaults=True):
    """What a run logged."""

    metrics: list[MetricOut] = msgspec.field(default_factory=list)
    params: list[LabelOut] = msgspec.field(default_factory=list)
    tags: list[LabelOut] = msgspec.field(default_factory=list)


def run_json(db: Database, row: RunRow) -> bytes:
    """Return a run."""
    return next(run_jsons(db, [row]))


def run_jsons(db: Database, rows: Sequence[RunRow]) -> Iterator[bytes]:
    """Yield each run."""
    ids = [row.id for row in rows]
    data = {row.id: DataOut(tags=[LabelOut(NAME_TAG, row.name)]) for row in rows}
    for run_id, key, value, at_ms, step, is_nan in db.rows_in(LATEST, ids):
        data[run_id].metrics.append(MetricOut(key, "NaN" if is_nan else value, at_ms, step))
    for run_id, key, value in db.rows_in(LABELS.format(table="experiments_runparam"), ids):
        data[run_id].params.append(LabelOut(key, value))
    for run_id, key, value in db.rows_in(LABELS.format(table="experiments_runtag"), ids):
        data[run_id].tags.append(LabelOut(key, value))
    edges = inputs_and_outputs(db, ids)
    for row in rows:
        inputs, outputs = edges.get(row.id, ({}, {}))
        yield encode(
            {"info": run_info(row), "data": data[row.id], "inputs": inputs, "outputs": outputs}
        )


def created_run_json(made: CreatedRun) -> bytes:
    """Return a run that was just made."""
    tags = [LabelOut(NAME_TAG, made.row.name), *(LabelOut(*pair) for pair in made.tags)]
    return encode({"info": run_info(made.row), "data": DataOut(tags=tags), "inputs": {}})
