"""Metric points that our own jobs log, inside their transactions."""

from collections.abc import Iterable
from typing import Final

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
