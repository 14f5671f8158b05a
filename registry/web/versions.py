"""Pages of one version of a model: overview, card, try it, files, programs, download."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from assets.storage import blob_path
from experiments.web.try_form import try_answer, try_view
from platform_site.accounts.access import Need, signed_in
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import DomainError, Invalid
from platform_site.core.file_answers import file_answer
from registry.access import get_batch
from registry.api.batch_files import batch_answer
from registry.models import ModelVersion
from registry.selectors import batches_of
from registry.services.predictions import PredictionFile, own_model, start_batch
from registry.services.versions import edit_card
from registry.web.card_html import card_html
from registry.web.scope import shown_version
from registry.web.version_page import (
    batch_places,
    batch_rows,
    input_rows,
    snippets,
    tried_model,
    version_frame,
    version_metrics,
)

CHUNK_BYTES = 1 << 20


@login_needed
@require_safe
def version_detail(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The version's lineage, figures and inputs."""
    version = shown_version(request, name, number)
    manifest = version.manifest or {}
    context = {
        "frame": version_frame(request, version, tab="overview"),
        "metrics": version_metrics(version),
        "inputs": input_rows(manifest),
        "classes": manifest.get("classes") or [],
        "made_with": sorted((manifest.get("versions") or {}).items()),
        "complete": manifest.get("complete", True),
        "aliases": sorted(alias.name for alias in version.aliases.all()),
        "tags": sorted((tag.key, tag.value) for tag in version.tags.all()),
    }
    return render(request, "registry/version_detail.html", context)


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def version_card(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The model card; POST replaces it."""
    need: Need = "write" if request.method == "POST" else "read"
    version = shown_version(request, name, number, need=need)
    if request.method != "POST":
        return _card(request, version, version.card)
    card = request.POST.get("card", "").replace("\r\n", "\n")
    try:
        edit_card(version=version, card=card)
    except Invalid as error:
        return _card(request, version, card, error=error.message)
    messages.success(request, _("The model card is saved."))
    return redirect("registry:version-card", version.model.name, version.number)


def _card(
    request: HttpRequest, version: ModelVersion, card: str, *, error: str = ""
) -> HttpResponse:
    context = {
        "frame": version_frame(request, version, tab="card"),
        "html": card_html(version.card),
        "card": card,
        "error": error,
    }
    return render(request, "registry/version_card.html", context, status=400 if error else 200)


@login_needed
@require_safe
def version_file(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """Send the model file; its SHA-256 stands on the page."""
    version = shown_version(request, name, number)
    blob, _manifest = own_model(version)
    return file_answer(
        request,
        blob_path(blob.sha256),
        file_name=f"{version.model.name}-v{version.number}.skops",
    )


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def version_try(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Type values and see what this version says, with reasons."""
    version = shown_version(request, name, number)
    if version.model_blob is None:
        return _clients(request, version, "try")
    action = reverse("registry:version-try", args=[version.model.name, version.number])
    view = try_view(request, tried_model(version), action=action)
    context = {"frame": version_frame(request, version, tab="try")}
    return try_answer(request, view, "registry/version_try.html", context)


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def version_files(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Predict whole files; POST puts one in line."""
    if request.method == "POST":
        return _start_batch(request, shown_version(request, name, number, need="write"))
    version = shown_version(request, name, number)
    if version.model_blob is None:
        return _clients(request, version, "files")
    return _files(request, version)


def _clients(request: HttpRequest, version: ModelVersion, tab: str) -> HttpResponse:
    """Say why a client's version cannot be asked here, and how to load it."""
    context = {"frame": version_frame(request, version, tab=tab)}
    return render(request, "registry/version_client.html", context)


def _files(request: HttpRequest, version: ModelVersion, *, error: str = "") -> HttpResponse:
    places = batch_places(batches_of(version))
    context = {
        "frame": version_frame(request, version, tab="files"),
        # Read again after the places: what happened in between is told twice, never missed.
        "batches": batch_rows(batches_of(version), places),
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "error": error,
    }
    return render(request, "registry/version_files.html", context, status=400 if error else 200)


def _start_batch(request: HttpRequest, version: ModelVersion) -> HttpResponse:
    wants_json = "application/json" in request.headers.get("Accept", "")
    try:
        files = request.FILES.getlist("file")
        if len(files) != 1:
            raise Invalid(_("Choose one file."), field="file")
        file = PredictionFile(files[0].chunks(CHUNK_BYTES), files[0].name or "rows")
        batch = start_batch(version=version, file=file, by=signed_in(request.user))
    except DomainError as error:
        if wants_json:
            return JsonResponse({"detail": error.message}, status=error.status)
        return _files(request, version, error=error.message)
    if wants_json:
        return JsonResponse({"id": batch.pk}, status=202)
    messages.success(request, _("The file is in line."))
    return redirect("registry:version-files", version.model.name, version.number)


@login_needed
@require_safe
def version_programs(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """How programs ask this version."""
    version = shown_version(request, name, number)
    if version.model_blob is None:
        return _clients(request, version, "programs")
    context = {
        "frame": version_frame(request, version, tab="programs"),
        "snippets": snippets(request, version),
    }
    return render(request, "registry/version_programs.html", context)


@login_needed
@require_safe
def batch_download(request: HttpRequest, batch_id: int) -> HttpResponseBase:
    """Send the predictions of a file as CSV or Parquet."""
    batch = get_batch(request.user, batch_id)
    return batch_answer(request, batch, request.GET.get("as", "csv"))
