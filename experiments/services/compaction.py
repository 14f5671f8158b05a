"""Putting the compaction of metric points in line when it is worth it."""

from typing import Final

from experiments.tracking.compacting import due_runs
from experiments.tracking.database import Database
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue

COMPACT: Final = "tracking.compact"


def compact_when_due() -> bool:
    """Put one job in line unless there is one or nothing is due; return whether. A chore."""
    if not due_runs(Database.of_django(), 1):
        return False
    with write_transaction():
        if Job.objects.filter(kind=COMPACT, status__in=states.ACTIVE).exists():
            return False
        enqueue(COMPACT, payload={}, topic="", project_id=None, by=None)
    return True
