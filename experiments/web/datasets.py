"""Pages of datasets: list, upload, sources, one dataset, its actions."""

from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from experiments.access import get_dataset
from experiments.models import Dataset
from experiments.selectors import datasets as selectors
from experiments.selectors.dataset_sources import find_source, list_sources
from experiments.services import dataset_sources, datasets
from experiments.web.dataset_forms import DatasetForm, SourceForm, UploadForm
from experiments.web.dataset_frames import live_state, may_write, train_url
from platform_site.accounts.access import visible_projects
from platform_site.accounts.current import current_project, project_for
from platform_site.core.access_rules import login_needed
from platform_site.core.api_errors import error_body
from platform_site.core.errors import DomainError, Invalid
from platform_site.core.paging import parse_window

LIST_LIMIT: Final = 30
CHUNK_BYTES: Final = 1024 * 1024
ACCEPT: Final = ".csv,.tsv,.txt,.json,.jsonl,.ndjson,.parquet,.gz"


@login_needed
@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The datasets of the project that pages show."""
    project = current_project(request)
    query = selectors.parse_query(request.GET)
    window = parse_window(request.GET, default_limit=LIST_LIMIT)
    page = selectors.list_datasets(
        visible_projects(request.user).filter(pk=project.pk), query, window
    )
    context = {
        "page": page,
        "query": query,
        "window": window,
        "is_filtered": bool(query.search or query.status or query.source or query.archived),
        "may_write": may_write(request, project.pk),
        "statuses": selectors.STATUSES,
        "sources": Dataset.Source.choices,
        **_list_pager(page.total, window.offset, window.limit),
    }
    return render(request, "experiments/dataset_list.html", context)


@login_needed
@require_http_methods(["GET", "POST"])
def dataset_upload(request: HttpRequest) -> HttpResponse:
    """Upload one or more files; JSON for the drop zone, a page for a plain form."""
    project = project_for(request, "write")
    if request.method == "GET":
        form = UploadForm(initial={"name": request.GET.get("name", "")[:200]})
        return _upload_page(request, form)
    form = UploadForm(request.POST)
    try:
        outcomes = _store_files(request, form, project.pk, None)
    except DomainError as error:
        return _refused_upload(request, form, error)
    return _uploaded(request, outcomes)


@login_needed
@require_POST
def dataset_upload_version(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Upload the next version of one dataset."""
    dataset = get_dataset(request.user, dataset_id, need="write")
    form = UploadForm(request.POST)
    try:
        outcomes = _store_files(request, form, dataset.project_id, dataset)
    except DomainError as error:
        if _wants_json(request):
            return JsonResponse(error_body(error, request), status=error.status)
        raise
    return _uploaded(request, outcomes)


@login_needed
@require_http_methods(["GET", "POST"])
def dataset_sources_page(request: HttpRequest) -> HttpResponse:
    """Tables that can be fetched without a file."""
    project = project_for(request, "write" if request.method == "POST" else "read")
    if request.method == "POST":
        form = SourceForm(request.POST)
        if not form.is_valid():
            raise Invalid(_("Choose one of the tables."), field="key")
        entry = find_source(form.cleaned_data["source"], form.cleaned_data["key"])
        dataset = dataset_sources.add_from_source(
            project_id=project.pk,
            by=request.user,
            source=entry.source,
            source_key=entry.key,
            name=form.cleaned_data["name"] or entry.title,
            description=entry.description,
        )
        return redirect("experiments:dataset-detail", dataset.pk)
    context = {"sources": list_sources(), "may_write": may_write(request, project.pk)}
    return render(request, "experiments/dataset_sources.html", context)


