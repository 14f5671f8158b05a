"""Notices a queue cluster that is alive but takes no work, and asks for a fresh one.

django-q2 can wedge for good when one of its idle workers is killed: it dies holding the
lock of the in-process queue. Nothing but a restart of the whole cluster cures that.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from platform_site.core.clock import now
from platform_site.jobs import states
from platform_site.jobs.claims import host_name, training_slots
from platform_site.jobs.models import Job

logger = logging.getLogger("assay.watchdog")

PATIENCE_S = 15.0
PATIENCE_BESIDE_WORK_S = 60.0
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 600.0
HEARTBEAT_IS_FRESH = timedelta(seconds=15)


@dataclass(frozen=True)
class Waiting:
    """A job that a free worker of this machine should have taken, and what runs meanwhile."""

    job_id: int
    queued_at: datetime
    running_ids: tuple[int, ...]


def look_for_waiting() -> Waiting | None:
    """Return the next job in line if a worker is free for it; two short queries.

    A moment of this is normal (a worker between two jobs); the same answer for long is not.
    """
    running = Job.objects.filter(
        status__in=states.ON_A_WORKER,
        heartbeat_at__gte=now() - HEARTBEAT_IS_FRESH,
        worker__startswith=f"{host_name()}:",
    ).order_by("id")
    rows = list(running.values_list("id", "queue"))
    if len(rows) >= settings.WORKERS:
        return None
    queues = _own_queues()
    if sum(queue == Job.Queue.TRAIN for _, queue in rows) >= training_slots():
        queues.discard(Job.Queue.TRAIN)
    next_in_line = (
        Job.objects.filter(status=states.QUEUED, queue__in=queues)
        .order_by("-priority", "id")
        .values_list("id", "queued_at")
        .first()
    )
    if next_in_line is None:
        return None
    return Waiting(*next_in_line, running_ids=tuple(number for number, _ in rows))


def _own_queues() -> set[str]:
    """Return the queues that this machine's cluster works on."""
    if not settings.TRAIN_CLUSTER:
        return {Job.Queue.TRAIN, Job.Queue.DEFAULT}
    trains = settings.Q_CLUSTER["name"] == settings.TRAIN_CLUSTER
    return {Job.Queue.TRAIN if trains else Job.Queue.DEFAULT}


class ClusterWatchdog:
    """Asks for a fresh cluster when the same job waits beside a free worker and nothing moves.

    A restart costs running jobs a step back to their checkpoint, so beside work the patience
    is a minute, otherwise 15 s. After asking it waits, twice as long each time in a row, so
    that a job that can never start does not keep restarting the others' workers.
    """

    def __init__(self, *, renew: Callable[[], object]) -> None:
        self._renew = renew
        self._pause_s = FIRST_PAUSE_S
        self._seen: Waiting | None = None
        self._since_s = time.monotonic()
        self._not_before_s = 0.0

    def look(self) -> bool:
        """Look once; return whether a fresh cluster was asked for."""
        moment_s = time.monotonic()
        waiting = look_for_waiting()
        if waiting is None:
            self._pause_s = FIRST_PAUSE_S
        if waiting != self._seen:
            self._seen, self._since_s = waiting, moment_s
        if waiting is None or moment_s < self._not_before_s:
            return False
        patience_s = PATIENCE_BESIDE_WORK_S if waiting.running_ids else PATIENCE_S
        if moment_s - self._since_s < patience_s:
            return False
        logger.warning("job %s waits although a worker is free", waiting.job_id)
        self._not_before_s = moment_s + self._pause_s
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        self._renew()
        return True
