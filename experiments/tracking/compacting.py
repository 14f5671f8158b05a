"""The rows that compaction reads and replaces; what lies between is numpy's, in a job."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from experiments.tracking.database import Database
from experiments.tracking.series import Head, read_heads
from platform_site.core.errors import Conflict
from platform_site.jobs import states

# A run that goes on is worth it at this many points, one that has ended much earlier.
DUE_POINTS: Final = 32_768
ENDED_DUE_POINTS: Final = 2_048
MAX_SLICE_ROWS: Final = 10_000
# What one transaction moves; others wait for it on SQLite.
MAX_SLICE_POINTS: Final = 65_536

# The condition of the index, spelled out, lets SQLite use it.
FIND_DUE: Final = (
    "SELECT id FROM experiments_run WHERE tail_points > 0 AND tail_points >= ? "
    "ORDER BY tail_points DESC LIMIT ?"
)
FIND_ENDED: Final = (
    "SELECT id FROM experiments_run WHERE tail_points > 0 AND tail_points >= ? "
    "AND status IN (?, ?, ?, ?) LIMIT ?"
)
FIND_TAILS: Final = (
    "SELECT t.id, t.n_points, t.data FROM experiments_run r JOIN experiments_metrictail t "
    "ON t.run_id = r.id AND t.id <= r.folded_tail WHERE r.id = ? ORDER BY t.id LIMIT ?"
)
DELETE_TAILS: Final = "DELETE FROM experiments_metrictail WHERE run_id = ? AND id >= ? AND id <= ?"
LOWER: Final = (
    "UPDATE experiments_run SET tail_points = "
    "CASE WHEN tail_points > ? THEN tail_points - ? ELSE 0 END WHERE id = ?"
)
INSERT_BLOCK: Final = (
    "INSERT INTO experiments_metricblock (run_id, key_id, n_points, first_ms, last_ms, "
    "first_step, last_step, min_value, max_value, last_value, data)"
)
BLOCK_VALUES: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Slice(NamedTuple):
    """The oldest folded rows of a run's tail."""

    first_id: int
    last_id: int
    n_points: int
    rows: list[bytes]


def due_runs(db: Database, limit: int) -> list[int]:
    """Return runs that are worth compacting, those with the longest tails first."""
    rows = db.rows(FIND_DUE, (DUE_POINTS, limit))
    rows += db.rows(FIND_ENDED, (ENDED_DUE_POINTS, *sorted(states.FINAL), limit))
    return list(dict.fromkeys(run_id for (run_id,) in rows))


def read_slice(db: Database, run_id: int) -> Slice | None:
    """Return the next rows to compact, None when all that is folded is compacted."""
    found = db.rows(FIND_TAILS, (run_id, MAX_SLICE_ROWS))
    if not found:
        return None
    rows: list[bytes] = []
    n_points = 0
    last_id = found[0][0]
    for tail_id, n_of_row, data in found:
        if rows and n_points + n_of_row > MAX_SLICE_POINTS:
            break
        rows.append(bytes(data))
        n_points += n_of_row
        last_id = tail_id
    return Slice(found[0][0], last_id, n_points, rows)


def heads_of(db: Database, run_id: int, key_id: int) -> list[Head]:
    """Return the heads of a series' blocks, in order."""
    return read_heads(db, run_id, key_id)


def block_data(db: Database, block_ids: Sequence[int]) -> dict[int, bytes]:
    """Return the bytes of blocks, by the blocks' numbers."""
    sql = "SELECT id, data FROM experiments_metricblock WHERE id IN (??)"
    return {number: bytes(data) for number, data in db.rows_in(sql, block_ids)}


def replace_rows(
    db: Database,
    run_id: int,
    taken: Slice,
    old_blocks: Sequence[int],
    new_blocks: Sequence[tuple[int, Sequence[Any]]],
) -> None:
    """Put new blocks in the place of a slice and of old blocks, inside the caller's transaction.

    Args:
        db: Django's connection.
        run_id: the run.
        taken: the slice.
        old_blocks: numbers of the blocks that are in the new ones.
        new_blocks: key number and columns of each.

    Raises:
        Conflict: when somebody else has replaced some of it; nothing may be committed then.
    """
    # The run first, as writers do.
    if db.dialect == "postgresql":
        db.rows("SELECT id FROM experiments_run WHERE id = ? FOR NO KEY UPDATE", (run_id,))
    n_tails = db.execute(DELETE_TAILS, (run_id, taken.first_id, taken.last_id))
    delete_blocks = "DELETE FROM experiments_metricblock WHERE id IN (??)"
    n_blocks = db.execute_in(delete_blocks, (), old_blocks)
    if n_tails != len(taken.rows) or n_blocks != len(old_blocks):
        raise Conflict("The run's points were compacted by somebody else meanwhile.")
    rows = [(run_id, key_id, *columns) for key_id, columns in new_blocks]
    db.insert(INSERT_BLOCK, BLOCK_VALUES, "", rows)
    db.execute(LOWER, (taken.n_points, taken.n_points, run_id))


def forget_tail(db: Database, run_id: int) -> None:
    """Say that a run has no folded tail left."""
    db.execute("UPDATE experiments_run SET tail_points = 0 WHERE id = ?", (run_id,))
