"""Who holds a job: claim, lease, fence; durations are counted by the database's clock."""

import os
import socket
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from platform_site.core.clock import now
from platform_site.core.errors import Conflict
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import kinds, states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import wake_on_commit
from platform_site.jobs.transitions import changed_event, move

CLAIM_LOCK = 0x41534A42  # any number of ours: one claim at a time on PostgreSQL


def host_name() -> str:
    """Return this machine's name as jobs record it."""
    return socket.gethostname()[:80]


def worker_name() -> str:
    """Return who claims: machine and process."""
    return f"{host_name()}:{os.getpid()}"


def training_slots() -> int:
    """Return how many trainings this machine runs at once; one worker stays for short work."""
    if settings.TRAIN_CLUSTER:
        return int(settings.WORKERS)
    return max(1, int(settings.WORKERS) - 1)


def claim_next() -> Job | None:
    """Claim the most urgent queued job that this worker may run, or return None."""
    with write_transaction():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        queues = _claimable_queues()
        job = (
            Job.objects.filter(status=states.QUEUED, queue__in=queues)
            .order_by("-priority", "id")
            .first()
        )
        if job is None:
            return None
        return move(
            job,
            states.RUNNING,
            bump_fence=True,
            attempts=job.attempts + 1,
            worker=worker_name(),
            lease_until=_lease_end(),
            heartbeat_at=Now(),
            started_at=job.started_at or now(),
        )


def _claimable_queues() -> list[str]:
    cluster = settings.Q_CLUSTER["name"]
    if settings.TRAIN_CLUSTER:
        return [Job.Queue.TRAIN if cluster == settings.TRAIN_CLUSTER else Job.Queue.DEFAULT]
    training = Job.objects.filter(
        queue=Job.Queue.TRAIN,
        status__in=states.ON_A_WORKER,
        worker__startswith=f"{host_name()}:",
    ).count()
    queues = [Job.Queue.DEFAULT.value]
    return [*queues, Job.Queue.TRAIN.value] if training < training_slots() else queues


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.JOB_LEASE_S)


def renew_lease(job: Job, **measured: Any) -> str | None:
    """Prolong the lease with fresh measurements; return the job's state, None when it was lost."""
    with write_transaction():
        changed = Job.objects.filter(
            pk=job.pk, fence=job.fence, status__in=states.ON_A_WORKER
        ).update(lease_until=_lease_end(), heartbeat_at=Now(), **measured)
        if not changed:
            return None
        fresh = Job.objects.get(pk=job.pk)
        if fresh.project_id:
            publish(f"project:{fresh.project_id}", changed_event(fresh))
        on_beat = kinds.get(fresh.kind).on_beat
        if on_beat:
            kinds.resolve(on_beat)(fresh)
    return fresh.status


def read_status(job: Job) -> str | None:
    """Return the job's present state, None when somebody else holds it."""
    return Job.objects.filter(pk=job.pk, fence=job.fence).values_list("status", flat=True).first()


def release(job: Job, to: str, **fields: Any) -> Job | None:
    """Put the job that we hold into the state after its child has ended; None when we lost it."""
    with write_transaction():
        fresh = Job.objects.select_for_update().filter(pk=job.pk, fence=job.fence).first()
        if fresh is None or fresh.status not in states.ON_A_WORKER:
            return None
        try:
            moved = move(fresh, to, bump_fence=True, **fields)
        except Conflict:
            return None
        if to == states.QUEUED:
            wake_on_commit(moved)
        return moved
