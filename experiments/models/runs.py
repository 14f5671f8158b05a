"""Experiments and runs: what was tried, with which inputs, and what came out."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from platform_site.core.ids import new_run_id
from platform_site.jobs.models import Job


class Experiment(models.Model):
    """A named series of runs inside a project."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="experiments"
    )
    name = models.CharField(max_length=500)
    description = models.TextField(blank=True, max_length=10_000)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """Names are unique within a project."""

        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="experiment_name_once"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Run(models.Model):
    """One training: everything needed to say, and to do again, what made its model."""

    class Kind(models.TextChoices):
        """Who runs it."""

        TRAINING = "training", "Training"

    uuid = models.CharField(max_length=32, unique=True, default=new_run_id, editable=False)
    project = models.ForeignKey("accounts.Project", on_delete=models.PROTECT, related_name="runs")
    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="runs")
    name = models.CharField(max_length=250)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.TRAINING)
    status = models.CharField(max_length=12, choices=Job.Status.choices, default=Job.Status.QUEUED)
    job = models.OneToOneField(
        "jobs.Job", on_delete=models.PROTECT, null=True, blank=True, related_name="run"
    )
    evaluation_job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    dataset_version = models.ForeignKey(
        "experiments.DatasetVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="runs",
    )
    test_version = models.ForeignKey(
        "experiments.DatasetVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    model_type = models.CharField(max_length=60, blank=True)
    task = models.CharField(max_length=20, blank=True)
    target = models.CharField(max_length=500, blank=True)
    spec = models.JSONField(default=dict)
    spec_digest = models.CharField(max_length=64, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    code_version = models.CharField(max_length=100, blank=True)
    environment = models.JSONField(default=dict)
    host = models.CharField(max_length=120, blank=True)
    register_as = models.CharField(max_length=200, blank=True)
    headline_metric = models.CharField(max_length=40, blank=True)
    headline_value = models.FloatField(null=True, blank=True)
    model_blob = models.ForeignKey(
        "assets.Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    model_manifest = models.JSONField(null=True, blank=True)
    notes = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Each index serves one order or filter of the list of runs, which reads ids from it alone."""

        constraints = [
            models.CheckConstraint(
                condition=Q(uuid__regex=r"^[0-9a-f]{32}$"), name="run_uuid_is_hex"
            ),
            models.CheckConstraint(
                condition=Q(status__in=list(Job.Status.values)), name="run_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="run_newest_of_project"),
            models.Index(fields=["project", "status", "-id"], name="run_status_of_project"),
            models.Index(fields=["project", "model_type", "-id"], name="run_type_of_project"),
            models.Index(fields=["project", "dataset_version", "-id"], name="run_data_of_project"),
            models.Index(fields=["project", "headline_value", "-id"], name="run_score_of_project"),
            models.Index(fields=["project", "name", "-id"], name="run_name_of_project"),
            models.Index(fields=["experiment", "-id"], name="run_newest_of_experiment"),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Param(models.Model):
    """An input of a run, as text."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="params")
    key = models.CharField(max_length=250)
    value = models.TextField()

    class Meta:
        """A param is written once."""

        constraints = [models.UniqueConstraint(fields=["run", "key"], name="param_once")]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class Tag(models.Model):
    """A label of a run that may change."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [models.UniqueConstraint(fields=["run", "key"], name="tag_once")]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class MetricPoint(models.Model):
    """One value of one metric at one step; a repeated step replaces the value."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metric_points")
    key = models.CharField(max_length=250)
    step = models.BigIntegerField()
    value = models.FloatField(null=True)
    at = models.DateTimeField()

    class Meta:
        """The unique key serves the curve: run = r, key = k, in order of step."""

        constraints = [
            models.UniqueConstraint(fields=["run", "key", "step"], name="metric_point_once"),
        ]

    def __str__(self) -> str:
        """Return key, step and value."""
        return f"{self.key}[{self.step}]={self.value}"


class RunReport(models.Model):
    """What the evaluation of a run found; computed once by a job, read by the pages."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="report")
    result = models.JSONField()
    predictions_blob = models.ForeignKey(
        "assets.Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    model_card = models.TextField(blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the run's number."""
        return f"report of run {self.run_id}"
