"""Putting work in line; the queue's entry only wakes a worker, the Job row decides."""

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django_q.tasks import async_task

from platform_site.core.clock import now
from platform_site.jobs import kinds
from platform_site.jobs.models import Job
from platform_site.jobs.transitions import tell

WAKE = "platform_site.jobs.runner.wake"
WARM = "platform_site.jobs.runner.warm"
NEVER_TIMES_OUT = -1
WARM_HINT_KEY = "jobs:warm-hint"
WARM_HINT_S = 120


def enqueue(
    kind: str,
    *,
    payload: dict[str, Any],
    topic: str,
    project_id: int | None,
    by: Any,
    queue: str = Job.Queue.DEFAULT,
    **limits: Any,
) -> Job:
    """Put a job in line inside the caller's transaction; a worker is woken after the commit.

    `limits` may hold priority, time_limit_s, memory_limit_bytes and max_attempts.

    Raises:
        KeyError: for a kind that no app registered.
    """
    kinds.get(kind)
    job = Job.objects.create(
        kind=kind,
        payload=payload,
        topic=topic,
        project_id=project_id,
        created_by=by,
        queue=queue,
        queued_at=now(),
        **limits,
    )
    tell(job)
    wake_on_commit(job)
    return job


def wake_on_commit(job: Job) -> None:
    """Wake a worker of the job's cluster once the transaction has committed."""
    transaction.on_commit(lambda: wake_cluster(job.queue))
    if job.queue == Job.Queue.DEFAULT:
        # Short work announces training: by then idle workers hold a warm child.
        transaction.on_commit(warm_up)


def wake_cluster(queue: str) -> None:
    """Send one wake-up to the cluster that works on this queue."""
    async_task(
        WAKE, q_options={"cluster": cluster_of(queue), "timeout": NEVER_TIMES_OUT, "save": False}
    )


def cluster_of(queue: str) -> str:
    """Return the name of the django-q2 cluster for the queue."""
    if queue == Job.Queue.TRAIN and settings.TRAIN_CLUSTER:
        return str(settings.TRAIN_CLUSTER)
    return "default"


def warm_up() -> None:
    """Hint that work is coming: idle workers start a warm child; at most once in two minutes."""
    if not cache.add(WARM_HINT_KEY, 1, WARM_HINT_S):
        return
    for _ in range(min(settings.WORKERS, 4)):
        async_task(
            WARM, q_options={"cluster": cluster_of(Job.Queue.TRAIN), "timeout": 60, "save": False}
        )
