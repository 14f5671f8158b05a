"""Reading packed points: tails and blocks merged into series, each point once, in order.

The order is time, step, value, with a NaN after the numbers. Blocks of a series do not overlap;
a tail may hold anything, also what the blocks hold already.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final, NamedTuple

from experiments.tracking.codec import Columns, KeyedColumns, unpack_block, unpack_tail
from experiments.tracking.database import Database

Member = tuple[int, int, float]
"""Time in ms since 1970, step, value."""
INFINITY: Final = float("inf")

FIND_TAILS: Final = "SELECT data FROM experiments_metrictail WHERE run_id = ? ORDER BY id"
FIND_HEADS: Final = (
    "SELECT id, n_points, first_ms, last_ms, first_step, last_step, min_value, max_value, "
    "last_value FROM experiments_metricblock WHERE run_id = ? AND key_id = ?"
)
FIND_BLOCKS: Final = "SELECT id, data FROM experiments_metricblock WHERE id IN (??)"


class Head(NamedTuple):
    """What the table says of a block; steps are the least and the greatest."""

    id: int
    n_points: int
    first_ms: int
    last_ms: int
    first_step: int
    last_step: int
    min_value: float | None
    max_value: float | None
    last_value: float | None

    @property
    def place(self) -> tuple[int, int, int, float]:
        """Where the block stands among the blocks of its series."""
        least = INFINITY if self.min_value is None else self.min_value
        return self.first_ms, self.last_ms, self.first_step, least


@dataclass(slots=True)
class Tail:
    """The uncompacted points of a run."""

    parts: list[KeyedColumns]

    def of_key(self, key_id: int) -> list[Member]:
        """Return the key's points, each once, in order."""
        members: list[Member] = []
        for part in self.parts:
            members += _members_of_key(part, key_id)
        return in_order(members)

    def by_key(self) -> dict[int, list[Member]]:
        """Return the points of every key, each once, in order."""
        found: dict[int, list[Member]] = {}
        for part in self.parts:
            for key_id, member in zip(part.key_ids, _members(part), strict=True):
                found.setdefault(key_id, []).append(member)
        return {key_id: in_order(members) for key_id, members in found.items()}


def _members(columns: Columns) -> Iterator[Member]:
    return zip(columns.times_ms, columns.steps, columns.values, strict=True)


def _members_of_key(part: KeyedColumns, key_id: int) -> Iterable[Member]:
    n_of_key = part.key_ids.count(key_id)
    if n_of_key == len(part):
        return _members(part)
    if n_of_key == 0:
        return ()
    return (
        member for one, member in zip(part.key_ids, _members(part), strict=True) if one == key_id
    )


def place_of(member: Member) -> tuple[int, int, bool, float]:
    """Return what orders points: a NaN follows the numbers of its time and step."""
    at_ms, step, value = member
    return (at_ms, step, True, 0.0) if isnan(value) else (at_ms, step, False, value)


def in_order(members: list[Member]) -> list[Member]:
    """Return the points in order, each once."""
    # A sum tells at once whether there is a NaN among them (or infinities cancel, as harmless).
    if isnan(sum(value for _, _, value in members)):
        places = {place_of(member): member for member in members}
        return [places[place] for place in sorted(places)]
    members.sort()
    return [
        member
        for member, before in zip(members, [None, *members], strict=False)
        if member != before
    ]


def read_tail(db: Database, run_id: int) -> Tail:
    """Return the tail of a run."""
    return Tail([unpack_tail(data) for (data,) in db.rows(FIND_TAILS, (run_id,))])


def read_heads(db: Database, run_id: int, key_id: int) -> list[Head]:
    """Return the heads of a series' blocks, in order."""
    heads = [Head._make(row) for row in db.rows(FIND_HEADS, (run_id, key_id))]
    return sorted(heads, key=lambda head: head.place)


def read_blocks(db: Database, block_ids: Sequence[int]) -> dict[int, Columns]:
    """Return the points of blocks, by the blocks' numbers."""
    return {number: unpack_block(data) for number, data in db.rows_in(FIND_BLOCKS, block_ids)}


def merged(stored: list[Member], fresh: list[Member]) -> list[Member]:
    """Return two ordered lists as one, each point once."""
    if not fresh:
        return stored
    if not stored or place_of(stored[-1]) < place_of(fresh[0]):
        return stored + fresh
    return in_order(stored + fresh)


def columns_of(members: Sequence[Member]) -> Columns:
    """Return the points as columns."""
    if not members:
        return Columns()
    times_ms, steps, values = zip(*members, strict=True)
    return Columns(array("q", steps), array("q", times_ms), array("d", values))


def members_of(columns: Columns) -> list[Member]:
    """Return the points of columns."""
    return list(_members(columns))
