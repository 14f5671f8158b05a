"""Pages with a table of runs: of one experiment, or of all experiments of a project."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.access import get_experiment
from experiments.models import Experiment, SavedView
from experiments.selectors.run_columns import ATTRIBUTES, KINDS, PARENT_TAG, Column
from experiments.selectors.run_search import RunScope, used_keys
from experiments.selectors.run_table import PAGE_ROWS, TablePage, TableQuery, table_page
from experiments.selectors.saved_views import find_view, visible_views
from experiments.web.run_csv import csv_answer
from experiments.web.run_table_page import column_label, fixed_columns, headers, lines
from experiments.web.table_query import TableAddress, parse_address
from platform_site.accounts.access import ROLES_FOR, role_in
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid
from platform_site.core.paging import parse_whole_number
from platform_site.events.snapshots import place

MAX_KEYS = 100


@dataclass(frozen=True)
class Place:
    """Which table somebody looks at."""

    project_id: int
    experiment: Experiment | None

    @property
    def scope(self) -> RunScope:
        """Where its search looks."""
        return RunScope(self.project_id, self.experiment.pk if self.experiment else None)


@login_needed
@require_safe
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs of all experiments of the project that pages show."""
    return _table(request, Place(current_project(request).pk, None))


@login_needed
@require_safe
def experiment_detail(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """The runs of one experiment."""
    experiment = get_experiment(request.user, experiment_id)
    return _table(request, Place(experiment.project_id, experiment))


@login_needed
@require_safe
def run_columns(request: HttpRequest) -> HttpResponse:
    """Keys that runs of the table have, most used first, as JSON for the column picker."""
    where = _place(request)
    words = request.GET.get("q", "").replace("\x00", "")[:250]
    found = [
        {"id": column.id, "kind": column.kind, "label": str(column_label(column)), "n": n}
        for column, n in used_keys(where.scope, words, limit=MAX_KEYS)
    ]
    return JsonResponse({"columns": found, "limit": MAX_KEYS})


@login_needed
@require_safe
def run_csv(request: HttpRequest) -> HttpResponseBase:
    """The runs that the table's filter finds, as CSV."""
    where = _place(request)
    address = parse_address(request.GET)
    uuids = [one for one in request.GET.get("runs", "").split(",") if one]
    return csv_answer(request, where.scope, address, uuids)


def _place(request: HttpRequest) -> Place:
    named = request.GET.get("experiment", "")
    if not named:
        return Place(current_project(request).pk, None)
    number = parse_whole_number(named, "experiment", 0)
    experiment = get_experiment(request.user, number)
    return Place(experiment.project_id, experiment)


def _table(request: HttpRequest, where: Place) -> HttpResponse:
    live = place(f"project:{where.project_id}")
    saved = _saved_view(request, where)
    address = parse_address(saved.query if saved and _is_bare(request) else request.GET)
    page, problem = _found(where, address, request.GET.get("after", ""))
    role = role_in(request.user, where.project_id)
    context = {
        "experiment": where.experiment,
        "may_write": role in ROLES_FOR["write"],
        "address": address,
        "problem": problem,
        "live": live,
        "saved": saved,
        "is_first": not request.GET.get("after"),
        "part_url": request.get_full_path(),
        "here": request.path,
        **_shown(where, address, page),
    }
    status = problem.status if problem else 200
    if request.headers.get("HX-Request"):
        return render(request, "experiments/run_table_part.html", context, status=status)
    context["views"] = visible_views(request.user, where.project_id, where.experiment)
    context["attributes"] = [
        (column.id, column_label(column))
        for column in (Column("attributes", key) for key in ATTRIBUTES if key != "run_name")
    ]
    return render(request, "experiments/run_table.html", context, status=status)


def _is_bare(request: HttpRequest) -> bool:
    """Whether the address names a saved view and changes nothing of it."""
    return not set(request.GET) - {"saved", "after"}


def _saved_view(request: HttpRequest, where: Place) -> SavedView | None:
    named = request.GET.get("saved", "")
    if not named:
        return None
    number = parse_whole_number(named, "saved", 0)
    return find_view(request.user, where.project_id, where.experiment, number)


def _found(where: Place, address: TableAddress, token: str) -> tuple[TablePage, Invalid | None]:
    """Return the page, or an empty one and what is wrong with the filter."""
    query = TableQuery(
        scope=where.scope,
        filter_text=address.filter_text,
        order_by=address.order_by,
        view=address.view or "active",
        columns=address.cols or None,
        group=address.group_column,
        token=token,
        limit=PAGE_ROWS,
    )
    try:
        return table_page(query), None
    except Invalid as error:
        return TablePage([], (), ""), error


def _shown(where: Place, address: TableAddress, page: TablePage) -> dict[str, Any]:
    columns = address.cols or (
        *fixed_columns(page, with_experiment=where.experiment is None),
        *page.columns,
    )
    grouped = address.group_column
    choices = [Column("tags", PARENT_TAG), *(one for one in columns if one.kind == "params")]
    if grouped is not None and grouped not in choices:
        choices.append(grouped)
    return {
        "lines": lines(page, columns, grouped),
        "headers": headers(columns, address),
        "columns": columns,
        "groups": [(one.id, column_label(one)) for one in choices],
        "n_columns": len(columns) + 2,
        "next_url": _next_url(address, page),
        "is_filtered": bool(address.q or address.view),
        "kinds": KINDS,
    }


def _next_url(address: TableAddress, page: TablePage) -> str:
    if not page.next_token:
        return ""
    query = address.address()
    return f"{query}{'&' if len(query) > 1 else ''}after={page.next_token}"
