"""Curves for charts: least, greatest and newest value per bucket, from block heads where they do."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Literal, NamedTuple

from experiments.tracking.database import Database
from experiments.tracking.history import key_number
from experiments.tracking.series import (
    Head,
    Member,
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
    """A bucket while points and blocks are added, in order of time."""

    x: int
    n_points: int = 0
    least: float | None = None
    greatest: float | None = None
    newest: float | None = None

    def add(self, x: int, least: float, greatest: float, newest: float, n_points: int) -> None:
        self.x = max(self.x, x) if self.n_points else x
        self.n_points += n_points
        self.least = least if self.least is None else min(self.least, least)
        self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
        self.newest = newest

    def add_empty(self, x: int, n_points: int) -> None:
        self.x = max(self.x, x) if self.n_points else x
        self.n_points += n_points


@dataclass(slots=True)
class _Axis:
    """Which bucket a place belongs to."""

    by: By
    low: int
    high: int
    n_buckets: int

    def bucket(self, x: int) -> int:
        return (x - self.low) * self.n_buckets // (self.high - self.low + 1)

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
    members = [member for head in cut for member in members_of(blocks[head.id])]
    inside = [member for member in in_order(members + fresh) if axis.holds(axis.x_of(member))]
    if not whole and len(inside) <= n_buckets:
        return _alone(inside, axis)
    return _sums(whole, inside, axis)


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


def _alone(members: list[Member], axis: _Axis) -> list[Bucket]:
    """Return few points as they are."""
    found = []
    for member in sorted(members, key=axis.x_of):
        value = None if isnan(member[2]) else member[2]
        found.append(Bucket(axis.x_of(member), value, value, value, 1))
    return found


def _sums(whole: list[Head], members: list[Member], axis: _Axis) -> list[Bucket]:
    sums: dict[int, _Sum] = {}
    parts: list[Head | Member] = [*whole, *members]
    # By time, so that the newest value of a bucket comes last.
    parts.sort(key=lambda part: part.last_ms if isinstance(part, Head) else part[0])
    for part in parts:
        if isinstance(part, Head):
            _add_head(sums, part, axis)
        else:
            _add_member(sums, part, axis)
    return [
        Bucket(one.x, one.least, one.greatest, one.newest, one.n_points)
        for _, one in sorted(sums.items())
    ]


def _add_head(sums: dict[int, _Sum], head: Head, axis: _Axis) -> None:
    low, high = axis.range_of(head)
    one = sums.setdefault(axis.bucket(low), _Sum(high))
    if head.min_value is None or head.max_value is None or head.last_value is None:
        one.add_empty(high, head.n_points)
    else:
        one.add(high, head.min_value, head.max_value, head.last_value, head.n_points)


def _add_member(sums: dict[int, _Sum], member: Member, axis: _Axis) -> None:
    x, value = axis.x_of(member), member[2]
    one = sums.setdefault(axis.bucket(x), _Sum(x))
    if isnan(value):
        one.add_empty(x, 1)
    else:
        one.add(x, value, value, value, 1)
