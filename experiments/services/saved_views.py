"""Keeping ways to look at a table of runs, for oneself or for the project."""

from collections.abc import Mapping
from typing import Final

from experiments.models import Experiment, SavedView
from platform_site.accounts.access import require
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import NotFound, TooMany
from platform_site.core.names import canonical_name
from platform_site.core.transactions import write_transaction

MOST_VIEWS: Final = 200


def save_view(
    *,
    project_id: int,
    experiment: Experiment | None,
    name: str,
    query: Mapping[str, str],
    is_shared: bool,
    by: User,
) -> SavedView:
    """Return the view, made or replaced under its name.

    Raises:
        NotFound: for strangers.
        Forbidden: when a viewer wants to share it.
        Invalid: for a bad name.
        TooMany: when the person keeps two hundred of them in this project.
    """
    require(by, project_id, need="write" if is_shared else "read", what="project")
    clean = canonical_name(name)
    with write_transaction():
        mine = SavedView.objects.filter(project_id=project_id, created_by=by)
        view = mine.filter(experiment=experiment, name=clean).first()
        if view is None and mine.count() >= MOST_VIEWS:
            raise TooMany(f"You keep {MOST_VIEWS} views in this project; delete some first.")
        view = view or SavedView(
            project_id=project_id, experiment=experiment, name=clean, created_by=by
        )
        view.query, view.is_shared, view.created_at = dict(query), is_shared, now()
        view.save()
    return view


def delete_view(*, view: SavedView, by: User) -> None:
    """Delete a view; others' shared ones are for those who manage the project.

    Raises:
        NotFound: for strangers, and for private views of others.
        Forbidden: for members who neither made a shared view nor manage the project.
    """
    if view.created_by_id != by.pk:
        if not view.is_shared:
            raise NotFound("No such saved view.")
        require(by, view.project_id, need="manage", what="saved view")
    with write_transaction():
        view.delete()
