"""Jobs of tracking: turn what clients logged into ordered blocks; in the child process."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from experiments.points.compaction import Span, merged, plans_for, series_of_tails
from experiments.tracking import compacting
from experiments.tracking.database import Database
from platform_site.core.errors import Conflict
from platform_site.jobs.child_main import Stopped
from platform_site.jobs.context import JobContext

RUNS_AT_ONCE: Final = 100

Write = Callable[[Callable[[], Any]], Any]


def compact(context: JobContext) -> dict[str, Any]:
    """Compact runs until none is worth it."""
    n_runs = n_points = 0
    while due := compacting.due_runs(Database.of_django(), RUNS_AT_ONCE):
        for number, run_id in enumerate(due):
            if context.should_stop() is not None:
                raise Stopped
            context.report("compacting", number / len(due))
            n_points += compact_run(run_id, context.write)
            n_runs += 1
    return {"runs": n_runs, "points": n_points}


def compact_run(run_id: int, write: Write) -> int:
    """Compact what is folded of the run's tail; return how many points that was.

    Args:
        run_id: the run.
        write: runs a step in a write transaction, for example `JobContext.write`.

    Raises:
        Conflict: when somebody else compacts the same run.
    """
    db = Database.of_django()
    n_points = 0
    while (taken := compacting.read_slice(db, run_id)) is not None:
        old_blocks, new_blocks = _compacted(db, run_id, taken.rows)
        write(partial(compacting.replace_rows, db, run_id, taken, old_blocks, new_blocks))
        n_points += taken.n_points
    if n_points == 0:
        write(partial(compacting.forget_tail, db, run_id))
    return n_points


def _compacted(
    db: Database, run_id: int, rows: list[bytes]
) -> tuple[list[int], list[tuple[int, tuple[Any, ...]]]]:
    """Return the numbers of blocks to drop, and key number and columns of those to insert."""
    old_blocks: list[int] = []
    new_blocks: list[tuple[int, tuple[Any, ...]]] = []
    for key_id, points in series_of_tails(rows).items():
        heads = compacting.heads_of(db, run_id, key_id)
        spans = [Span(head.id, head.n_points, head.first_ms, head.last_ms) for head in heads]
        for plan in plans_for(points, spans):
            data = compacting.block_data(db, plan.block_numbers)
            if len(data) != len(plan.block_numbers):
                raise Conflict("The run's points were compacted by somebody else meanwhile.")
            blocks = merged(plan.points, [data[number] for number in plan.block_numbers])
            old_blocks += plan.block_numbers
            new_blocks += [(key_id, tuple(block)) for block in blocks]
    return old_blocks, new_blocks
