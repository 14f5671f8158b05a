"""Metric points that our own jobs log, inside their transactions."""

from collections.abc import Iterable
from typing import Final

from experiments.models import Key, MetricBlock, MetricTail
from experiments.tracking.codec import Columns, unpack_block, unpack_tail
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.operations import LogBatch, Point
from experiments.tracking.writer import write_group
from platform_site.accounts.callers import Caller
from platform_site.core.errors import DomainError

OURSELVES: Final = Caller(user_id=0, username="", is_superuser=True)


def append_points(run_id: int, points: Iterable[Point]) -> None:
    """Add the points to the run and fold them, inside the caller's (Django's) transaction.

    Followers are not told: the caller publishes what it logs.

    Raises:
        DomainError: when the run is gone or deleted.
    """
    metrics = list(points)
    if not metrics:
        return
    db = Database.of_django()
    rows = db.rows("SELECT uuid, dirty FROM experiments_run WHERE id = ?", (run_id,))
    for uuid, dirty in rows:
        if dirty:
            # What clients did to the same run is told as ever.
            fold(db, [run_id])
        (refusal,) = write_group(db, [LogBatch(uuid, OURSELVES, metrics=metrics)])
        if isinstance(refusal, DomainError):
            raise refusal
        fold(db, [run_id], tell=False)


def series_of(run_id: int) -> dict[str, Columns]:
    """Return every metric's points, each once, ordered by (time, step, value)."""
    found: dict[int, set[tuple[int, int, float]]] = {}
    # The tail first: what is compacted meanwhile is then met twice, not missed.
    for (data,) in MetricTail.objects.filter(run_id=run_id).order_by("id").values_list("data"):
        tail = unpack_tail(data)
        for key_id, step, at, value in zip(
            tail.key_ids, tail.steps, tail.times_ms, tail.values, strict=True
        ):
            found.setdefault(key_id, set()).add((at, step, value))
    for key_id, data in MetricBlock.objects.filter(run_id=run_id).values_list("key_id", "data"):
        block = unpack_block(data)
        found.setdefault(key_id, set()).update(
            zip(block.times_ms, block.steps, block.values, strict=True)
        )
    names = dict(Key.objects.filter(id__in=found).values_list("id", "name"))
    series: dict[str, Columns] = {}
    for key_id, points in found.items():
        columns = Columns()
        for at, step, value in sorted(points):
            columns.steps.append(step)
            columns.times_ms.append(at)
            columns.values.append(value)
        series[names[key_id]] = columns
    return series
