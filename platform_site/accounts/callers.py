"""Who is calling, in the few words that a program's request needs; good for a moment, not longer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_site.accounts.access import ROLES_FOR, Need
from platform_site.accounts.models import Membership, Project, User
from platform_site.core.errors import Forbidden, NotFound

READ_ONLY_TOKEN = "This token may only read."  # noqa: S105  # a message


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, what the credential allows, and the role in each project that they may see."""

    user_id: int
    username: str
    is_superuser: bool = False
    may_write: bool = True
    roles: Mapping[int, str] = field(default_factory=dict)
    slugs: Mapping[str, int] = field(default_factory=dict)

    def role_in(self, project_id: int) -> str | None:
        """Return the role in the project, or None for a stranger."""
        if self.is_superuser:
            return Membership.Role.ADMINISTRATOR
        return self.roles.get(project_id)

    def require(self, project_id: int, need: Need = "read", what: str = "object") -> None:
        """Refuse unless role and credential suffice; as `accounts.access.require`, without a query.

        Raises:
            NotFound: for strangers, who may not learn that the object exists.
            Forbidden: for members whose role is too small, and for read-only tokens.
        """
        role = self.role_in(project_id)
        if role is None:
            raise NotFound(f"No such {what}.")
        if need != "read" and not self.may_write:
            raise Forbidden(READ_ONLY_TOKEN, need=need)
        if role not in ROLES_FOR[need]:
            raise Forbidden(f"Your role in this project ({role}) does not allow this.", need=need)

    def visible_projects(self) -> list[int]:
        """Return the numbers of the projects that the caller may see, oldest first."""
        return sorted(self.roles)

    def default_project(self, need: Need = "read") -> int:
        """Return the oldest project in which the caller may do this.

        Raises:
            Forbidden: when there is none.
        """
        fitting = [number for number, role in self.roles.items() if role in ROLES_FOR[need]]
        if not fitting:
            raise Forbidden("You are not a member of any project in which you may do this.")
        return min(fitting)

    def project_named(self, name: str) -> int:
        """Return the number of the project with this slug or number.

        Raises:
            NotFound: when there is none that the caller may see.
        """
        number = self.slugs.get(name)
        if number is None and name.isascii() and name.isdigit() and len(name) <= 18:
            number = int(name) if int(name) in self.roles else None
        if number is None:
            raise NotFound("No such project.")
        return number


def caller_for(user: User, *, may_write: bool) -> Caller:
    """Return the person as a caller; one query."""
    if user.is_superuser:
        rows = [
            (number, slug, str(Membership.Role.ADMINISTRATOR))
            for number, slug in Project.objects.values_list("id", "slug")
        ]
    else:
        rows = list(
            Membership.objects.filter(user=user).values_list("project_id", "project__slug", "role")
        )
    return Caller(
        user_id=user.pk,
        username=user.username,
        is_superuser=user.is_superuser,
        may_write=may_write,
        roles={number: role for number, _, role in rows},
        slugs={slug: number for number, slug, _ in rows},
    )
