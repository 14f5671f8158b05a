"""Metric points of a run brought here, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db.models import F

from experiments.importing.records import Point, RunRecord, Source
from experiments.importing.tallies import Tally
from experiments.importing.texts import portions
from experiments.models import MetricTail, Run
from experiments.selectors.stored_points import points_by_key
from experiments.tracking.codec import digest_of, keyed_columns, pack_tail
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.keys import key_ids
from platform_site.core.transactions import write_transaction

POINTS_AT_ONCE: Final = 5000


def points_of(run: Run) -> Iterator[Point]:
    """Yield every point that we have of a run, each once."""
    for key, members in points_by_key(run.pk):
        for at, step, value in members:
            yield key, step, at, value


def tally_of_run(run: Run | None) -> Tally:
    """Return the tally of the points that we have."""
    tally = Tally()
    if run is not None:
        tally.add_points(points_of(run))
    return tally


def tally_of_source(source: Source, record: RunRecord) -> Tally:
    """Return the tally of the points that the source has."""
    tally = Tally()
    for portion in source.points(record):
        tally.add_points(portion)
    return tally


def bring_all(source: Source, record: RunRecord, run: Run) -> Tally:
    """Write the points of a run that has none yet; return the tally of what was read."""
    tally = Tally()
    for portion in source.points(record):
        tally.add_points(portion)
        _append(run, portion)
    return tally


def bring_missing(source: Source, record: RunRecord, run: Run) -> int:
    """Write the points that are not here yet, after an import that was cut off."""
    have = {_identity(point) for point in points_of(run)}
    missing = (
        point
        for portion in source.points(record)
        for point in portion
        if _identity(point) not in have
    )
    added = 0
    for portion in portions(missing, POINTS_AT_ONCE):
        _append(run, portion)
        added += len(portion)
    return added


def _append(run: Run, points: list[Point]) -> None:
    """Add points as they are: a client could not write to a deleted run, an import must."""
    with write_transaction():
        ids = key_ids(key for key, *_ in points)
        data = pack_tail(
            keyed_columns((ids[key], step, at, value) for key, step, at, value in points)
        )
        MetricTail.objects.bulk_create(
            [MetricTail(run=run, digest=digest_of(data), n_points=len(points), data=data)],
            ignore_conflicts=True,
        )
        Run.objects.filter(pk=run.pk).update(
            version=F("version") + 1, dirty=F("dirty").bitor(Run.Dirty.METRICS)
        )
        fold(Database.of_django(), [run.pk], tell=False)


def _identity(point: Point) -> tuple[str, int, int, str]:
    return (*point[:3], repr(point[3]))
