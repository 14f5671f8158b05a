"""Which project a request is about: named by the caller, chosen in the session, or the default."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from rest_framework.request import Request

from platform_site.accounts.access import Need, default_project, require, visible_projects
from platform_site.accounts.models import ApiToken, Project, User
from platform_site.core.errors import Invalid, NotFound

PROJECT_HEADER = "X-Assay-Project"
PROJECT_PARAMETER = "project"
SESSION_KEY = "project_id"
MAX_NAME_CHARS = 100


def project_for(request: HttpRequest | Request, need: Need) -> Project:
    """Return the project that this request works in.

    A project named in the header ``X-Assay-Project`` or the query parameter ``project`` (id or
    slug) wins. Otherwise a person with a session works in the project that the page shows;
    a program with a token works in its oldest project that fits the need.

    Raises:
        NotFound: when a project is named that does not exist or that the person may not see.
        Forbidden: when the role is too small, or there is no project to fall back to.
        Invalid: when header and parameter name different projects.
    """
    user = request.user
    named = _named(request)
    if named is not None:
        project = _visible(user, named)
    elif isinstance(getattr(request, "auth", None), ApiToken):
        project = default_project(user, need=need)
    else:
        project = current_project(request)
    require(user, project.pk, need=need, what="project")
    return project


def current_project(request: HttpRequest | Request) -> Project:
    """Return the project that pages show: the session's choice, or the oldest visible one.

    Raises:
        Forbidden: when the person belongs to no project.
    """
    chosen = request.session.get(SESSION_KEY)
    if isinstance(chosen, int):
        project = visible_projects(request.user).filter(pk=chosen).first()
        if project is not None:
            return project
    return default_project(request.user)


def _named(request: HttpRequest | Request) -> str | None:
    header = request.headers.get(PROJECT_HEADER, "").strip()
    parameter = request.GET.get(PROJECT_PARAMETER, "").strip()
    if header and parameter and header != parameter:
        raise Invalid(
            f"The header {PROJECT_HEADER} and the parameter '{PROJECT_PARAMETER}' name"
            " different projects.",
            field=PROJECT_PARAMETER,
        )
    return header or parameter or None


def _visible(user: User | AnonymousUser, name: str) -> Project:
    projects = visible_projects(user)
    if len(name) <= MAX_NAME_CHARS:
        project = projects.filter(slug=name).first()
        if project is None and name.isascii() and name.isdigit() and len(name) <= 18:
            project = projects.filter(pk=int(name)).first()
        if project is not None:
            return project
    raise NotFound("No such project.")
