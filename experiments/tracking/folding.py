"""Folding: what writes only noted is brought up to date, and followers are told.

A write marks its run dirty and appends; the fold finds the newest point of each metric, which
searches need, and publishes what changed. Whoever needs folded data folds first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from experiments.events.runs import (
    RunLabelled,
    RunsChanged,
    RunStatusChanged,
    metric_events,
    project_topic,
    run_topic,
)
from experiments.models.runs import Run, moment_of
from experiments.tracking.codec import KeyedColumns, unpack_tail
from experiments.tracking.database import Database
from experiments.tracking.newest import newest_of
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunRow
from platform_site.core.clock import now_ms
from platform_site.core.json_parser import finite
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import LiveEvent, publish_many
from platform_site.jobs import states

METRICS: Final = int(Run.Dirty.METRICS)
LABELS: Final = int(Run.Dirty.LABELS)
# More points of one run than this are not sent: the page reads the series anew.
MAX_TOLD_POINTS: Final = 2_000
MAX_NAMED_RUNS: Final = 200
LEFT_OVER_MS: Final = 30_000
MAX_RUNS: Final = 500

FIND_RUNS: Final = (
    f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.id IN (??) AND r.dirty > 0 ORDER BY r.id"  # noqa: S608  # our own text
)
FIND_TAILS: Final = (
    "SELECT t.run_id, t.id, t.data FROM experiments_run r JOIN experiments_metrictail t "
    "ON t.run_id = r.id AND t.id > r.folded_tail WHERE r.id IN (??) ORDER BY t.run_id, t.id"
)
UPSERT: Final = (
    "ON CONFLICT (run_id, key_id) DO UPDATE SET step = excluded.step, timestamp_ms = "
    "excluded.timestamp_ms, value = excluded.value, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp_ms, excluded.value, excluded.is_nan) > "
    "(experiments_latestmetric.step, experiments_latestmetric.timestamp_ms, "
    "experiments_latestmetric.value, experiments_latestmetric.is_nan)"
)
INSERT_LATEST: Final = (
    "INSERT INTO experiments_latestmetric (run_id, key_id, step, timestamp_ms, value, is_nan)"
)


@dataclass(slots=True)
class _Fold:
    """A dirty run with the part of its tail that was not folded yet."""

    row: RunRow
    tails: list[KeyedColumns] = field(default_factory=list)
    last_tail: int = 0

    @property
    def n_points(self) -> int:
        return sum(len(tail) for tail in self.tails)


def fold(db: Database, run_ids: Iterable[int], *, tell: bool = True) -> None:
    """Fold those of the runs that are dirty, inside the caller's (Django's) transaction.

    Args:
        db: Django's connection.
        run_ids: the runs.
        tell: whether to publish; not for what the caller publishes itself.
    """
    folds = _load(db, run_ids)
    if not folds:
        return
    latest = [
        (one.row.id, key_id, *newest)
        for one in folds
        for key_id, newest in sorted(newest_of(one.tails).items())
    ]
    db.insert(INSERT_LATEST, "(?, ?, ?, ?, ?, ?)", UPSERT, latest)
    idle = [one.row.id for one in folds if not one.tails]
    db.execute_in("UPDATE experiments_run SET dirty = 0 WHERE id IN (??)", (), idle)
    for one in folds:
        if one.tails:
            db.execute(
                "UPDATE experiments_run SET dirty = 0, folded_tail = ?, "
                "tail_points = tail_points + ? WHERE id = ?",
                (one.last_tail, one.n_points, one.row.id),
            )
    if tell:
        publish_many(_events(db, folds))


def fold_dirty(*, limit: int, left_over: bool = False) -> int:
    """Fold dirty runs in one transaction of its own; return how many there were.

    Args:
        limit: at most so many.
        left_over: only those that nobody has written to for a while, whoever was to fold them.
    """
    db = Database.of_django()
    heard = "AND (heard_ms IS NULL OR heard_ms < ?) " if left_over else ""
    params = [now_ms() - LEFT_OVER_MS] if left_over else []
    dirty = f"SELECT id FROM experiments_run WHERE dirty > 0 {heard}ORDER BY id LIMIT ?"  # noqa: S608
    if not db.rows(dirty, [*params, 1]):
        return 0
    # On PostgreSQL two processes share the work instead of waiting for each other.
    lock = " FOR NO KEY UPDATE SKIP LOCKED" if db.dialect == "postgresql" else ""
    with write_transaction():
        found = [run_id for (run_id,) in db.rows(dirty + lock, [*params, limit])]
        fold(db, found)
    return len(found)


def fold_left_over() -> None:
    """Fold what a process left behind that ended or crashed; a chore."""
    while fold_dirty(limit=MAX_RUNS, left_over=True) == MAX_RUNS:
        pass


def _load(db: Database, run_ids: Iterable[int]) -> list[_Fold]:
    lock = " FOR NO KEY UPDATE OF r" if db.dialect == "postgresql" else ""
    rows = [RunRow._make(row) for row in db.rows_in(FIND_RUNS + lock, sorted(set(run_ids)))]
    folds = {row.id: _Fold(row) for row in rows}
    with_points = [row.id for row in rows if row.dirty & METRICS]
    for run_id, tail_id, data in db.rows_in(FIND_TAILS, with_points):
        folds[run_id].tails.append(unpack_tail(data))
        folds[run_id].last_tail = tail_id
    return list(folds.values())


def _events(db: Database, folds: Sequence[_Fold]) -> list[tuple[str, LiveEvent]]:
    names = _names(db, folds)
    events: list[tuple[str, LiveEvent]] = []
    by_project: dict[int, list[str]] = {}
    for one in folds:
        topic = run_topic(one.row.uuid)
        by_project.setdefault(one.row.project_id, []).append(one.row.uuid)
        events += [(topic, event) for event in _metric_events(one, names)]
        # Of its making the project hears; whoever opened the run since then has read it.
        if one.row.dirty & LABELS:
            events.append((topic, RunLabelled(name=one.row.name, version=one.row.version)))
            if one.row.kind == Run.Kind.TRACKED:
                events.append((topic, status_of(one.row)))
    for project_id, uuids in by_project.items():
        named = uuids if len(uuids) <= MAX_NAMED_RUNS else []
        events.append((project_topic(project_id), RunsChanged(runs=named, n_runs=len(uuids))))
    return events


def _metric_events(one: _Fold, names: dict[int, str]) -> Sequence[LiveEvent]:
    series: dict[str, list[tuple[int, float | None]]] = {}
    thinned = one.n_points > MAX_TOLD_POINTS
    if thinned:
        newest = sorted(newest_of(one.tails).items())[:MAX_TOLD_POINTS]
        for key_id, (step, _, value, is_nan) in newest:
            series[names[key_id]] = [(step, None if is_nan else value)]
    else:
        for tail in one.tails:
            for key_id, step, value in zip(tail.key_ids, tail.steps, tail.values, strict=True):
                series.setdefault(names[key_id], []).append((step, finite(value)))
    return metric_events(series, thinned=thinned)


def _names(db: Database, folds: Sequence[_Fold]) -> dict[int, str]:
    wanted = {key_id for one in folds for tail in one.tails for key_id in set(tail.key_ids)}
    return dict(db.rows_in("SELECT id, name FROM experiments_key WHERE id IN (??)", sorted(wanted)))


def status_of(row: RunRow) -> RunStatusChanged:
    """Return what followers of a client's run hear about its state."""
    return RunStatusChanged(
        status=row.status,
        stage="",
        progress=100.0 if row.status == states.COMPLETED else 0.0,
        attempt=1,
        error_code="",
        error_message="",
        started_at=_iso(moment_of(row.start_ms)),
        ended_at=_iso(moment_of(row.end_ms)),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
