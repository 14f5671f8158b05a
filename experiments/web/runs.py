"""Pages of runs: list, one run, control."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from experiments.access import get_run
from experiments.selectors.runs import SORT_FIELDS, RunQuery, run_page
from experiments.services.run_control import control_run, edit_run
from experiments.training.specs import CATALOGUE
from experiments.web.metric_words import metric_title
from experiments.web.run_page import run_frame, run_overview, snapshot_number
from experiments.web.run_words import stage_title, state_sentence, words_for_script
from platform_site.accounts.access import visible_projects
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.paging import parse_whole_number, parse_window
from platform_site.events.snapshots import place
from platform_site.jobs.models import Job

LIST_LIMIT = 50


@login_needed
@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs of the project that pages show; filters and order come from the address."""
    project = current_project(request)
    live = place(f"project:{project.pk}")
    window = parse_window(request.GET, default_limit=LIST_LIMIT)
    dataset = request.GET.get("dataset", "")
    query = {
        "search": request.GET.get("search", "").replace("\x00", "")[:200],
        "status": request.GET.get("status", ""),
        "model_type": request.GET.get("model_type", ""),
        "sort": request.GET.get("sort", "-created"),
    }
    wanted = RunQuery(
        dataset_id=parse_whole_number(dataset, "dataset", 0) if dataset else None, **query
    )
    runs, more = run_page(visible_projects(request.user).filter(pk=project.pk), wanted, window)
    context = {
        "runs": runs,
        "query": query,
        "dataset": dataset,
        "is_filtered": any(query[key] for key in ("search", "status", "model_type")) or dataset,
        "statuses": Job.Status.choices,
        "model_types": [(entry.name, entry.title) for entry in CATALOGUE.values()],
        "sorts": sorted(SORT_FIELDS),
        "live": live,
        "range_text": f"{window.offset + 1}–{window.offset + len(runs)}" if runs else "",
        **_pager(request, window.offset, window.limit, more=more),
    }
    return render(request, "experiments/run_list.html", context)


def _pager(request: HttpRequest, offset: int, limit: int, *, more: bool) -> dict[str, str]:
    def address(to: int) -> str:
        return "?" + urlencode({**request.GET.dict(), "offset": to})

    return {
        "previous_url": address(max(0, offset - limit)) if offset else "",
        "next_url": address(offset + limit) if more else "",
    }


@login_needed
@require_safe
def run_detail(request: HttpRequest, uuid: str) -> HttpResponse:
    """One run, moving: stage, progress, curves, log, resources, lineage."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    context = {
        "frame": run_frame(request, run, tab="overview", after=after),
        "overview": run_overview(request, run),
        "sentence": state_sentence(run.status),
        "stage": stage_title(run.job.stage if run.job else ""),
        "words": words_for_script(),
        "headline": metric_title(run.headline_metric),
    }
    return render(request, "experiments/run_detail.html", context)


@login_needed
@require_POST
def run_control(request: HttpRequest, uuid: str) -> HttpResponse:
    """Pause, resume, stop or retry; JSON for the page's script, a redirect for a plain form."""
    run = get_run(request.user, uuid, need="write")
    job = control_run(run=run, action=request.POST.get("action", ""))
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"status": job.status})
    messages.success(request, _("The run is %(status)s.") % {"status": job.get_status_display()})
    return redirect("experiments:run-detail", uuid)


@login_needed
@require_POST
def run_rename(request: HttpRequest, uuid: str) -> HttpResponse:
    """Give the run another name."""
    run = get_run(request.user, uuid, need="write")
    edit_run(run=run, name=request.POST.get("name", ""))
    return redirect("experiments:run-detail", uuid)
