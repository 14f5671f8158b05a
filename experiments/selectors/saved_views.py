"""Saved views that a person may use: their own and those shared in the project."""

from django.db.models import Q, QuerySet

from experiments.models import Experiment, SavedView
from platform_site.accounts.access import Person
from platform_site.core.errors import NotFound

MOST_LISTED = 100


def visible_views(
    user: Person, project_id: int, experiment: Experiment | None
) -> QuerySet[SavedView]:
    """Return the views of this table by name, a hundred at most."""
    return (
        _usable(user, project_id)
        .filter(experiment=experiment)
        .select_related("created_by")
        .order_by("name", "id")[:MOST_LISTED]
    )


def find_view(
    user: Person, project_id: int, experiment: Experiment | None, number: int
) -> SavedView:
    """Return the view of this table if the person may use it.

    Raises:
        NotFound: for unknown views and for other people's private ones, alike.
    """
    view = (
        _usable(user, project_id)
        .filter(pk=number, experiment=experiment)
        .select_related("created_by")
        .first()
    )
    if view is None:
        raise NotFound("No such saved view.")
    return view


def _usable(user: Person, project_id: int) -> QuerySet[SavedView]:
    mine_or_shared = Q(is_shared=True) | Q(created_by_id=user.pk)
    return SavedView.objects.filter(mine_or_shared, project_id=project_id)
