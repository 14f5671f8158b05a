"""Who holds a job: claims, leases, fences, the reaper."""

from datetime import timedelta

import pytest

from platform_site.core.clock import now
from platform_site.jobs import claims, states
from platform_site.jobs.context import Fenced, JobContext
from platform_site.jobs.models import Job
from platform_site.jobs.reaper import reap
from tests.platform.test_jobs_states import make_job

pytestmark = pytest.mark.django_db


def test_the_most_urgent_job_is_claimed_first(people):
    first, urgent = make_job(people), make_job(people)
    Job.objects.filter(pk=urgent.pk).update(priority=5)
    assert [claims.claim_next().pk, claims.claim_next().pk] == [urgent.pk, first.pk]
    assert claims.claim_next() is None


def test_a_claim_takes_lease_and_the_next_fence(people):
    job = make_job(people)
    held = claims.claim_next()
    assert (held.status, held.fence, held.attempts) == (states.RUNNING, job.fence + 1, 1)
    assert held.lease_until > now()
    assert held.worker == claims.worker_name()


def test_training_leaves_a_worker_for_short_work(people, settings):
    settings.WORKERS = 2
    for queue in ("train", "train", "default"):
        Job.objects.filter(pk=make_job(people).pk).update(queue=queue)
    claimed = [claims.claim_next(), claims.claim_next(), claims.claim_next()]
    assert [job.queue if job else None for job in claimed] == ["train", "default", None]


def test_a_cluster_for_training_takes_nothing_else(people, settings):
    settings.TRAIN_CLUSTER = "train"
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "name": "train"}
    make_job(people)
    assert claims.claim_next() is None


def test_renewing_prolongs_the_lease_and_keeps_measurements(people):
    make_job(people)
    held = claims.claim_next()
    Job.objects.filter(pk=held.pk).update(lease_until=now())
    assert claims.renew_lease(held, rss_bytes=5) == states.RUNNING
    fresh = Job.objects.get(pk=held.pk)
    assert fresh.lease_until > now()
    assert fresh.rss_bytes == 5


def expire(job):
    Job.objects.filter(pk=job.pk).update(lease_until=now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("status", "attempts", "expected"),
    [
        (states.RUNNING, 1, states.QUEUED),
        (states.RUNNING, 3, states.LOST),
        (states.PAUSING, 1, states.PAUSED),
        (states.STOPPING, 1, states.STOPPED),
    ],
)
def test_the_reaper_takes_over_from_a_silent_worker(people, status, attempts, expected):
    make_job(people)
    held = claims.claim_next()
    Job.objects.filter(pk=held.pk).update(status=status, attempts=attempts)
    expire(held)
    assert reap() == 1
    fresh = Job.objects.get(pk=held.pk)
    assert fresh.status == expected
    assert fresh.fence > held.fence
    assert reap() == 0


def test_the_reaper_leaves_living_workers_alone(people):
    make_job(people)
    held = claims.claim_next()
    assert reap() == 0
    assert Job.objects.get(pk=held.pk).fence == held.fence


def test_the_old_holder_can_write_nothing_after_a_takeover(people, tmp_path):
    make_job(people)
    held = claims.claim_next()
    context = JobContext(held, tmp_path)
    context._closing.set()
    context._flusher.join()
    expire(held)
    reap()
    context.report("late", 0.9)
    with pytest.raises(Fenced):
        context.flush()
    with pytest.raises(Fenced):
        context.write(lambda: pytest.fail("must not run"))
    assert claims.renew_lease(held) is None
    assert claims.read_status(held) is None
    assert claims.release(held, states.COMPLETED) is None
    assert Job.objects.get(pk=held.pk).progress_percent == 0


def test_progress_and_log_lines_are_written_in_order(people, tmp_path):
    make_job(people)
    held = claims.claim_next()
    context = JobContext(held, tmp_path)
    context._closing.set()
    context._flusher.join()
    context.report("counting", 0.25, eta_s=3)
    context.log("one")
    context.log("two", level="warning")
    context.flush()
    fresh = Job.objects.get(pk=held.pk)
    assert (fresh.stage, fresh.progress_percent, fresh.eta_s) == ("counting", 25.0, 3)
    lines = list(fresh.log_lines.order_by("number").values_list("number", "level", "text"))
    assert lines == [(1, "info", "one"), (2, "warning", "two")]


def test_stop_outranks_pause(people, tmp_path):
    make_job(people)
    context = JobContext(claims.claim_next(), tmp_path)
    context.set_wish("stop")
    context.set_wish("pause")
    assert context.should_stop() == "stop"
    context.close()
