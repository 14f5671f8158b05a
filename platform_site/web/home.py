"""The home page: what runs, what came out lately, and the way in for newcomers."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.models import Dataset, Run
from experiments.selectors.runs import RunQuery, run_page
from platform_site.accounts.access import visible_projects
from platform_site.accounts.current import current_project
from platform_site.accounts.models import Project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Forbidden
from platform_site.core.paging import Window
from platform_site.events.snapshots import place
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.web.jobs import JobRow, job_rows
from registry.models import ModelVersion
from registry.selectors import light_versions

MOST_OF_EACH = 8


@dataclass(frozen=True)
class Home:
    """What the home page shows of the current project."""

    project: Project
    active: list[JobRow]
    runs: list[Run]
    datasets: list[Dataset]
    versions: list[ModelVersion]
    has_dataset: bool
    has_run: bool
    has_model: bool

    @property
    def is_new(self) -> bool:
        """Whether the way from a file to a model has not been walked yet."""
        return not (self.has_dataset and self.has_run and self.has_model)


@login_needed
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the current project; the number of queries does not grow with rows."""
    try:
        project = current_project(request)
    except Forbidden:
        return render(request, "web/no_project.html")
    live = place(f"project:{project.pk}")
    context = {"home": _home(request, project), "live": live}
    return render(request, "web/home.html", context)


def _home(request: HttpRequest, project: Project) -> Home:
    here = visible_projects(request.user).filter(pk=project.pk)
    active = (
        Job.objects.filter(project=project, status__in=sorted(states.ACTIVE))
        .select_related("created_by")
        .defer("payload", "result", "traceback")
        .order_by("-id")
    )
    runs, _more = run_page(here, RunQuery(), Window(limit=MOST_OF_EACH, offset=0))
    datasets = list(
        Dataset.objects.in_projects(here)
        .select_related("created_by")
        .order_by("-id")[:MOST_OF_EACH]
    )
    newest = ModelVersion.objects.filter(model__project=project).order_by("-id")
    ids = list(newest.values_list("id", flat=True)[:MOST_OF_EACH])  # without reading manifests
    versions = light_versions().order_by("-id").filter(pk__in=ids).select_related("model")
    return Home(
        project=project,
        active=job_rows(request.user, list(active[:MOST_OF_EACH])),
        runs=runs,
        datasets=datasets,
        versions=list(versions),
        has_dataset=bool(datasets),
        has_run=bool(runs),
        has_model=bool(ids),
    )


@login_needed
@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show every component, for people who build pages; routed only while DEBUG is on."""
    return render(request, "web/styleguide.html")
