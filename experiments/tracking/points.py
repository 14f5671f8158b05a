"""Metric points of a run, written and read."""

from collections.abc import Iterable

from django.db.models import F

from experiments.models import Key, MetricBlock, MetricTail, Run
from experiments.tracking.codec import (
    Columns,
    digest_of,
    keyed_columns,
    pack_tail,
    unpack_block,
    unpack_tail,
)
from experiments.tracking.keys import key_ids
from platform_site.core.clock import now_ms

Point = tuple[str, int, int, float]
"""Key, step, time in ms since 1970, value."""


def append_points(run_id: int, points: Iterable[Point]) -> None:
    """Add the points to the run's tail, inside the caller's transaction; a repeat is dropped."""
    rows = list(points)
    if not rows:
        return
    ids = key_ids(key for key, *_ in rows)
    data = pack_tail(keyed_columns((ids[key], step, at, value) for key, step, at, value in rows))
    MetricTail.objects.bulk_create(
        [MetricTail(run_id=run_id, digest=digest_of(data), n_points=len(rows), data=data)],
        ignore_conflicts=True,
    )
    Run.objects.filter(pk=run_id).update(
        version=F("version") + 1,
        tail_points=F("tail_points") + len(rows),
        dirty=F("dirty").bitor(Run.Dirty.METRICS),
        heard_ms=now_ms(),
    )


def series_of(run_id: int) -> dict[str, Columns]:
    """Return every metric's points, each once, ordered by (time, step, value)."""
    found: dict[int, set[tuple[int, int, float]]] = {}
    for key_id, data in MetricBlock.objects.filter(run_id=run_id).values_list("key_id", "data"):
        block = unpack_block(data)
        found.setdefault(key_id, set()).update(
            zip(block.times_ms, block.steps, block.values, strict=True)
        )
    for (data,) in MetricTail.objects.filter(run_id=run_id).order_by("id").values_list("data"):
        tail = unpack_tail(data)
        for key_id, step, at, value in zip(
            tail.key_ids, tail.steps, tail.times_ms, tail.values, strict=True
        ):
            found.setdefault(key_id, set()).add((at, step, value))
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
