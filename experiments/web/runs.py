"""Pages of one run: overview, control."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from experiments.access import get_run
from experiments.models import Run
from experiments.services.run_control import control_run
from experiments.services.run_edits import rename_run
from experiments.web.metric_words import metric_title
from experiments.web.run_page import RunFrame, run_frame, run_overview, snapshot_number
from experiments.web.run_tracked import tracked_overview
from experiments.web.run_words import stage_title, state_sentence, words_for_script
from platform_site.accounts.access import signed_in
from platform_site.core.access_rules import login_needed


@login_needed
@require_safe
def run_detail(request: HttpRequest, uuid: str) -> HttpResponse:
    """One run, moving: stage, progress, curves, log, resources, lineage."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    frame = run_frame(request, run, tab="overview", after=after)
    if run.kind == Run.Kind.TRACKED:
        return _tracked(request, run, frame)
    context = {
        "frame": frame,
        "overview": run_overview(request, run),
        "sentence": state_sentence(run.status),
        "stage": stage_title(run.job.stage if run.job else ""),
        "words": words_for_script(),
        "headline": metric_title(run.headline_metric),
    }
    return render(request, "experiments/run_detail.html", context)


def _tracked(request: HttpRequest, run: Run, frame: RunFrame) -> HttpResponse:
    context = {
        "frame": frame,
        "overview": tracked_overview(run, frame),
        "part_url": request.get_full_path(),
    }
    is_part = bool(request.headers.get("HX-Request"))
    name = "run_tracked_part" if is_part else "run_tracked"
    return render(request, f"experiments/{name}.html", context)


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
    rename_run(run=run, name=request.POST.get("name", ""), by=signed_in(request.user))
    return redirect("experiments:run-detail", uuid)
