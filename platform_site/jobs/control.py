"""What people ask of jobs: pause, resume, stop, retry, priority."""

from collections.abc import Callable

from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import wake_on_commit
from platform_site.jobs.transitions import move

MAX_PRIORITY = 100


# What people may ask of a job in each state; the steps below refuse the rest.
ACTIONS_FOR: dict[str, tuple[str, ...]] = {
    states.QUEUED: ("pause", "stop"),
    states.RUNNING: ("pause", "stop"),
    states.PAUSING: ("stop",),
    states.PAUSED: ("resume", "stop"),
    states.FAILED: ("retry",),
    states.LOST: ("retry",),
    states.STOPPED: ("retry",),
}


def control_job(*, job_id: int, action: str) -> Job:
    """Carry out one of pause, resume, stop, retry and return the job.

    Raises:
        Invalid: for another action.
        NotFound: when the job is gone.
        Conflict: with the reason, when the job's state does not allow it.
    """
    step = ACTIONS.get(action)
    if step is None:
        raise Invalid(
            f"Unknown action '{action}': choose from {', '.join(ACTIONS)}.", field="action"
        )
    with write_transaction():
        return step(_locked(job_id))


def set_priority(*, job_id: int, priority: int) -> Job:
    """Change the place in line, inside the caller's transaction; higher goes first.

    Raises:
        Invalid: outside -100…100.
        Conflict: when the job is over.
    """
    if not -MAX_PRIORITY <= priority <= MAX_PRIORITY:
        raise Invalid("'priority' must be between -100 and 100.", field="priority")
    job = _locked(job_id)
    if job.status in states.FINAL:
        raise Conflict(f"The job is {job.status}; its priority no longer matters.")
    job.priority = priority
    job.save(update_fields=["priority"])
    return job


def _locked(job_id: int) -> Job:
    job = Job.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise NotFound("No such job.")
    return job


def _pause(job: Job) -> Job:
    if job.status == states.QUEUED:
        return move(job, states.PAUSED)
    if job.status == states.RUNNING:
        return move(job, states.PAUSING)
    raise Conflict(f"Only queued or running work can be paused; this job is {job.status}.")


def _resume(job: Job) -> Job:
    if job.status != states.PAUSED:
        raise Conflict(f"Only paused work can be resumed; this job is {job.status}.")
    return _queue_again(job)


def _stop(job: Job) -> Job:
    if job.status in {states.QUEUED, states.PAUSED}:
        return move(job, states.STOPPED)
    if job.status in {states.RUNNING, states.PAUSING}:
        return move(job, states.STOPPING)
    raise Conflict(f"The job is {job.status}; there is nothing to stop.")


def _retry(job: Job) -> Job:
    if job.status not in {states.FAILED, states.LOST, states.STOPPED}:
        raise Conflict(
            f"Only failed, lost or stopped work can be tried again; this job is {job.status}."
        )
    return _queue_again(job)


def _queue_again(job: Job) -> Job:
    fresh = move(
        job,
        states.QUEUED,
        attempts=0,
        finished_at=None,
        error_code="",
        error_message="",
        traceback="",
    )
    wake_on_commit(fresh)
    return fresh


ACTIONS: dict[str, Callable[[Job], Job]] = {
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "retry": _retry,
}
