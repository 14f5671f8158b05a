"""Points stored as they are, whatever state their run is in: for imports, not for clients."""

from collections.abc import Sequence

from django.db.models import F

from experiments.models import MetricTail, Run
from experiments.tracking.codec import digest_of, keyed_columns, pack_tail
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.keys import key_ids
from experiments.tracking.operations import Point


def store_points(run_id: int, points: Sequence[Point]) -> None:
    """Add the points and fold them, inside the caller's (Django's) transaction; tell nobody.

    A client could not write to a deleted run, and its write would count as a sign of life.
    """
    ids = key_ids(key for key, *_ in points)
    data = pack_tail(keyed_columns((ids[key], step, at, value) for key, step, at, value in points))
    MetricTail.objects.bulk_create(
        [MetricTail(run_id=run_id, digest=digest_of(data), n_points=len(points), data=data)],
        ignore_conflicts=True,
    )
    Run.objects.filter(pk=run_id).update(
        version=F("version") + 1, dirty=F("dirty").bitor(Run.Dirty.METRICS)
    )
    fold(Database.of_django(), [run_id], tell=False)
