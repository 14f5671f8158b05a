"""Pages of one dataset version: overview, columns, rows, relations, target, file."""

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments.access import get_version
from experiments.api.dataset_downloads import download_answer
from experiments.models import DatasetVersion
from experiments.selectors import datasets as selectors
from experiments.selectors.dataset_rows import read_rows
from experiments.services import datasets
from experiments.services.target_analysis import analyse_target, check_column
from experiments.web import dataset_contexts as contexts
from experiments.web import dataset_findings as findings
from experiments.web import dataset_table as tables
from experiments.web.dataset_forms import ReadAgainForm
from experiments.web.dataset_frames import VersionFrame, train_url, version_frame
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import DomainError, NotFound
from platform_site.core.paging import parse_window

OVERVIEW_COLUMNS: Final = 8
PREVIEW_ROWS: Final = 10
PREVIEW_COLUMNS: Final = 30
MAX_TARGET_CHARS: Final = 500


@login_needed
@require_GET
def dataset_version(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """What is in a version, its warnings first; while it is read, how far that is."""
    frame = version_frame(request, dataset_id, number, tab="dataset-version")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    profile = selectors.profile_of(frame.version)
    head = profile.get("head") or {"columns": [], "rows": []}
    columns = head["columns"][:PREVIEW_COLUMNS]
    rows = [row[:PREVIEW_COLUMNS] for row in head["rows"][:PREVIEW_ROWS]]
    context = {
        "frame": frame,
        "summary": contexts.summary_view(frame.version, profile),
        "warnings": contexts.warning_groups(profile.get("warnings", [])),
        "difference": findings.difference_view(frame.version.difference),
        "columns": contexts.column_views(
            frame.version, profile, profile.get("columns", [])[:OVERVIEW_COLUMNS]
        ),
        "preview_columns": columns,
        "preview_rows": tables.table_rows(columns, rows, range(len(rows))),
        "target_guess": profile.get("target_guess") or "",
        "runs": selectors.runs_of_version(frame.version, limit=5),
    }
    return render(request, "experiments/dataset_version.html", context)


@login_needed
@require_GET
def dataset_columns(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """All columns, or one of them (``?name=``)."""
    frame = version_frame(request, dataset_id, number, tab="dataset-columns")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    profile = selectors.profile_of(frame.version)
    name = request.GET.get("name", "")
    if name:
        return _one_column(request, frame, profile, name)
    search = request.GET.get("search", "").strip()[:200]
    found = contexts.matching_columns(profile, search)
    window = parse_window(request.GET, default_limit=contexts.COLUMNS_PER_PAGE, max_limit=500)
    end = window.offset + window.limit
    context = {
        "frame": frame,
        "columns": contexts.column_views(frame.version, profile, found[window.offset : end]),
        "n_found": len(found),
        "search": search,
        "previous_offset": max(0, window.offset - window.limit) if window.offset else None,
        "next_offset": end if end < len(found) else None,
        "range_text": f"{window.offset + 1:,}–{min(end, len(found)):,} / {len(found):,}",
    }
    return render(request, "experiments/dataset_columns.html", context)


@login_needed
@require_GET
def dataset_rows(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """Rows, sorted and filtered by the engine; htmx asks for the table alone."""
    frame = version_frame(request, dataset_id, number, tab="dataset-rows")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    is_part = bool(request.headers.get("HX-Request"))
    schema: dict[str, Any] = frame.version.table_schema or {}
    context: dict[str, Any] = {
        "frame": frame,
        "operators": tables.OPERATORS.items(),
        "column_names": [column["name"] for column in schema["columns"]],
        "query": tables.TableQuery(),
    }
    status = 200
    try:
        query = context["query"] = tables.parse_table_query(request.GET)
        page = read_rows(
            frame.version,
            window=query.window,
            sort=query.sort,
            descending=query.descending,
            filters=query.engine_filters(),
            columns=tables.shown_columns(query, schema),
        )
        context["table"] = tables.table_view(query, page, schema)
    except DomainError as error:
        context["error"] = error.message
        status = 200 if is_part else error.status  # htmx drops the body of refusals
    template = "experiments/dataset_rows_part.html" if is_part else "experiments/dataset_rows.html"
    return render(request, template, context, status=status)


@login_needed
@require_GET
def dataset_relations(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """Which columns move together and which are missing together."""
    frame = version_frame(request, dataset_id, number, tab="dataset-relations")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    relations = contexts.relations_view(frame.version, selectors.profile_of(frame.version))
    data = {"correlation": relations.correlation, "co_missing": relations.co_missing}
    context = {"frame": frame, "relations": relations, "charts": data}
    return render(request, "experiments/dataset_relations.html", context)


@login_needed
@require_http_methods(["GET", "POST"])
def dataset_target(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """Look at a column as a target; POST asks for an analysis that nobody has made."""
    if request.method == "POST":
        version = get_version(request.user, dataset_id, number, need="write")
        target = request.POST.get("target", "")[:MAX_TARGET_CHARS]
        analyse_target(version=version, target=target, by=request.user)
        return redirect(_target_address(version, target))
    frame = version_frame(request, dataset_id, number, tab="dataset-target")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    profile = selectors.profile_of(frame.version)
    target = request.GET.get("target", "") or profile.get("target_guess") or ""
    analysis = None
    if target:
        check_column(frame.version, target, field="target")
        analysis = selectors.target_analysis(frame.version, target)
    view = None
    if analysis is not None and analysis.result:
        view = findings.target_view(analysis.result, frame.version.n_rows or 0)
    context = {
        "frame": frame,
        "target": target,
        "guess": profile.get("target_guess") or "",
        "choices": contexts.target_choices(profile),
        "analysis": analysis,
        "view": view,
        "charts": {"histogram": view.histogram if view else None, "target": target},
        "train_target_url": train_url(frame.version, target),
    }
    return render(request, "experiments/dataset_target.html", context)


@login_needed
@require_GET
def dataset_reading(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """How the file was read, what was renamed or skipped, downloads, runs."""
    frame = version_frame(request, dataset_id, number, tab="dataset-reading")
    if frame.version.status != DatasetVersion.Status.READY:
        return _unready(request, frame)
    context = {
        "frame": frame,
        "reading": findings.reading_view(frame.version),
        "runs": selectors.runs_of_version(frame.version),
        "form": ReadAgainForm(initial=_declared(frame.version)),
    }
    return render(request, "experiments/dataset_reading.html", context)


@login_needed
@require_POST
def dataset_read_again(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """Read a failed version with other options, or any version as another dataset."""
    version = get_version(request.user, dataset_id, number, need="write")
    form = ReadAgainForm(request.POST)
    if not form.is_valid():
        frame = version_frame(request, dataset_id, number, tab="dataset-version")
        return _unready(request, frame, form=form, status=400)
    name = form.cleaned_data["name"]
    if name:
        outcome = datasets.read_as_new_dataset(
            version=version, name=name, options=form.options(), by=request.user
        )
        version = outcome.version
    else:
        version = datasets.read_again(version=version, options=form.options(), by=request.user)
    return redirect("experiments:dataset-version", version.dataset_id, version.number)


@login_needed
@require_POST
def dataset_discard(request: HttpRequest, dataset_id: int, number: int) -> HttpResponse:
    """Throw a version away that could not be read."""
    version = get_version(request.user, dataset_id, number, need="write")
    dataset_went = datasets.discard_failed_version(version=version)
    messages.success(request, _("Version %(number)s was thrown away.") % {"number": number})
    if dataset_went:
        return redirect("experiments:dataset-list")
    return redirect("experiments:dataset-detail", dataset_id)


@login_needed
@require_GET
def dataset_download(request: HttpRequest, dataset_id: int, number: int) -> HttpResponseBase:
    """Send the file as it came, the typed table, or a CSV that is safe in spreadsheets."""
    version = get_version(request.user, dataset_id, number)
    return download_answer(request, version, request.GET.get("as", "raw"))


def _one_column(
    request: HttpRequest, frame: VersionFrame, profile: dict[str, Any], name: str
) -> HttpResponse:
    detail = contexts.column_detail(frame.version, profile, name)
    if detail is None:
        raise NotFound(_("This version has no such column."))
    histogram = {
        "histogram": detail.histogram,
        "name": detail.column.name,
        "unit": detail.column.unit,
    }
    context = {"frame": frame, "detail": detail, "charts": histogram}
    return render(request, "experiments/dataset_column.html", context)


def _unready(
    request: HttpRequest,
    frame: VersionFrame,
    *,
    form: ReadAgainForm | None = None,
    status: int = 200,
) -> HttpResponse:
    job = frame.version.job
    context = {
        "frame": frame,
        "form": form or ReadAgainForm(initial=_declared(frame.version)),
        "progress_percent": round(job.progress_percent, 1) if job is not None else None,
        "stage": contexts.stage_label(job.stage or job.status) if job is not None else "",
        "stages": {key: str(label) for key, label in contexts.STAGE_LABELS.items()},
        "details": (frame.version.report or {}),
    }
    return render(request, "experiments/dataset_unready.html", context, status=status)


def _declared(version: DatasetVersion) -> dict[str, Any]:
    """Return the version's declared options as the form shows them."""
    options = dict(version.read_options)
    words = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}
    if "separator" in options:
        options["separator"] = words.get(options["separator"], "")
    if "header" in options:
        options["header"] = "yes" if options["header"] else "no"
    if "null_words" in options:
        options["null_words"] = ", ".join(options["null_words"])
    return options


def _target_address(version: DatasetVersion, target: str) -> str:
    url = reverse("experiments:dataset-target", args=[version.dataset_id, version.number])
    return f"{url}?{urlencode({'target': target})}"
