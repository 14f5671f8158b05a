"""The watchdog: work that waits beside free workers means a stuck cluster, anything else does not."""

from datetime import timedelta

import pytest

from monitoring import watchdog
from monitoring.watchdog import ClusterWatchdog, look_for_waiting
from platform_site.core.clock import now
from platform_site.jobs.claims import host_name
from platform_site.jobs.models import Job


def waiting(queue=Job.Queue.DEFAULT, priority=0, queued_s_ago=0):
    return Job.objects.create(
        kind="probe.count",
        queue=queue,
        priority=priority,
        queued_at=now() - timedelta(seconds=queued_s_ago),
    )


def working(queue=Job.Queue.DEFAULT, silent_s=0, host=None):
    return Job.objects.create(
        kind="probe.count",
        queue=queue,
        status=Job.Status.RUNNING,
        queued_at=now(),
        lease_until=now() + timedelta(seconds=20),
        heartbeat_at=now() - timedelta(seconds=silent_s),
        worker=f"{host or host_name()}:1",
    )


@pytest.fixture(autouse=True)
def two_workers(db, settings):
    settings.WORKERS = 2


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""

    class Clock:
        s = 1000.0

    monkeypatch.setattr(watchdog.time, "monotonic", lambda: Clock.s)
    return Clock


def test_an_idle_installation_has_nothing_waiting():
    assert look_for_waiting() is None


def test_the_most_urgent_job_waits_beside_an_idle_worker():
    waiting()
    urgent = waiting(priority=5)
    assert look_for_waiting().job_id == urgent.pk


def test_nothing_waits_for_a_free_worker_when_all_are_busy():
    waiting()
    working()
    working(queue=Job.Queue.TRAIN)
    assert look_for_waiting() is None


def test_trainings_wait_for_their_slots_however_long():
    working(queue=Job.Queue.TRAIN)
    waiting(queue=Job.Queue.TRAIN)
    assert look_for_waiting() is None


def test_a_silent_worker_or_one_elsewhere_does_not_count_as_busy():
    working(silent_s=60)
    working(host="elsewhere")
    waiting()
    assert look_for_waiting().running_ids == ()


def test_jobs_of_another_cluster_are_its_own_matter(settings):
    settings.TRAIN_CLUSTER = "train"
    waiting(queue=Job.Queue.TRAIN)
    assert look_for_waiting() is None


def looks(dog, clock, every_s, times):
    """Return the moments at which the watchdog asked for a fresh cluster."""
    asked = []
    for _ in range(times):
        if dog.look():
            asked.append(clock.s)
        clock.s += every_s
    return asked


def test_the_cluster_is_renewed_after_15_s_without_any_movement(clock):
    renewals = []
    dog = ClusterWatchdog(renew=lambda: renewals.append(clock.s))
    assert looks(dog, clock, 5, 2) == []
    waiting()
    assert looks(dog, clock, 5, 4) == [1025.0]
    assert renewals == [1025.0]


def test_beside_running_work_the_patience_is_a_minute(clock):
    dog = ClusterWatchdog(renew=list)
    working()
    waiting()
    assert looks(dog, clock, 5, 12) == []
    assert looks(dog, clock, 5, 1) == [1060.0]


def test_a_long_line_that_moves_is_left_alone(clock):
    dog = ClusterWatchdog(renew=list)
    line = [waiting() for _ in range(20)]
    for job in line:
        assert looks(dog, clock, 5, 2) == []
        job.delete()


def test_a_job_from_before_the_start_gets_its_time(clock):
    waiting(queued_s_ago=3600)
    dog = ClusterWatchdog(renew=list)
    assert looks(dog, clock, 5, 3) == []


def test_a_job_that_can_never_start_does_not_renew_the_cluster_again_and_again(clock):
    dog = ClusterWatchdog(renew=list)
    job = waiting()
    assert looks(dog, clock, 5, 60) == [1015.0, 1045.0, 1105.0, 1225.0]
    job.delete()
    clock.s += 600
    assert not dog.look()
    waiting()
    assert len(looks(dog, clock, 5, 10)) == 2
