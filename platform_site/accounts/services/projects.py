"""Make projects and decide who belongs to them."""

from django.db import IntegrityError
from django.utils.text import slugify

from platform_site.accounts.models import Membership, Project, User
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.names import canonical_name
from platform_site.core.transactions import write_transaction

MAX_DESCRIPTION_CHARS = 4000


def create_project(*, by: User, name: str, description: str = "") -> Project:
    """Return a new project whose administrator is the person who made it.

    Raises:
        Invalid: for a bad name or description.
        Conflict: when the name is taken.
    """
    name = canonical_name(name)
    _check_description(description)
    try:
        with write_transaction():
            project = Project.objects.create(
                name=name, slug=_free_slug(name), description=description, created_by=by
            )
            Membership.objects.create(project=project, user=by, role=Membership.Role.ADMINISTRATOR)
    except IntegrityError as error:
        raise _name_taken(name) from error
    return project


def update_project(
    *, project: Project, name: str | None = None, description: str | None = None
) -> Project:
    """Return the project with the given fields changed; its slug stays, as scripts use it.

    Raises:
        Invalid: for a bad name or description.
        Conflict: when the name is taken.
    """
    changes: dict[str, str] = {}
    if name is not None:
        changes["name"] = canonical_name(name)
    if description is not None:
        _check_description(description)
        changes["description"] = description
    try:
        with write_transaction():
            Project.objects.filter(pk=project.pk).update(**changes)
    except IntegrityError as error:
        raise _name_taken(changes["name"]) from error
    project.refresh_from_db()
    return project


def add_member(*, project: Project, username: str, role: str) -> Membership:
    """Return the new membership of an existing, active person.

    Raises:
        Invalid: when there is no such person or role.
        Conflict: when the person is a member already.
    """
    _check_role(role)
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise Invalid("There is no active person with this user name.", field="username")
    try:
        with write_transaction():
            return Membership.objects.create(project=project, user=user, role=role)
    except IntegrityError as error:
        raise Conflict(
            f"{username} is a member of this project already.", code="already_member"
        ) from error


def change_role(*, project: Project, user_id: int, role: str) -> Membership:
    """Return the membership with its new role.

    Raises:
        Invalid: for an unknown role.
        NotFound: when the person is not a member.
        Conflict: when nobody would be left to administer the project.
    """
    _check_role(role)
    with write_transaction():
        membership = _locked_membership(project, user_id)
        if role != Membership.Role.ADMINISTRATOR:
            _keep_an_administrator(membership)
        membership.role = role
        membership.save(update_fields=["role"])
    return membership


def remove_member(*, project: Project, user_id: int) -> None:
    """End a membership.

    Raises:
        NotFound: when the person is not a member.
        Conflict: when nobody would be left to administer the project.
    """
    with write_transaction():
        membership = _locked_membership(project, user_id)
        _keep_an_administrator(membership)
        membership.delete()


def _locked_membership(project: Project, user_id: int) -> Membership:
    """Serialise changes of one project's members, so that two cannot both remove the last but one."""
    Project.objects.select_for_update().get(pk=project.pk)
    # By person, not by key column: an id beyond the column is then nobody instead of an error.
    user = User.objects.filter(pk=user_id).first()
    membership = (
        Membership.objects.select_related("user").filter(project=project, user=user).first()
        if user is not None
        else None
    )
    if membership is None:
        raise NotFound("This person is not a member of the project.")
    return membership


def _keep_an_administrator(membership: Membership) -> None:
    if membership.role != Membership.Role.ADMINISTRATOR:
        return
    others = Membership.objects.filter(
        project_id=membership.project_id,
        role=Membership.Role.ADMINISTRATOR,
        user__is_active=True,
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise Conflict(
            "This is the project's last administrator; make somebody else administrator first.",
            code="last_administrator",
        )


def _check_role(role: str) -> None:
    if role not in Membership.Role.values:
        known = ", ".join(Membership.Role.values)
        raise Invalid(f"'role' must be one of: {known}.", field="role")


def _check_description(description: str) -> None:
    if len(description) > MAX_DESCRIPTION_CHARS:
        raise Invalid(
            f"'description' is longer than {MAX_DESCRIPTION_CHARS} characters.", field="description"
        )


def _free_slug(name: str) -> str:
    """Return an unused slug that cannot be taken for an id."""
    stem = slugify(name)[:80] or "project"
    if stem.isdigit():
        stem = f"project-{stem}"
    taken = set(Project.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    number = 1
    slug = stem
    while slug in taken:
        number += 1
        slug = f"{stem}-{number}"
    return slug


def _name_taken(name: str) -> Conflict:
    return Conflict(f"A project with the name “{name}” exists already.", code="name_taken")
