"""Metric points of a run brought here, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from experiments.importing.records import Point, RunRecord, Source
from experiments.importing.tallies import Tally
from experiments.importing.texts import portions
from experiments.models import Run
from experiments.selectors.stored_points import points_by_key
from experiments.tracking.verbatim import store_points
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
    with write_transaction():
        store_points(run.pk, points)


def _identity(point: Point) -> tuple[str, int, int, str]:
    return (*point[:3], repr(point[3]))
