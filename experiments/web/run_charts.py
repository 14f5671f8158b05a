"""The charts of a run: every metric as a curve, and the points behind them."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.access import get_run
from experiments.selectors.run_series import BUCKETS, Piece, curves_of, metric_rows
from experiments.tracking.envelopes import By
from experiments.web.figures import number
from experiments.web.run_page import run_frame, snapshot_number
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid
from platform_site.core.paging import parse_whole_number

MOST_KEYS: Final = 24
LEAST: Final = -(2**63)
GREATEST: Final = 2**63 - 1


@login_needed
@require_safe
def run_charts(request: HttpRequest, uuid: str) -> HttpResponse:
    """Curves of all metrics but those of the machine."""
    return _charts(request, uuid, tab="charts")


@login_needed
@require_safe
def run_system(request: HttpRequest, uuid: str) -> HttpResponse:
    """Curves of the machine that the run was on."""
    return _charts(request, uuid, tab="system")


def _charts(request: HttpRequest, uuid: str, *, tab: str) -> HttpResponse:
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    rows = metric_rows(run, system=tab == "system")
    context = {
        "frame": run_frame(request, run, tab=tab, after=after),
        "metrics": [(row.key, _text(row.value), row.step) for row in rows],
        "data": {"keys": [row.key for row in rows], "start": run.start_ms, "tab": tab},
    }
    return render(request, "experiments/run_charts.html", context)


def _text(value: float | None) -> str:
    return "NaN" if value is None else number(value)


@login_needed
@require_safe
def run_series(request: HttpRequest, uuid: str) -> HttpResponse:
    """Points of some metrics as JSON: whole, or finer between two bounds."""
    run = get_run(request.user, uuid)
    keys = list(dict.fromkeys(request.GET.getlist("key")))
    if not 1 <= len(keys) <= MOST_KEYS:
        raise Invalid(f"Name 1 to {MOST_KEYS} metrics with 'key'.", field="key")
    piece = parse_piece(request.GET)
    return JsonResponse({"by": piece.by, "series": curves_of(run.pk, keys, piece)})


def parse_piece(params: Any, *, most_buckets: int = 4000) -> Piece:
    """Read which part of the curves is wanted.

    Raises:
        Invalid: naming the parameter that does not fit.
    """
    asked = params.get("by") or "step"
    if asked not in {"step", "time"}:
        raise Invalid("'by' must be step or time.", field="by")
    by: By = "time" if asked == "time" else "step"
    bounds: dict[str, int | None] = {}
    for name in ("first", "last"):
        text = params.get(name)
        bounds[name] = parse_whole_number(text, name, 0, low=LEAST, high=GREATEST) if text else None
    buckets = parse_whole_number(params.get("buckets"), "buckets", BUCKETS, low=10, high=4000)
    return Piece(by, bounds["first"], bounds["last"], max(10, min(buckets, most_buckets)))
