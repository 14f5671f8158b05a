"""Moving a job from one state to another: conditional, fenced, told to everybody at once."""

from typing import Any

from django.db.models import F

from platform_site.core.clock import now
from platform_site.core.errors import Conflict
from platform_site.events.publish import publish
from platform_site.jobs import kinds, states
from platform_site.jobs.events import JobChanged
from platform_site.jobs.models import Job


def move(job: Job, to: str, *, bump_fence: bool = False, **fields: Any) -> Job:
    """Put the job into the state, inside the caller's transaction; return the fresh row.

    The update is conditional on the state and fence that the caller saw, so of two movers one wins.

    Raises:
        Conflict: when the table of states forbids it or somebody else moved the job meanwhile.
    """
    if not states.may_follow(job.status, to):
        raise Conflict(f"A job that is {job.status} cannot become {to}.", status=job.status)
    if to in states.FINAL:
        fields.setdefault("finished_at", now())
        fields.setdefault("eta_s", None)
    if to not in states.ON_A_WORKER:
        fields |= {"lease_until": None, "child_pid": None, "rss_bytes": None, "cpu_percent": None}
    if bump_fence:
        fields["fence"] = F("fence") + 1
    changed = Job.objects.filter(pk=job.pk, status=job.status, fence=job.fence).update(
        status=to, **fields
    )
    if not changed:
        raise Conflict("The job changed meanwhile; look again.", status=job.status)
    fresh = Job.objects.get(pk=job.pk)
    tell(fresh)
    return fresh


def tell(job: Job) -> None:
    """Let the job's kind follow and tell the project, topics in sorted order."""
    kind = kinds.get(job.kind)
    project_topic = f"project:{job.project_id}" if job.project_id else ""
    project_first = bool(project_topic) and project_topic < job.topic
    if project_first:
        publish(project_topic, changed_event(job))
    if job.status in states.FINAL:
        for on_end in kinds.end_functions(job.kind):
            kinds.resolve(on_end)(job, status=job.status)
    elif kind.on_change:
        kinds.resolve(kind.on_change)(job)
    if project_topic and not project_first:
        publish(project_topic, changed_event(job))


def changed_event(job: Job) -> JobChanged:
    """Return what the project hears about the job."""
    return JobChanged(
        job=job.pk,
        kind=job.kind,
        topic=job.topic,
        status=job.status,
        stage=job.stage,
        progress=round(job.progress_percent, 2),
        eta_s=job.eta_s,
    )
