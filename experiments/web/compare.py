"""Runs side by side: tables of differences, curves over one another, coordinates, scatter."""

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from experiments.access import get_runs
from experiments.models import Run
from experiments.selectors.run_columns import Column
from experiments.selectors.run_compare import Comparison, compare
from experiments.selectors.run_series import Piece, curve
from experiments.web.figures import number
from experiments.web.run_charts import parse_piece
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid

FEWEST: Final = 2
MOST: Final = 100
MOST_BUCKETS: Final = 60_000
MAX_CELL_CHARS: Final = 120
# Which way is better, as far as a name tells; nothing is marked where it does not.
_LESS: Final = ("loss", "error", "rmse", "mse", "mae", "perplexity", "latency", "distance")
_MORE: Final = (
    "acc", "auc", "f1", "precision", "recall", "r2", "score", "bleu", "rouge", "dice", "iou",
    "reward", )  # fmt: skip


@dataclass(frozen=True)
class CompareCell:
    """A run's value in one row; the best metrics of a row are marked."""

    text: str
    is_missing: bool = False
    is_best: bool = False


@dataclass(frozen=True)
class CompareRow:
    """One key with the value of every run."""

    column: Column
    cells: list[CompareCell]


@login_needed
@require_safe
def run_compare(request: HttpRequest) -> HttpResponse:
    """Compare 2 to 100 runs; what is shown stands in the address."""
    if "run" in request.GET:  # from the table's form
        chosen = ",".join(dict.fromkeys(request.GET.getlist("run")))
        return redirect(f"{reverse('experiments:run-compare')}?runs={chosen}")
    runs = _runs(request)
    everything = request.GET.get("all") == "1"
    found = compare(runs, everything=everything)
    context = {
        "runs": runs,
        "everything": everything,
        "tables": [
            (kind, _rows(runs, found, kind), found.has_more[kind])
            for kind in ("params", "metrics", "tags")
        ],
        "uuids": ",".join(run.uuid for run in runs),
        "data": _for_script(runs, found),
    }
    return render(request, "experiments/compare.html", context)


@login_needed
@require_safe
def run_compare_series(request: HttpRequest) -> HttpResponse:
    """One metric's curves of all the runs, as JSON."""
    runs = _runs(request)
    key = request.GET.get("key", "")
    piece = parse_piece(request.GET, most_buckets=MOST_BUCKETS // len(runs))
    found = [{"run": run.uuid, "points": _curve(run, key, piece)} for run in runs]
    return JsonResponse({"key": key, "by": piece.by, "series": found})


def _curve(run: Run, key: str, piece: Piece) -> list[list[Any]]:
    return curve(run.pk, key, piece) if key else []


def _runs(request: HttpRequest) -> list[Run]:
    uuids = list(dict.fromkeys(one for one in request.GET.get("runs", "").split(",") if one))
    if not FEWEST <= len(uuids) <= MOST:
        raise Invalid(f"Choose {FEWEST} to {MOST} runs to compare.", field="runs")
    return get_runs(request.user, uuids)


def _rows(runs: list[Run], found: Comparison, kind: str) -> list[CompareRow]:
    made = []
    for column in found.columns[kind]:
        values = [found.values[run.pk].get(column.id, ...) for run in runs]
        best = _best(column.key, values) if kind == "metrics" else None
        made.append(CompareRow(column, [_cell(value, best) for value in values]))
    return made


def _best(key: str, values: list[Any]) -> float | None:
    """Return the best value, None when nothing tells the runs apart."""
    better = better_way(key)
    numbers = [value for value in values if isinstance(value, float)]
    if not better or len(set(numbers)) < 2:
        return None
    return min(numbers) if better == "less" else max(numbers)


def better_way(key: str) -> str:
    """Return whether less or more of a metric is better; empty when its name does not tell."""
    name = key.lower()
    if name.startswith("system/"):
        return ""
    if any(word in name for word in _LESS):
        return "less"
    return "more" if any(word in name for word in _MORE) else ""


def _cell(value: Any, best: float | None) -> CompareCell:
    if value is ...:
        return CompareCell("—", is_missing=True)
    if value is None:
        return CompareCell("NaN")
    if isinstance(value, float):
        return CompareCell(number(value), is_best=value == best)
    text = str(value)
    return CompareCell(text if len(text) <= MAX_CELL_CHARS else f"{text[:MAX_CELL_CHARS]}…")


def _for_script(runs: list[Run], found: Comparison) -> dict[str, Any]:
    """Return what the charts need: numbers where all values are numbers, else categories."""
    columns = []
    for kind in ("params", "metrics"):
        for column in found.columns[kind]:
            values = [found.values[run.pk].get(column.id) for run in runs]
            numbers = [_as_number(value) for value in values]
            known = [value is not None for value in values]
            is_number = all(n is not None for n, k in zip(numbers, known, strict=True) if k)
            columns.append(
                {
                    "id": column.id,
                    "label": column.key,
                    "kind": kind,
                    "number": is_number,
                    "better": better_way(column.key) if kind == "metrics" else "",
                    "values": numbers if is_number else values,
                }
            )
    return {
        "runs": [{"uuid": run.uuid, "name": run.name, "start": run.start_ms} for run in runs],
        "columns": columns,
    }


def _as_number(value: Any) -> float | None:
    try:
        made = float(value)
    except (TypeError, ValueError):
        return None
    return made if abs(made) < 1.7e308 and made == made else None  # noqa: PLR0124  # NaN