@login_needed
@require_GET
def dataset_detail(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """A dataset: its newest version at a glance, its history, the next upload."""
    live = live_state(dataset_id)
    dataset = get_dataset(request.user, dataset_id)
    before = parse_window(request.GET, default_limit=LIST_LIMIT).offset or None
    versions = selectors.versions_of(dataset, before=before, limit=LIST_LIMIT + 1)
    newest = selectors.newest_version(dataset) if before else next(iter(versions), None)
    row = selectors.dataset_row(dataset, newest)
    context = {
        "dataset": dataset,
        "row": row,
        "newest": newest,
        "versions": versions[:LIST_LIMIT],
        "next_offset": versions[LIST_LIMIT - 1].number if len(versions) > LIST_LIMIT else None,
        "may_write": may_write(request, dataset.project_id),
        "train_url": train_url(newest) if newest is not None and newest.status == "ready" else "",
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "accept": ACCEPT,
        "live": {**live, "version": newest.number if newest else None, "status": row.status},
    }
    return render(request, "experiments/dataset_detail.html", context)


@login_needed
@require_http_methods(["GET", "POST"])
def dataset_edit(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Rename and describe."""
    dataset = get_dataset(request.user, dataset_id, need="write")
    initial = {"name": dataset.name, "description": dataset.description}
    form = DatasetForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            datasets.update_dataset(dataset=dataset, **form.cleaned_data)
        except DomainError as error:
            form.add_error(_field_of(form, error), error.message)
        else:
            messages.success(request, _("Saved."))
            return redirect("experiments:dataset-detail", dataset.pk)
    status = 400 if form.is_bound else 200
    context = {"dataset": dataset, "form": form}
    return render(request, "experiments/dataset_edit.html", context, status=status)


@login_needed
@require_POST
def dataset_shelve(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Archive or restore."""
    dataset = get_dataset(request.user, dataset_id, need="write")
    if request.POST.get("archived") == "yes":
        datasets.archive_dataset(dataset=dataset)
        messages.success(request, _("Archived. Runs and models keep their data."))
    else:
        datasets.restore_dataset(dataset=dataset)
        messages.success(request, _("Restored."))
    return redirect("experiments:dataset-detail", dataset.pk)


@login_needed
@require_POST
def dataset_fetch(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Fetch the table from its source again."""
    dataset = get_dataset(request.user, dataset_id, need="write")
    dataset_sources.fetch_again(dataset=dataset, by=request.user)
    return redirect("experiments:dataset-detail", dataset.pk)


def _list_pager(total: int, offset: int, limit: int) -> dict[str, Any]:
    end = min(offset + limit, total)
    return {
        "range_text": f"{offset + 1:,}–{end:,} / {total:,}" if total else "",
        "previous_offset": max(0, offset - limit) if offset else None,
        "next_offset": end if end < total else None,
    }


def _store_files(
    request: HttpRequest, form: UploadForm, project_id: int, dataset: Dataset | None
) -> list[datasets.UploadOutcome]:
    """Store each file of the form on its own; the first refusal ends it."""
    files = request.FILES.getlist("file")
    if not files:
        raise Invalid(_("Choose a file first."), field="file")
    if not form.is_valid():
        raise Invalid(_("Look at the reading options again."), field=next(iter(form.errors)))
    name = form.cleaned_data["name"] if len(files) == 1 and dataset is None else ""
    return [
        datasets.upload_version(
            project_id=project_id,
            by=request.user,
            upload=datasets.Upload(
                chunks=file.chunks(CHUNK_BYTES), file_name=file.name or "", options=form.options()
            ),
            name=name,
            dataset=dataset,
        )
        for file in files
    ]


def _uploaded(request: HttpRequest, outcomes: list[datasets.UploadOutcome]) -> HttpResponse:
    for one in outcomes:
        if not one.is_new:
            text = _(
                "“%(file)s” holds the same bytes as version %(number)s, so it is that version."
            )
            messages.info(
                request, text % {"file": one.version.file_name, "number": one.version.number}
            )
    version = outcomes[-1].version
    url = reverse("experiments:dataset-version", args=[version.dataset_id, version.number])
    if _wants_json(request):
        body = {"id": version.dataset_id, "version": version.number, "url": url}
        return JsonResponse({**body, "created": outcomes[-1].is_new}, status=201)
    return redirect(url if len(outcomes) == 1 else "experiments:dataset-list")


def _refused_upload(request: HttpRequest, form: UploadForm, error: DomainError) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse(error_body(error, request), status=error.status)
    form.add_error(_field_of(form, error), error.message)
    return _upload_page(request, form, status=error.status)


def _upload_page(request: HttpRequest, form: UploadForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "max_bytes": settings.MAX_UPLOAD_BYTES, "accept": ACCEPT}
    return render(request, "experiments/dataset_upload.html", context, status=status)


def _field_of(form: Any, error: DomainError) -> str | None:
    field = error.details.get("field")
    return field if field in form.fields else None


def _wants_json(request: HttpRequest) -> bool:
    return not request.accepts("text/html")
