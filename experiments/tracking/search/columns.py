"""Columns of a table of runs: which keys are in use, and their values for the runs of a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import SQLITE, ids_in, in_list
from experiments.tracking.search.runs_sql import key_numbers

# Counting is bounded twice: a picker of columns needs what is usual, not a census.
NEWEST_RUNS: Final = 1_000
MAX_COUNTED_ROWS: Final = 50_000
MAX_KEYS: Final = 5_000
METRICS: Final = "experiments_latestmetric"
PARAMS: Final = "experiments_runparam"
TAGS: Final = "experiments_runtag"


class KeyUse(NamedTuple):
    """A key and how many of the runs that were looked at have it."""

    name: str
    n_runs: int


@dataclass(frozen=True, slots=True)
class KeysInUse:
    """The keys of the newest runs, the most used first; how many runs were looked at."""

    metrics: list[KeyUse]
    params: list[KeyUse]
    tags: list[KeyUse]
    n_runs: int


class LatestValue(NamedTuple):
    """The newest point of a metric; NaN is None."""

    value: float | None
    step: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class RunValues:
    """What runs logged, by the run's number and the key."""

    metrics: dict[int, dict[str, LatestValue]] = field(default_factory=dict)
    params: dict[int, dict[str, str]] = field(default_factory=dict)
    tags: dict[int, dict[str, str]] = field(default_factory=dict)


def keys_in_use(
    db: Database, project_ids: Iterable[int], experiment_ids: Iterable[int] | None = None
) -> KeysInUse:
    """Return the keys that the newest active runs use, of these experiments or of all."""
    scope = ids_in(db.dialect, "r.project_id", sorted(set(project_ids)))
    params = list(scope.params)
    where = scope.sql
    if experiment_ids is not None:
        chosen = ids_in(db.dialect, "r.experiment_id", sorted(set(experiment_ids)))
        where, params = f"{chosen.sql} AND {where}", [*chosen.params, *params]
    rows = db.rows(
        f"SELECT r.id FROM experiments_run r WHERE {where} AND r.lifecycle = 'active'"
        " ORDER BY r.id DESC LIMIT ?",
        [*params, NEWEST_RUNS],
    )
    run_ids = [row[0] for row in rows]
    return KeysInUse(
        metrics=_used(db, METRICS, run_ids),
        params=_used(db, PARAMS, run_ids),
        tags=_used(db, TAGS, run_ids),
        n_runs=len(run_ids),
    )


def values_for(
    db: Database,
    run_ids: Sequence[int],
    *,
    metrics: Sequence[str] | None = None,
    params: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
) -> RunValues:
    """Return the latest metrics, the params and the tags of runs, with one query each.

    Each list names the keys that are wanted; None means all of them.
    """
    found = RunValues()
    for run_id, key, value, is_nan, step, at in _labels(
        db, METRICS, "v.value, v.is_nan, v.step, v.timestamp_ms", run_ids, metrics
    ):
        latest = LatestValue(None if is_nan else value, step, at)
        found.metrics.setdefault(run_id, {})[key] = latest
    for run_id, key, value in _labels(db, PARAMS, "v.value", run_ids, params):
        found.params.setdefault(run_id, {})[key] = value
    for run_id, key, value in _labels(db, TAGS, "v.value", run_ids, tags):
        found.tags.setdefault(run_id, {})[key] = value
    return found


def _used(db: Database, table: str, run_ids: list[int]) -> list[KeyUse]:
    if not run_ids:
        return []
    runs = in_list(db.dialect, "v.run_id", run_ids)
    rows = db.rows(
        "SELECT k.name, n FROM (SELECT c.key_id, COUNT(*) AS n FROM"
        f" (SELECT v.key_id FROM {table} v WHERE {runs.sql} LIMIT ?) c"
        " GROUP BY c.key_id ORDER BY COUNT(*) DESC LIMIT ?) u"
        " JOIN experiments_key k ON k.id = u.key_id",
        [*runs.params, MAX_COUNTED_ROWS, MAX_KEYS],
    )
    return sorted((KeyUse(*row) for row in rows), key=lambda use: (-use.n_runs, use.name))


def _labels(
    db: Database, table: str, columns: str, run_ids: Sequence[int], keys: Sequence[str] | None
) -> list[tuple[Any, ...]]:
    if not run_ids:
        return []
    if keys is not None:
        return _chosen_labels(db, table, columns, run_ids, key_numbers(db, keys))
    runs = in_list(db.dialect, "v.run_id", run_ids)
    return db.rows(
        f"SELECT v.run_id, k.name, {columns} FROM {table} v"
        f" JOIN experiments_key k ON k.id = v.key_id WHERE {runs.sql}",
        runs.params,
    )


def _chosen_labels(
    db: Database, table: str, columns: str, run_ids: Sequence[int], numbers: dict[str, int]
) -> list[tuple[Any, ...]]:
    """Return the labels with these keys; each is looked up by (run, key).

    From two lists SQLite would read all labels of each run, 5,000 of them in the worst case.
    """
    if not numbers:
        return []
    names = {number: name for name, number in numbers.items()}
    if db.dialect == SQLITE:
        rows = db.rows(
            f"SELECT v.run_id, v.key_id, {columns} FROM json_each(?) a CROSS JOIN json_each(?) b"
            f" CROSS JOIN {table} v ON v.run_id = a.value AND v.key_id = b.value",
            (json.dumps(list(run_ids)), json.dumps(list(names))),
        )
    else:
        rows = db.rows(
            f"SELECT v.run_id, v.key_id, {columns} FROM {table} v"
            " WHERE v.run_id = ANY(?) AND v.key_id = ANY(?)",
            (list(run_ids), list(names)),
        )
    return [(run_id, names[key_id], *values) for run_id, key_id, *values in rows]
