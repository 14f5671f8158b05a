"""Experiments: named series of runs."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q

DEFAULT_EXPERIMENT: Final = "Default"


class Lifecycle(models.TextChoices):
    """Deleting hides; nothing is lost."""

    ACTIVE = "active", "Active"
    DELETED = "deleted", "Deleted"


class Experiment(models.Model):
    """A named series of runs inside a project; a deleted one keeps its name."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="experiments"
    )
    name = models.CharField(max_length=500)
    description = models.TextField(blank=True, max_length=10_000)
    is_default = models.BooleanField(default=False)
    lifecycle = models.CharField(max_length=10, choices=Lifecycle.choices, default=Lifecycle.ACTIVE)
    # What a client asked for, as text; empty means our own store under the experiment's number.
    asked_location = models.CharField(max_length=2048, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        """Names are unique within a project; one experiment takes what names none."""

        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="experiment_name_once"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(is_default=True), name="experiment_default_once"
            ),
            models.CheckConstraint(
                condition=Q(lifecycle__in=["active", "deleted"]), name="experiment_lifecycle_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "lifecycle", "-created_at", "id"], name="experiment_newest"
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def artifact_location(self) -> str:
        """Where clients of the tracking protocol put the experiment's files."""
        return self.asked_location or f"mlflow-artifacts:/{self.pk}"


class ExperimentTag(models.Model):
    """A label of an experiment that may change."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["experiment", "key"], name="experiment_tag_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class SavedView(models.Model):
    """A way to look at a table of runs: filter, columns, order, grouping."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.CASCADE, related_name="saved_views"
    )
    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, null=True, blank=True, related_name="saved_views"
    )
    name = models.CharField(max_length=100)
    query = models.JSONField(default=dict)
    is_shared = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """A person's views of an experiment have different names."""

        constraints = [
            models.UniqueConstraint(
                fields=["project", "experiment", "created_by", "name"], name="saved_view_once"
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
