"""Pages of what a run found: report, printable report, its model tried out."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from experiments.access import get_run
from experiments.models import Run
from experiments.selectors.runs import curves
from experiments.services.runs import require_report
from experiments.web.report_page import report_view
from experiments.web.run_page import run_frame, snapshot_number
from experiments.web.try_form import TriedModel, importance_order, try_answer, try_view
from platform_site.core.access_rules import login_needed
from platform_site.core.clock import now
from platform_site.core.errors import Conflict


@login_needed
@require_safe
def run_report(request: HttpRequest, uuid: str) -> HttpResponse:
    """Figures, curves and reasons of one run."""
    return render(request, "experiments/report.html", _context(request, uuid))


@login_needed
@require_safe
def run_report_print(request: HttpRequest, uuid: str) -> HttpResponse:
    """The report as one page for paper."""
    context = _context(request, uuid)
    run: Run = context["frame"].run
    context |= {
        "params": list(run.params.order_by("key__name").values_list("key__name", "value")),
        "excluded": run.spec.get("excluded", []),
        "features": (run.model_manifest or {}).get("features", []),
        "printed_at": now(),
    }
    return render(request, "experiments/report_print.html", context)


def _context(request: HttpRequest, uuid: str) -> dict[str, Any]:
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    report = require_report(run)
    return {
        "frame": run_frame(request, run, tab="report", after=after),
        "report": report_view(run, report),
        "curves": curves(run),
        "made_at": report.created_at,
    }


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def run_try(request: HttpRequest, uuid: str) -> HttpResponse:
    """Type values and see what the run's model says, with reasons."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    report = require_report(run)
    if run.model_blob is None or not run.model_manifest:
        raise Conflict("This run has no model to try.")
    tried = TriedModel(run.model_blob.sha256, run.model_manifest, importance_order(report.result))
    view = try_view(request, tried, action=reverse("experiments:run-try", args=[uuid]))
    context = {"frame": run_frame(request, run, tab="try", after=after)}
    return try_answer(request, view, "experiments/run_try.html", context)
