"""Registered models and their versions: each knows its run, its bytes and its author."""

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower


class RegisteredModelQuerySet(QuerySet["RegisteredModel"]):
    """Sets of registered models."""

    def named(self, name: str) -> "RegisteredModelQuerySet":
        """Keep those of this name, in any case; the unique index finds them."""
        return self.alias(name_key=Lower("name")).filter(name_key=Lower(Value(name)))


class RegisteredModel(models.Model):
    """A name under which versions of a model are kept."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="registered_models"
    )
    name = models.CharField(max_length=256)
    description = models.TextField(blank=True, max_length=10_000)
    # Greatest version number ever given; a deleted one is not used again.
    last_number = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = RegisteredModelQuerySet.as_manager()

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


class RegisteredModelTag(models.Model):
    """A label of a registered model."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["model", "key"], name="registered_model_tag_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class ModelVersion(models.Model):
    """A frozen model with its lineage: one file of our own training, or a folder of a client."""

    class Stage(models.TextChoices):
        """As the protocol calls them."""

        NONE = "None", "None"
        STAGING = "Staging", "Staging"
        PRODUCTION = "Production", "Production"
        ARCHIVED = "Archived", "Archived"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    run = models.ForeignKey(
        "experiments.Run",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="model_versions",
    )
    logged_model = models.ForeignKey(
        "experiments.LoggedModel",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="model_versions",
    )
    # Of our own trainings only; a client's files are artifacts below `storage_location`.
    model_blob = models.ForeignKey(
        "assets.Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    manifest = models.JSONField(null=True, blank=True)
    source = models.CharField(max_length=2048, blank=True)
    storage_location = models.CharField(max_length=2048, blank=True)
    run_text = models.CharField(max_length=256, blank=True)
    run_link = models.CharField(max_length=2048, blank=True)
    description = models.TextField(blank=True)
    stage = models.CharField(max_length=20, choices=Stage.choices, default=Stage.NONE)
    updated_at = models.DateTimeField()
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
            # A client may register several folders of one run.
            models.UniqueConstraint(
                fields=["model", "run"],
                condition=Q(model_blob__isnull=False),
                name="model_version_per_run_once",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=["None", "Staging", "Production", "Archived"]),
                name="model_version_stage_known",
            ),
        ]

    def __str__(self) -> str:
        """Return model and number."""
        return f"{self.model_id} v{self.number}"


class ModelVersionTag(models.Model):
    """A label of a model version."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="model_version_tag_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class ModelAlias(models.Model):
    """A name that points to one version of a model, and may be moved."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="aliases")

    class Meta:
        """One version per alias."""

        constraints = [models.UniqueConstraint(fields=["model", "name"], name="model_alias_once")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
