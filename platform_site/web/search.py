"""One search over datasets, runs and models of the person's projects."""

from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.models import Dataset, Run
from platform_site.accounts.access import visible_projects
from platform_site.core.access_rules import login_needed
from registry.models import RegisteredModel

MAX_QUERY_CHARS = 200
MOST_OF_EACH = 20


@dataclass(frozen=True)
class Found:
    """What the search found; each list is cut at twenty."""

    datasets: list[Dataset]
    runs: list[Run]
    models: list[RegisteredModel]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.datasets or self.runs or self.models)


@login_needed
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show what bears the words in its name; three queries."""
    query = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_QUERY_CHARS]
    found = _find(request, query) if query else None
    return render(request, "web/search.html", {"search_query": query, "found": found})


def _find(request: HttpRequest, query: str) -> Found:
    projects = visible_projects(request.user)
    datasets = (
        Dataset.objects.in_projects(projects)
        .filter(Q(name__icontains=query) | Q(description__icontains=query))
        .select_related("project")
        .order_by("-id")
    )
    runs = (
        Run.objects.filter(project__in=projects)
        .filter(
            Q(name__icontains=query)
            | Q(target__icontains=query)
            | Q(model_type__icontains=query)
            | Q(uuid__startswith=query.lower())
        )
        .select_related("project")
        .only("uuid", "name", "status", "model_type", "target", "created_at", "project__name")
        .order_by("-id")
    )
    models = (
        RegisteredModel.objects.filter(project__in=projects)
        .filter(Q(name__icontains=query) | Q(description__icontains=query))
        .select_related("project")
        .order_by("-id")
    )
    return Found(
        list(datasets[:MOST_OF_EACH]), list(runs[:MOST_OF_EACH]), list(models[:MOST_OF_EACH])
    )
