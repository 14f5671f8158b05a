"""Every metric point of a run, for copies and comparisons; pages read parts of a history instead."""

import math
from collections.abc import Iterator

from experiments.models import Key, MetricBlock, MetricTail
from experiments.tracking.codec import Columns, unpack_block, unpack_tail

Member = tuple[int, int, float]
"""Time in ms since 1970, step, value."""


def points_by_key(run_id: int) -> Iterator[tuple[str, list[Member]]]:
    """Yield each metric with its points, each once, ordered by time, step and value.

    Holds what is not compacted yet and one metric in memory.
    """
    waiting = _waiting(run_id)
    blocks = MetricBlock.objects.filter(run_id=run_id)
    ids = {*waiting, *blocks.order_by().values_list("key_id", flat=True).distinct()}
    names = dict(Key.objects.filter(id__in=ids).values_list("id", "name"))
    for key_id, name in sorted(names.items(), key=lambda pair: pair[1]):
        members = waiting.pop(key_id, set())
        for data in blocks.filter(key_id=key_id).order_by("id").values_list("data", flat=True):
            members.update(_members(unpack_block(data)))
        yield name, sorted(members, key=_place)


def _waiting(run_id: int) -> dict[int, set[Member]]:
    found: dict[int, set[Member]] = {}
    tails = MetricTail.objects.filter(run_id=run_id).order_by("id")
    for data in tails.values_list("data", flat=True).iterator():
        tail = unpack_tail(data)
        for key_id, member in zip(tail.key_ids, _members(tail), strict=True):
            found.setdefault(key_id, set()).add(member)
    return found


def _members(columns: Columns) -> Iterator[Member]:
    for at, step, value in zip(columns.times_ms, columns.steps, columns.values, strict=True):
        # One NaN object, so that a set knows it again.
        yield at, step, (math.nan if math.isnan(value) else value)


def _place(member: Member) -> tuple[int, int, bool, float]:
    at, step, value = member
    return (at, step, True, 0.0) if math.isnan(value) else (at, step, False, value)
