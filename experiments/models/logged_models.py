"""Logged models: what a client saved while a run went on, before anybody registers it."""

from django.conf import settings
from django.db import models

from experiments.models.experiments import Experiment, Lifecycle
from experiments.models.runs import Run


class LoggedModel(models.Model):
    """A model's folder of files with its params, tags and metrics; found by ``m-`` and 32 digits."""

    class Status(models.TextChoices):
        """As the protocol calls them."""

        PENDING = "LOGGED_MODEL_PENDING", "Pending"
        READY = "LOGGED_MODEL_READY", "Ready"
        UPLOAD_FAILED = "LOGGED_MODEL_UPLOAD_FAILED", "Upload failed"

    model_id = models.CharField(max_length=34, unique=True)
    experiment = models.ForeignKey(
        Experiment, on_delete=models.PROTECT, related_name="logged_models"
    )
    name = models.CharField(max_length=500)
    model_type = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=40, choices=Status.choices, default=Status.PENDING)
    status_message = models.TextField(blank=True)
    source_run_text = models.CharField(max_length=256, blank=True)
    source_run = models.ForeignKey(
        Run, on_delete=models.PROTECT, null=True, blank=True, related_name="logged_models"
    )
    lifecycle = models.CharField(max_length=10, choices=Lifecycle.choices, default=Lifecycle.ACTIVE)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_ms = models.BigIntegerField()
    updated_ms = models.BigIntegerField()

    class Meta:
        """Serves the list of an experiment."""

        indexes = [
            models.Index(
                fields=["experiment", "lifecycle", "-created_ms"], name="logged_model_newest"
            )
        ]

    def __str__(self) -> str:
        """Return name and id."""
        return f"{self.name} ({self.model_id})"


class LoggedModelParam(models.Model):
    """An input of a logged model, written once."""

    model = models.ForeignKey(LoggedModel, on_delete=models.CASCADE, related_name="params")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["model", "key"], name="logged_model_param_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class LoggedModelTag(models.Model):
    """A label of a logged model that may change."""

    model = models.ForeignKey(LoggedModel, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["model", "key"], name="logged_model_tag_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class LoggedModelMetric(models.Model):
    """A metric point that was logged about a model, beside being a point of the run."""

    model = models.ForeignKey(LoggedModel, on_delete=models.CASCADE, related_name="metrics")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=250)
    step = models.BigIntegerField()
    timestamp_ms = models.BigIntegerField()
    value = models.FloatField()
    is_nan = models.BooleanField(default=False)
    dataset_name = models.CharField(max_length=500, blank=True)
    dataset_digest = models.CharField(max_length=36, blank=True)

    class Meta:
        """The same point is kept once."""

        constraints = [
            models.UniqueConstraint(
                fields=["model", "run", "key", "step", "timestamp_ms", "value", "is_nan",
                        "dataset_name", "dataset_digest"],
                name="logged_model_metric_once",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={'NaN' if self.is_nan else self.value}"


class RunModel(models.Model):
    """A run read or made a logged model."""

    class Direction(models.TextChoices):
        """Which way the model went."""

        INPUT = "input", "Input"
        OUTPUT = "output", "Output"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="model_edges")
    model = models.ForeignKey(LoggedModel, on_delete=models.PROTECT, related_name="run_edges")
    direction = models.CharField(max_length=6, choices=Direction.choices)
    step = models.BigIntegerField(default=0)

    class Meta:
        """An edge exists once."""

        constraints = [
            models.UniqueConstraint(
                fields=["run", "model", "direction"], name="run_model_edge_once"
            )
        ]

    def __str__(self) -> str:
        """Return both numbers."""
        return f"{self.direction} {self.model_id} of run {self.run_id}"
