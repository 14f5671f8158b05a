"""What died without a word: expired leases go back in line, forgotten jobs get a new wake-up."""

import logging
from datetime import timedelta

from django.db.models.functions import Now
from django_q.brokers import get_broker

from platform_site.core.clock import now
from platform_site.core.errors import Conflict
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import cluster_of, wake_cluster, wake_on_commit
from platform_site.jobs.transitions import move

logger = logging.getLogger("assay.jobs")

FORGOTTEN_AFTER = timedelta(seconds=3)
LOST_MESSAGE = "The worker disappeared {attempts} times while working on this."


def reap() -> int:
    """Take every job whose lease has run out from its holder; return how many."""
    expired = Job.objects.filter(status__in=states.ON_A_WORKER, lease_until__lt=Now()).values_list(
        "pk", flat=True
    )
    taken = sum(_take(number) for number in list(expired))
    _wake_forgotten()
    return taken


def _take(job_id: int) -> bool:
    with write_transaction():
        job = (
            Job.objects.select_for_update()
            .filter(pk=job_id, status__in=states.ON_A_WORKER, lease_until__lt=Now())
            .first()
        )
        if job is None:
            return False
        try:
            _move_on(job)
        except Conflict:
            return False
    logger.warning("job %s: its worker %s fell silent", job.pk, job.worker)
    return True


def _move_on(job: Job) -> None:
    if job.status == states.STOPPING:
        move(job, states.STOPPED, bump_fence=True)
    elif job.status == states.PAUSING:
        move(job, states.PAUSED, bump_fence=True)
    elif job.attempts < job.max_attempts:
        wake_on_commit(move(job, states.QUEUED, bump_fence=True))
    else:
        move(
            job,
            states.LOST,
            bump_fence=True,
            error_code="worker_lost",
            error_message=LOST_MESSAGE.format(attempts=job.attempts),
        )


def _wake_forgotten() -> None:
    """Send a wake-up for queued jobs whose own was lost with a worker or a broker."""
    waiting = Job.objects.filter(status=states.QUEUED, queued_at__lt=now() - FORGOTTEN_AFTER)
    for queue in waiting.values_list("queue", flat=True).distinct():
        if get_broker(cluster_of(queue)).queue_size() == 0:
            wake_cluster(queue)
