"""Actions on several runs of a table, and on the ways to look at it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from experiments.access import get_experiment, get_runs
from experiments.models import Experiment, SavedView
from experiments.services import run_edits
from experiments.services.saved_views import delete_view, save_view
from experiments.web.table_query import parse_address
from platform_site.accounts.access import require, signed_in
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.paging import parse_whole_number

ACTIONS = ("tag", "delete", "restore")


@login_needed
@require_POST
def run_bulk(request: HttpRequest) -> HttpResponse:
    """Tag, delete or restore the chosen runs, all of them or none."""
    action = request.POST.get("action", "")
    if action not in ACTIONS:
        raise Invalid(f"'action' must be one of {', '.join(ACTIONS)}.", field="action")
    uuids = request.POST.getlist("run")
    if not 1 <= len(uuids) <= run_edits.MOST_AT_ONCE:
        raise Invalid(f"Choose 1 to {run_edits.MOST_AT_ONCE} runs.", field="run")
    runs = get_runs(request.user, uuids, need="write")
    by = signed_in(request.user)
    n = len(runs)
    if action == "tag":
        key, value = request.POST.get("key", ""), request.POST.get("value", "")
        run_edits.tag_runs(runs=runs, key=key, value=value, by=by)
        text = ngettext("%(n)d run was tagged.", "%(n)d runs were tagged.", n)
    elif action == "delete":
        run_edits.delete_runs(runs=runs, by=by)
        text = ngettext("%(n)d run was deleted.", "%(n)d runs were deleted.", n)
    else:
        run_edits.restore_runs(runs=runs, by=by)
        text = ngettext("%(n)d run was restored.", "%(n)d runs were restored.", n)
    messages.success(request, text % {"n": n})
    return redirect(_next(request))


def _next(request: HttpRequest) -> str:
    """Return the table that the person came from; never another host."""
    wanted = request.POST.get("next", "")
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(wanted, here, require_https=request.is_secure()):
        return wanted
    return reverse("experiments:run-list")


@login_needed
@require_POST
def saved_view_new(request: HttpRequest) -> HttpResponse:
    """Keep filter, order, columns and groups under a name."""
    experiment: Experiment | None = None
    named = request.POST.get("experiment", "")
    if named:
        experiment = get_experiment(request.user, parse_whole_number(named, "experiment", 0))
    view = save_view(
        project_id=experiment.project_id if experiment else current_project(request).pk,
        experiment=experiment,
        name=request.POST.get("name", ""),
        query=parse_address(request.POST).to_query(),
        is_shared=bool(request.POST.get("shared")),
        by=signed_in(request.user),
    )
    messages.success(request, _("The view is saved; its address can be sent to others."))
    return redirect(f"{_table_of(view)}?saved={view.pk}")


@login_needed
@require_POST
def saved_view_delete(request: HttpRequest, view_id: int) -> HttpResponse:
    """Delete a view; runs are not touched."""
    view = SavedView.objects.select_related("experiment").filter(pk=view_id).first()
    if view is None:
        raise NotFound("No such saved view.")
    require(request.user, view.project_id, need="read", what="saved view")
    delete_view(view=view, by=signed_in(request.user))
    return redirect(_table_of(view))


def _table_of(view: SavedView) -> str:
    if view.experiment_id is None:
        return reverse("experiments:run-list")
    return reverse("experiments:experiment-detail", args=[view.experiment_id])
