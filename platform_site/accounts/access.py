"""Who may do what in which project: returns the project or refuses."""

from typing import Literal

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from platform_site.accounts.models import Membership, Project, User
from platform_site.core.errors import Forbidden, NotFound, Unauthenticated

Need = Literal["read", "write", "approve", "manage"]
Person = User | AnonymousUser

ROLES_FOR: dict[Need, tuple[str, ...]] = {
    "read": tuple(Membership.Role.values),
    "write": Membership.WRITING_ROLES,
    "approve": Membership.APPROVING_ROLES,
    "manage": Membership.MANAGING_ROLES,
}


def role_in(user: Person, project_id: int) -> str | None:
    """Return the person's role in the project, or None for a stranger; one query at most."""
    if not user.is_authenticated or not user.is_active:
        return None
    if user.is_superuser:
        return Membership.Role.ADMINISTRATOR
    return (
        Membership.objects.filter(project_id=project_id, user_id=user.pk)
        .values_list("role", flat=True)
        .first()
    )


def require(user: Person, project_id: int, *, need: Need, what: str = "object") -> None:
    """Refuse unless the person's role in the project suffices.

    Raises:
        NotFound: for strangers, who may not learn that the object exists.
        Forbidden: for members whose role is too small.
    """
    role = role_in(user, project_id)
    if role is None:
        raise NotFound(f"No such {what}.")
    if role not in ROLES_FOR[need]:
        raise Forbidden(f"Your role in this project ({role}) does not allow this.", need=need)


def get_project(user: Person, project_id: int, *, need: Need = "read") -> Project:
    """Return the project if the person may do this with it.

    Raises:
        NotFound: for strangers.
        Forbidden: for members whose role is too small.
    """
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        raise NotFound("No such project.")
    require(user, project.pk, need=need, what="project")
    return project


def visible_projects(user: Person) -> QuerySet[Project]:
    """Return the projects that the person may see."""
    return Project.objects.visible_to(user)


def default_project(user: Person, *, need: Need = "read") -> Project:
    """Return the project to use when none was named: the oldest one that fits the need.

    Raises:
        Forbidden: when the person belongs to no project with such a role.
    """
    projects = (
        Project.objects.visible_to(user) if need == "read" else Project.objects.writable_by(user)
    )
    project = projects.order_by("pk").first()
    if project is None:
        raise Forbidden("You are not a member of any project in which you may do this.")
    return project


def signed_in(user: Person) -> User:
    """Return the person, for routes whose rule already asked for a sign-in.

    Raises:
        Unauthenticated: for nobody.
    """
    if not isinstance(user, User):
        raise Unauthenticated("Sign in first.")
    return user


def require_superuser(user: Person) -> User:
    """Return the person if they administer the whole installation.

    Raises:
        Forbidden: for everybody else.
    """
    person = signed_in(user)
    if not person.is_superuser:
        raise Forbidden("Only administrators of the installation may do this.")
    return person


def get_person(user_id: int) -> User:
    """Return anybody by id, for administrators of the installation.

    Raises:
        NotFound: when there is nobody with this id.
    """
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        raise NotFound("No such person.")
    return person
