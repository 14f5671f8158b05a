"""Jobs of all kinds: what waits, what runs, what failed and why."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from platform_site.accounts.access import Need, Person, require, visible_projects
from platform_site.accounts.current import current_project
from platform_site.accounts.models import Project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import NotFound
from platform_site.events.snapshots import place
from platform_site.jobs import states
from platform_site.jobs.control import ACTIONS_FOR, control_job
from platform_site.jobs.models import Job, JobLogLine
from platform_site.web.subjects import Subject, kind_words, subjects_of

PAGE_ROWS = 50
LOG_LINES = 500
GROUPS = {
    "active": sorted(states.ACTIVE),
    "failed": [states.FAILED, states.LOST],
    "ended": [states.COMPLETED, states.STOPPED],
}


@dataclass(frozen=True)
class JobRow:
    """One line of a list of jobs."""

    job: Job
    kind: str
    subject: Subject | None
    actions: tuple[str, ...]


def job_rows(user: Person, jobs: list[Job]) -> list[JobRow]:
    """Return jobs with their subjects and what this person can do with them."""
    writable = (
        set(Project.objects.writable_by(user).values_list("id", flat=True)) if jobs else set()
    )
    subjects = subjects_of(jobs)
    return [
        JobRow(
            job,
            kind_words(job.kind),
            subjects.get(job.topic),
            ACTIONS_FOR.get(job.status, ()) if job.project_id in writable else (),
        )
        for job in jobs
    ]


def light_jobs(request: HttpRequest) -> QuerySet[Job]:
    """Return the jobs that the person may see, without their bulky fields."""
    return (
        Job.objects.filter(project__in=visible_projects(request.user))
        .select_related("created_by")
        .defer("payload", "result", "traceback")
    )


@login_needed
@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """List the jobs of the person's projects, newest first."""
    group = request.GET.get("show", "")
    project = current_project(request)
    live = place(f"project:{project.pk}")
    jobs = light_jobs(request)
    ids = jobs.order_by("-id").values_list("id", flat=True)
    if group in GROUPS:
        ids = ids.filter(status__in=GROUPS[group])
    page = Paginator(ids, PAGE_ROWS).get_page(request.GET.get("page"))
    found = jobs.in_bulk(list(page.object_list))  # later pages skip numbers, not whole rows
    context: dict[str, Any] = {
        "page": page,
        "rows": job_rows(request.user, [found[one] for one in page.object_list if one in found]),
        "group": group,
        "live": live,
    }
    return render(request, "web/jobs.html", context)


@login_needed
@require_safe
def job_page(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show one job with its log; details of failures inside are for administrators."""
    job = _job(request, job_id, "read")
    lines = JobLogLine.objects.filter(job=job).order_by("-number")[:LOG_LINES]
    context = {
        "row": job_rows(request.user, [job])[0],
        "job": job,
        "lines": list(reversed(lines)),
        "traceback": job.traceback if request.user.is_superuser else "",
    }
    return render(request, "web/job.html", context)


@login_needed
@require_POST
def job_control(request: HttpRequest, job_id: int) -> HttpResponse:
    """Pause, resume, stop or retry, then go back to where the button was."""
    job = _job(request, job_id, "write")
    fresh = control_job(job_id=job.pk, action=request.POST.get("action", ""))
    messages.success(request, _("The job is %(status)s.") % {"status": fresh.get_status_display()})
    return redirect("web:jobs")


def _job(request: HttpRequest, job_id: int, need: Need) -> Job:
    job = None
    if job_id < 2**63:
        job = Job.objects.select_related("created_by", "project").filter(pk=job_id).first()
    if job is None or job.project_id is None:
        raise NotFound("No such job.")
    require(request.user, job.project_id, need=need, what="job")
    return job
