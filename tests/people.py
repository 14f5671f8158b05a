"""The same three people in every test: Alice owns, Bob is in her team, Charlie is a stranger."""

from platform_site.accounts.models import Membership, Project, User

PASSWORD = "correct horse battery"  # noqa: S105


def person(name: str, **fields: object) -> User:
    """Return a user who can sign in with PASSWORD."""
    existing = User.objects.filter(username=name).first()
    return existing or User.objects.create_user(name, f"{name}@example.org", PASSWORD, **fields)


def project_of(*members: tuple[User, str], name: str = "Stars") -> Project:
    """Return a project with these (person, role) members."""
    project, _ = Project.objects.get_or_create(slug=name.lower(), defaults={"name": name})
    for user, role in members:
        Membership.objects.get_or_create(project=project, user=user, defaults={"role": role})
    return project
