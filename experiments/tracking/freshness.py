"""Folding before a read that needs the newest points of many runs in the tables."""

from collections.abc import Sequence
from typing import Final

from experiments.models.runs import Run
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.group_commit import writer
from platform_site.core.transactions import in_transaction, write_transaction

METRICS: Final = int(Run.Dirty.METRICS)
DIRTY_OF: Final = {
    "id": "SELECT id, dirty FROM experiments_run WHERE id IN (??) AND dirty > 0",
    "experiment_id": (
        "SELECT id, dirty FROM experiments_run WHERE experiment_id IN (??) AND dirty > 0"
    ),
}


def ensure_folded(
    db: Database, *, run_ids: Sequence[int] = (), experiment_ids: Sequence[int] = ()
) -> None:
    """Make sure that the newest points of these runs can be read; waits for a fold if need be.

    Call it from a thread, never on the event loop.
    """
    waiting: set[int] = set()
    for column, values in (("id", run_ids), ("experiment_id", experiment_ids)):
        rows = db.rows_in(DIRTY_OF[column], values)
        waiting.update(run_id for (run_id, dirty) in rows if dirty & METRICS)
    if waiting:
        writer.run(lambda: fold_now(sorted(waiting)))


def fold_now(run_ids: Sequence[int]) -> None:
    """Fold these runs at once; in the writer's thread, or in the caller's transaction."""
    if in_transaction():
        fold(Database.of_django(), run_ids)
        return
    with write_transaction():
        fold(Database.of_django(), run_ids)
