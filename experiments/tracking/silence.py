"""Runs of clients that fell silent: they count as lost until they speak again."""

from typing import Final

from django.conf import settings

from experiments.models.runs import Run
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from platform_site.core.clock import now_ms
from platform_site.core.transactions import write_transaction

HEARTBEAT_TAG: Final = "assay.heartbeat_s"
# How often a run's last sign of life is noted sets what can be promised.
SHORTEST_S: Final = 30.0
LONGEST_S: Final = 400 * 24 * 3600.0
MAX_RUNS: Final = 500
LABELS: Final = int(Run.Dirty.LABELS)

RUNNING: Final = "r.kind = 'tracked' AND r.status = 'running' AND r.lifecycle = 'active'"
FIND_SILENT: Final = f"SELECT r.id, r.heard_ms FROM experiments_run r WHERE {RUNNING} AND r.heard_ms < ? ORDER BY r.heard_ms LIMIT ?"  # noqa: S608  # our own text
FIND_AGREED: Final = f"SELECT r.id, r.heard_ms, t.value FROM experiments_run r JOIN experiments_runtag t ON t.run_id = r.id JOIN experiments_key k ON k.id = t.key_id WHERE k.name = ? AND {RUNNING}"  # noqa: S608  # our own text
SET_LOST: Final = (
    "UPDATE experiments_run SET status = 'lost', version = version + 1, dirty = dirty | ? "
    "WHERE kind = 'tracked' AND status = 'running' AND heard_ms <= ? AND id = ?"
)


def note_lost_runs() -> int:
    """Set runs to lost that nobody heard of for too long; return how many. A chore.

    `RUN_SILENCE_S` says how long, unless the run's tag `assay.heartbeat_s` does.
    """
    db = Database.of_django()
    lost = _silent(db, now_ms())
    if not lost:
        return 0
    with write_transaction():
        changed = [
            run_id
            for run_id, heard_ms in sorted(lost.items())
            if db.execute(SET_LOST, (LABELS, heard_ms, run_id))
        ]
        fold(db, changed)
    return len(changed)


def _silent(db: Database, at_ms: int) -> dict[int, int]:
    """Return when the runs were heard that are silent for too long."""
    agreed = {
        run_id: (heard_ms, allowed_s)
        for run_id, heard_ms, text in db.rows(FIND_AGREED, (HEARTBEAT_TAG,))
        if heard_ms is not None and (allowed_s := _seconds(text)) is not None
    }
    limit_ms = at_ms - settings.RUN_SILENCE_S * 1000
    # Runs that asked for more time must not hide the others.
    rows = db.rows(FIND_SILENT, (limit_ms, MAX_RUNS + len(agreed)))
    silent = {run_id: heard_ms for run_id, heard_ms in rows if run_id not in agreed}
    for run_id, (heard_ms, allowed_s) in agreed.items():
        if heard_ms < at_ms - allowed_s * 1000:
            silent[run_id] = heard_ms
    return silent


def _seconds(text: str) -> float | None:
    try:
        allowed_s = float(text)
    except ValueError:
        return None
    # A NaN fails the comparison.
    return min(max(allowed_s, SHORTEST_S), LONGEST_S) if allowed_s > 0 else None
