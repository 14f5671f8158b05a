"""A metric's points: page by page, whole, or as an envelope in which no spike is lost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from experiments.tracking.codec import Columns
from experiments.tracking.database import Database
from experiments.tracking.series import (
    Head,
    Member,
    columns_of,
    members_of,
    merged,
    place_of,
    read_blocks,
    read_heads,
    read_tail,
)
from platform_site.core.errors import Invalid

FIND_KEY: Final = "SELECT id FROM experiments_key WHERE name = ?"
FIND_KEYS: Final = "SELECT name, id FROM experiments_key WHERE name IN (??)"
NAMES_OF: Final = "SELECT id, name FROM experiments_key WHERE id IN (??)"
KEYS_IN_BLOCKS: Final = "SELECT DISTINCT key_id FROM experiments_metricblock WHERE run_id = ?"


def page_of_history(
    db: Database, run_id: int, key: str, after_token: str | None, limit: int | None
) -> tuple[list[Member], str | None]:
    """Return the next points by (time, step, value), and the token of the page behind them.

    Args:
        db: a connection.
        run_id: the run's number.
        key: the metric's name; an unknown one has no points.
        after_token: what the page before returned, None for the first page.
        limit: at most so many points, None for all.

    Raises:
        Invalid: for a token that no page returned.
    """
    after = None if after_token is None else _position(after_token)
    with db.snapshot():
        rows = db.rows(FIND_KEY, (key,))
        if not rows:
            return [], None
        found = _points_after(db, run_id, rows[0][0], after, limit)
    if limit is None or len(found) <= limit:
        return found, None
    return found[:limit], _token(found[limit - 1])


def _points_after(
    db: Database, run_id: int, key_id: int, after: Member | None, limit: int | None
) -> list[Member]:
    """Return the points behind the position; at least one more than the limit, if there are."""
    fresh = read_tail(db, run_id).of_key(key_id)
    heads = read_heads(db, run_id, key_id)
    if after is not None:
        heads = [head for head in heads if head.last_ms >= after[0]]
        fresh = _behind(fresh, after)
    needed, more_follow = _needed(heads, after, limit)
    blocks = read_blocks(db, [head.id for head in needed])
    stored: list[Member] = []
    for head in needed:
        stored += members_of(blocks[head.id])
    if after is not None:
        stored = _behind(stored, after)
    if more_follow:
        # What is behind the blocks that were read must wait for the blocks between.
        fresh = fresh[: bisect_right(fresh, place_of(stored[-1]), key=place_of)]
    return merged(stored, fresh)


def _needed(heads: list[Head], after: Member | None, limit: int | None) -> tuple[list[Head], bool]:
    """Return the first blocks that fill a page, and whether there are blocks behind them."""
    if limit is None:
        return heads, False
    n_points = 0
    for number, head in enumerate(heads, start=1):
        # Points of blocks that reach back to the position may lie before it.
        if after is None or head.first_ms > after[0]:
            n_points += head.n_points
        if n_points > limit:
            return heads[:number], number < len(heads)
    return heads, False


def _behind(members: list[Member], after: Member) -> list[Member]:
    return members[bisect_right(members, place_of(after), key=place_of) :]


def _token(member: Member) -> str:
    at_ms, step, value = member
    return f"{at_ms}_{step}_{value.hex()}"


def _position(token: str) -> Member:
    try:
        at_ms, step, value = token.split("_")
        return int(at_ms), int(step), float.fromhex(value)
    except (ValueError, OverflowError) as error:
        raise Invalid("Invalid page token.", field="page_token") from error


def series(db: Database, run_id: int, keys: Iterable[str] | None = None) -> dict[str, Columns]:
    """Return the whole series of these metrics, or of all; each point once, in order.

    Metrics without points are left out.
    """
    with db.snapshot():
        fresh = read_tail(db, run_id).by_key()
        names = _names(db, run_id, keys, fresh)
        found: dict[str, Columns] = {}
        for key_id, name in sorted(names.items(), key=lambda pair: pair[1]):
            members = _series_of_key(db, run_id, key_id, fresh.get(key_id, []))
            if members:
                found[name] = columns_of(members)
    return found


def _series_of_key(db: Database, run_id: int, key_id: int, fresh: list[Member]) -> list[Member]:
    heads = read_heads(db, run_id, key_id)
    blocks = read_blocks(db, [head.id for head in heads])
    stored = [member for head in heads for member in members_of(blocks[head.id])]
    return merged(stored, fresh)


def _names(
    db: Database, run_id: int, keys: Iterable[str] | None, fresh: dict[int, list[Member]]
) -> dict[int, str]:
    if keys is not None:
        return {number: name for name, number in db.rows_in(FIND_KEYS, set(keys))}
    key_ids = {*fresh, *(key_id for (key_id,) in db.rows(KEYS_IN_BLOCKS, (run_id,)))}
    return dict(db.rows_in(NAMES_OF, key_ids))


def key_number(db: Database, key: str) -> int | None:
    """Return the number of a metric's name, None when nobody ever logged it."""
    rows: Sequence[tuple[int]] = db.rows(FIND_KEY, (key,))
    return rows[0][0] if rows else None
