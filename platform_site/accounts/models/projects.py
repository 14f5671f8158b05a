"""Projects and who belongs to them with which role."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models.functions import Lower

if TYPE_CHECKING:
    from platform_site.accounts.models.users import User

DEFAULT_PROJECT_SLUG = "default"


class ProjectQuerySet(models.QuerySet["Project"]):
    """Sets of projects."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Return the projects that this person may see."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        return self.filter(memberships__user_id=user.pk)

    def writable_by(self, user: "User | AnonymousUser") -> Self:
        """Return the projects in which this person may change things."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.all()
        return self.filter(
            memberships__user_id=user.pk, memberships__role__in=Membership.WRITING_ROLES
        )


class Project(models.Model):
    """The fence around datasets, runs and models: members see all of it, strangers nothing."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    description = models.TextField(blank=True, max_length=4000)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        """One project per name, whatever its case."""

        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="project_name_unique_any_case"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Membership(models.Model):
    """A person's role in a project."""

    class Role(models.TextChoices):
        """From reading only to deciding who may."""

        VIEWER = "viewer", "Viewer"
        EDITOR = "editor", "Editor"
        APPROVER = "approver", "Approver"
        ADMINISTRATOR = "administrator", "Administrator"

    WRITING_ROLES = ("editor", "approver", "administrator")
    APPROVING_ROLES = ("approver", "administrator")
    MANAGING_ROLES = ("administrator",)

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One role per person and project."""

        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "editor", "approver", "administrator"]),
                name="membership_role_known",
            ),
        ]

    def __str__(self) -> str:
        """Return person, role and project."""
        return f"{self.user} ({self.role}) in {self.project}"
