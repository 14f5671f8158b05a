"""Registered models and their versions: each knows its run, its bytes and its author."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower


class RegisteredModel(models.Model):
    """A name under which versions of a model are kept."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="registered_models"
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=10_000)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """Names are unique within a project."""

        constraints = [
            models.UniqueConstraint(
                "project", Lower("name"), name="registered_model_name_any_case_once"
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class ModelVersion(models.Model):
    """A frozen model file with its lineage; nothing it rests on can be deleted."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    run = models.ForeignKey(
        "experiments.Run", on_delete=models.PROTECT, related_name="model_versions"
    )
    model_blob = models.ForeignKey("assets.Blob", on_delete=models.PROTECT, related_name="+")
    manifest = models.JSONField()
    metrics = models.JSONField(default=dict)
    card = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """Numbered per model; a run is registered once under a name."""

        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="model_version_once"),
            models.UniqueConstraint(fields=["model", "run"], name="model_version_per_run_once"),
        ]

    def __str__(self) -> str:
        """Return model and number."""
        return f"{self.model_id} v{self.number}"
