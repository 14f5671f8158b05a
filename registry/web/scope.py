"""Which model an address means: the one in the project that pages show, if it has one."""

from django.http import HttpRequest

from platform_site.accounts.access import Need
from platform_site.accounts.current import current_project, project_for
from platform_site.accounts.models import Project
from platform_site.core.errors import Forbidden
from registry.access import get_model, get_version
from registry.models import ModelVersion, RegisteredModel
from registry.selectors import find_model


def shown_model(request: HttpRequest, name: str, *, need: Need = "read") -> RegisteredModel:
    """Return the model of this name: of the named project, of the shown one, or of any.

    Raises:
        NotFound: for strangers and unknown names, alike.
        Conflict: when the shown project has none and several others have one.
        Forbidden: for members whose role is too small.
    """
    return get_model(request.user, name, project=_project(request, name), need=need)


def shown_version(
    request: HttpRequest, name: str, number: int, *, need: Need = "read"
) -> ModelVersion:
    """Return the version of the model that `shown_model` finds.

    Raises:
        NotFound: for strangers, unknown names and unknown numbers.
        Conflict: when the shown project has none and several others have one.
        Forbidden: for members whose role is too small.
    """
    return get_version(request.user, name, number, project=_project(request, name), need=need)


def _project(request: HttpRequest, name: str) -> Project | None:
    if request.GET.get("project"):
        return project_for(request, "read")
    try:
        project = current_project(request)
    except Forbidden:
        return None
    return project if find_model(project.pk, name) is not None else None
