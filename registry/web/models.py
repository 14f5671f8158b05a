"""Pages of registered models: list, one model, registering a run."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from experiments.access import get_run
from platform_site.accounts.access import signed_in, visible_projects
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Conflict, Invalid
from registry.models import ModelVersion, RegisteredModel
from registry.selectors import SORT_FIELDS, model_rows, prompt_tags, versions_of
from registry.services.models import describe_model
from registry.services.versions import register_run
from registry.web.scope import shown_model
from registry.web.version_page import comparison, may_write

PAGE_MODELS = 30
MAX_VERSIONS = 100
MAX_NAMES = 200
MAX_SEARCH_CHARS = 200


@login_needed
@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    """The models of the project that pages show."""
    project = current_project(request)
    search = request.GET.get("search", "").replace("\x00", "").strip()[:MAX_SEARCH_CHARS]
    sort = request.GET.get("sort", "-updated")
    rows = model_rows(
        visible_projects(request.user).filter(pk=project.pk), search=search, sort=sort
    )
    page = Paginator(rows, PAGE_MODELS).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "search": search,
        "sort": sort if sort in SORT_FIELDS else "-updated",
    }
    return render(request, "registry/model_list.html", context)


@login_needed
@require_safe
def model_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One model with its versions side by side."""
    model = shown_model(request, name)
    versions = list(versions_of(model)[:MAX_VERSIONS])
    context = {
        "model": model,
        "comparison": comparison(versions),
        "tags": sorted((tag.key, tag.value) for tag in model.tags.all()),
        "may_write": may_write(request, model),
    }
    return render(request, "registry/model_detail.html", context)


@login_needed
@require_POST
def model_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Change the description."""
    model = shown_model(request, name, need="write")
    describe_model(model=model, description=request.POST.get("description", ""))
    messages.success(request, _("The description is saved."))
    return redirect("registry:model-detail", model.name)


@login_needed
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest, uuid: str) -> HttpResponse:
    """Register a run's model under a new name or as the next version of a known one."""
    run = get_run(request.user, uuid, need="write")
    known = list(
        RegisteredModel.objects.filter(project_id=run.project_id)
        .exclude(pk__in=prompt_tags().values("model"))
        .order_by("name")
        .values_list("name", flat=True)[:MAX_NAMES]
    )
    context = {
        "run": run,
        "known": known,
        "already": ModelVersion.objects.filter(run=run).select_related("model"),
        "name": request.POST.get("name", run.register_as),
        "choice": request.POST.get("choice", ""),
        "description": request.POST.get("description", ""),
    }
    if run.model_blob_id is None:
        raise Conflict(_("This run has no model to register (yet)."))
    if request.method != "POST":
        return render(request, "registry/register.html", context)
    try:
        version = register_run(
            run=run,
            name=request.POST.get("choice") or request.POST.get("name", ""),
            by=signed_in(request.user),
            description=request.POST.get("description", ""),
        )
    except Invalid as error:
        context["error"] = error.message
        return render(request, "registry/register.html", context, status=error.status)
    messages.success(request, _("Registered as version %(n)d.") % {"n": version.number})
    return redirect("registry:version-detail", version.model.name, version.number)
