"""Pages of experiments: the list, and making, renaming, deleting and restoring them."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from experiments.access import get_experiment
from experiments.selectors.experiments import experiment_rows
from experiments.services.experiments import (
    create_experiment,
    delete_experiment,
    rename_experiment,
    restore_experiment,
)
from platform_site.accounts.access import ROLES_FOR, role_in, signed_in
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid
from platform_site.core.paging import parse_window
from platform_site.events.snapshots import place

VIEWS = ("active", "deleted", "all")
LIST_LIMIT = 50
MAX_WORDS_CHARS = 200


@login_needed
@require_safe
def experiment_list(request: HttpRequest) -> HttpResponse:
    """The project's experiments, newest first."""
    project = current_project(request)
    live = place(f"project:{project.pk}")
    window = parse_window(request.GET, default_limit=LIST_LIMIT, max_limit=200)
    words = request.GET.get("search", "").replace("\x00", "")[:MAX_WORDS_CHARS]
    view = request.GET.get("view", "")
    view = view if view in VIEWS else "active"
    rows, more = experiment_rows(project.pk, words=words, view=view, window=window)

    def address(offset: int) -> str:
        return "?" + urlencode({**request.GET.dict(), "offset": offset})

    context = {
        "rows": rows,
        "words": words,
        "view": view,
        "is_filtered": bool(words) or view != "active",
        "may_write": role_in(request.user, project.pk) in ROLES_FOR["write"],
        "live": live,
        "part_url": request.get_full_path(),
        "range_text": f"{window.offset + 1}–{window.offset + len(rows)}" if rows else "",
        "previous_url": address(max(0, window.offset - window.limit)) if window.offset else "",
        "next_url": address(window.offset + window.limit) if more else "",
    }
    is_part = request.headers.get("HX-Request")
    name = "experiment_list_part" if is_part else "experiment_list"
    return render(request, f"experiments/{name}.html", context)


@login_needed
@require_POST
def experiment_new(request: HttpRequest) -> HttpResponse:
    """Make an experiment and go to its runs."""
    project = current_project(request)
    made = create_experiment(
        project=project, name=request.POST.get("name", ""), by=signed_in(request.user)
    )
    return redirect("experiments:experiment-detail", made.pk)


@login_needed
@require_POST
def experiment_change(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Rename, delete or restore an experiment."""
    experiment = get_experiment(request.user, experiment_id, need="write")
    by = signed_in(request.user)
    action = request.POST.get("action", "")
    if action == "rename":
        rename_experiment(experiment=experiment, name=request.POST.get("name", ""), by=by)
        messages.success(request, _("The experiment has another name now."))
        return redirect("experiments:experiment-detail", experiment.pk)
    if action == "delete":
        delete_experiment(experiment=experiment, by=by)
        messages.success(request, _("The experiment was deleted; it can be restored."))
    elif action == "restore":
        restore_experiment(experiment=experiment, by=by)
        messages.success(request, _("The experiment is back."))
    else:
        raise Invalid("'action' must be one of rename, delete, restore.", field="action")
    return redirect("experiments:experiment-list")
