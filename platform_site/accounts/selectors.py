"""What the account pages and endpoints show, in a fixed number of queries."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet

from platform_site.accounts.models import ApiToken, Membership, Project, User
from platform_site.core.clock import now


@dataclass(frozen=True)
class TokenRow:
    """A token as its owner may see it."""

    key: str
    name: str
    scope: str
    scope_label: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    is_expired: bool


@dataclass(frozen=True)
class ProjectRow:
    """A project with the person's own role in it."""

    id: int
    name: str
    slug: str
    description: str
    created_at: datetime
    n_members: int
    role: str
    role_label: str


def token_row(token: ApiToken) -> TokenRow:
    """Return what may be shown of a token."""
    return TokenRow(
        key=token.token_key,
        name=token.name,
        scope=token.scope,
        scope_label=token.get_scope_display(),
        created_at=token.created,
        last_used_at=token.last_used_at,
        expires_at=token.expiry,
        is_expired=token.is_expired(now()),
    )


def token_rows(user: User) -> list[TokenRow]:
    """Return the person's tokens, newest first; their number is bounded when they are issued."""
    return [token_row(token) for token in ApiToken.objects.filter(user=user).order_by("-created")]


def project_rows(user: User, *, limit: int = 1000, offset: int = 0) -> list[ProjectRow]:
    """Return the projects that the person may see, by name; three queries."""
    roles = dict(Membership.objects.filter(user_id=user.pk).values_list("project_id", "role"))
    fallback = Membership.Role.ADMINISTRATOR if user.is_superuser else Membership.Role.VIEWER
    visible = Project.objects.visible_to(user).values("pk")
    rows = list(
        Project.objects.filter(pk__in=visible).order_by("name", "pk")[offset : offset + limit]
    )
    counts: dict[int, int] = dict.fromkeys([project.pk for project in rows], 0)
    counted = Membership.objects.filter(project_id__in=counts).values_list("project_id")
    counts.update(counted.annotate(n=Count("pk")))
    return [
        project_row(
            project,
            role=fallback if user.is_superuser else roles.get(project.pk, fallback),
            n_members=counts[project.pk],
        )
        for project in rows
    ]


def project_row(project: Project, *, role: str, n_members: int) -> ProjectRow:
    """Return what is shown of a project."""
    return ProjectRow(
        id=project.pk,
        name=project.name,
        slug=project.slug,
        description=project.description,
        created_at=project.created_at,
        n_members=n_members,
        role=role,
        role_label=str(Membership.Role(role).label),
    )


def member_rows(project: Project) -> QuerySet[Membership]:
    """Return the memberships of a project with their people, by name."""
    return (
        Membership.objects.filter(project=project).select_related("user").order_by("user__username")
    )


def everybody() -> QuerySet[User]:
    """Return all people, by name."""
    return User.objects.order_by("username")
