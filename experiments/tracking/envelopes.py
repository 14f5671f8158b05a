"""Curves for charts: least, greatest and newest value per bucket, from block heads where they do."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from math import isnan
from operator import gt
from typing import Literal, NamedTuple

from experiments.tracking.codec import Columns
from experiments.tracking.database import Database
from experiments.tracking.history import key_number
from experiments.tracking.series import (
    Head,
    Member,
    columns_of,
    in_order,
    members_of,
    read_blocks,
    read_heads,
    read_tail,
)

By = Literal["step", "time"]


class Bucket(NamedTuple):
    """A part of a curve; the values are of its numbers, None when it has none."""

    x: int
    least: float | None
    greatest: float | None
    newest: float | None
    n_points: int


@dataclass(slots=True)
class _Sum:
    """A bucket while stretches of points are added."""

    x: int
    n_points: int = 0
    least: float | None = None
    greatest: float | None = None
    newest: float | None = None
    newest_ms: int = 0

    def count(self, x: int, n_points: int) -> None:
        self.x = max(self.x, x)
        self.n_points += n_points

    def add(self, least: float, greatest: float, newest: float, newest_ms: int) -> None:
        self.least = least if self.least is None else min(self.least, least)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
        if self.newest is None or newest_ms >= self.newest_ms:
            self.newest, self.newest_ms = newest, newest_ms


@dataclass(slots=True)
class _Axis:
    """Which bucket a place belongs to."""

    by: By
    low: int
    high: int
    n_buckets: int

    def bucket(self, x: int) -> int:
        return (x - self.low) * self.n_buckets // (self.high - self.low + 1)

    def end_of(self, bucket: int) -> int:
        """Return the first place behind the bucket."""
        return self.low - (-(bucket + 1) * (self.high - self.low + 1) // self.n_buckets)

    def xs(self, columns: Columns) -> array[int]:
        return columns.steps if self.by == "step" else columns.times_ms

    def holds(self, x: int) -> bool:
        return self.low <= x <= self.high

    def x_of(self, member: Member) -> int:
        return member[1] if self.by == "step" else member[0]

    def range_of(self, head: Head) -> tuple[int, int]:
        if self.by == "step":
            return head.first_step, head.last_step
        return head.first_ms, head.last_ms


def envelope(
    db: Database,
    run_id: int,
    key: str,
    n_buckets: int,
    first: int | None = None,
    last: int | None = None,
    by: By = "step",
) -> list[Bucket]:
    """Return the curve between two places in at most `n_buckets` pieces, in order of x.

    A block that lies within one bucket is not read: its head says all that is needed. A point
    that is in both tail and blocks may be counted twice, which changes no value.
    """
    with db.snapshot():
        key_id = key_number(db, key)
        if key_id is None:
            return []
        fresh = read_tail(db, run_id).of_key(key_id)
        heads = read_heads(db, run_id, key_id)
        axis = _axis(by, heads, fresh, n_buckets, first, last)
        if axis is None:
            return []
        whole, cut = _split(heads, axis)
        blocks = read_blocks(db, [head.id for head in cut])
    parts = [blocks[head.id] for head in cut] + [columns_of(fresh)]
    buckets = _sums(whole, parts, axis)
    if not whole and sum(bucket.n_points for bucket in buckets) <= n_buckets:
        return _alone(parts, axis)
    return buckets


def _axis(
    by: By,
    heads: list[Head],
    fresh: list[Member],
    n_buckets: int,
    first: int | None,
    last: int | None,
) -> _Axis | None:
    axis = _Axis(by, 0, 0, n_buckets)
    ends = [end for head in heads for end in axis.range_of(head)]
    ends += [axis.x_of(member) for member in fresh]
    if not ends:
        return None
    axis.low = min(ends) if first is None else max(first, min(ends))
    axis.high = max(ends) if last is None else min(last, max(ends))
    return axis if axis.low <= axis.high else None


def _split(heads: list[Head], axis: _Axis) -> tuple[list[Head], list[Head]]:
    """Return the blocks within one bucket, and those that must be read."""
    whole: list[Head] = []
    cut: list[Head] = []
    for head in heads:
        low, high = axis.range_of(head)
        if high < axis.low or low > axis.high:
            continue
        is_inside = axis.holds(low) and axis.holds(high)
        fits = is_inside and axis.bucket(low) == axis.bucket(high)
        (whole if fits else cut).append(head)
    return whole, cut


def _alone(parts: list[Columns], axis: _Axis) -> list[Bucket]:
    """Return few points as they are."""
    inside = [
        member for part in parts for member in members_of(part) if axis.holds(axis.x_of(member))
    ]
    found = []
    for member in sorted(in_order(inside), key=axis.x_of):
        value = None if isnan(member[2]) else member[2]
        found.append(Bucket(axis.x_of(member), value, value, value, 1))
    return found


def _sums(whole: list[Head], parts: list[Columns], axis: _Axis) -> list[Bucket]:
    sums: dict[int, _Sum] = {}
    for head in whole:
        low, high = axis.range_of(head)
        one = sums.setdefault(axis.bucket(low), _Sum(high))
        one.count(high, head.n_points)
        if not (head.min_value is None or head.max_value is None or head.last_value is None):
            one.add(head.min_value, head.max_value, head.last_value, head.last_ms)
    for part in parts:
        for stretch in _ascending(part, axis):
            _add_stretch(sums, stretch, axis)
    return [
        Bucket(one.x, one.least, one.greatest, one.newest, one.n_points)
        for _, one in sorted(sums.items())
    ]


def _ascending(part: Columns, axis: _Axis) -> Iterator[Columns]:
    """Yield the points in pieces along which x never falls; as a rule that is one piece."""
    xs = axis.xs(part)
    plain = xs.tolist()
    if sorted(plain) == plain:  # half the time of comparing neighbours
        yield part
        return
    start = 0
    for place in compress(range(1, len(xs)), map(gt, xs, islice(xs, 1, None))):
        yield _cut(part, start, place)
        start = place
    yield _cut(part, start, len(xs)) if start else part


def _cut(part: Columns, start: int, end: int) -> Columns:
    return Columns(part.steps[start:end], part.times_ms[start:end], part.values[start:end])


def _add_stretch(sums: dict[int, _Sum], part: Columns, axis: _Axis) -> None:
    """Add points along which x never falls, a bucket's worth at a time."""
    xs, values = axis.xs(part), part.values
    start, last = bisect_left(xs, axis.low), bisect_right(xs, axis.high)
    while start < last:
        bucket = axis.bucket(xs[start])
        end = bisect_left(xs, axis.end_of(bucket), start, last)
        one = sums.setdefault(bucket, _Sum(xs[end - 1]))
        one.count(xs[end - 1], end - start)
        numbers: Sequence[float] = values[start:end]
        if isnan(sum(numbers)):
            numbers = [value for value in numbers if not isnan(value)]
        if numbers:
            one.add(min(numbers), max(numbers), numbers[-1], part.times_ms[end - 1])
        start = end
