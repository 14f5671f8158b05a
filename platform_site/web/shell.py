"""What the frame of every page needs: projects, theme, where we are."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from platform_site.accounts.access import visible_projects

THEME_COOKIE = "assay_theme"
THEMES = frozenset({"light", "dark", "system"})
PROJECT_KEY = "project_id"


@dataclass(frozen=True)
class ProjectChoice:
    """One entry of the project switch."""

    id: int
    name: str


@dataclass(frozen=True)
class Shell:
    """The frame of a page."""

    projects: list[ProjectChoice]
    project: ProjectChoice | None
    nav_active: str
    theme: str
    version: str


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the frame for templates; one query for signed-in people, none otherwise."""
    user = getattr(request, "user", None)
    projects: list[ProjectChoice] = []
    if user is not None and user.is_authenticated:
        rows = visible_projects(user).order_by("name").values_list("id", "name")
        projects = [ProjectChoice(id=number, name=name) for number, name in rows]
    chosen = request.session.get(PROJECT_KEY) if hasattr(request, "session") else None
    current = next((project for project in projects if project.id == chosen), None)
    theme = request.COOKIES.get(THEME_COOKIE, "system")
    match = request.resolver_match
    return {
        "shell": Shell(
            projects=projects,
            project=current or (min(projects, key=lambda one: one.id) if projects else None),
            nav_active=(match.url_name or "").split("-")[0] if match else "",
            theme=theme if theme in THEMES else "system",
            version=settings.VERSION,
        )
    }
