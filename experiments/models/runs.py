"""Runs: what was tried, with which inputs, and what came out."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from experiments.models.experiments import Experiment, Lifecycle
from platform_site.core.ids import new_run_id
from platform_site.jobs.models import Job

# A run without a start sorts last on both databases, and no sort value is ever null. One less
# would be a number with a decimal point to PostgreSQL's parser.
NO_START_MS: Final = -(2**63) + 1
NEWEST_START_FIRST: Final = Coalesce("start_ms", NO_START_MS).desc()


class Run(models.Model):
    """One try: a training of ours, or what a client of the tracking protocol logs."""

    class Kind(models.TextChoices):
        """Who runs it."""

        TRAINING = "training", "Training"
        TRACKED = "tracked", "Logged by a client"

    class Dirty(models.IntegerChoices):
        """What changed since the last fold, as bits."""

        METRICS = 1, "Metric points"
        LABELS = 2, "Params, tags, name or state"
        CREATED = 4, "The run itself"

    uuid = models.CharField(max_length=32, unique=True, default=new_run_id, editable=False)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="runs", db_index=False
    )
    experiment = models.ForeignKey(
        Experiment, on_delete=models.PROTECT, related_name="runs", db_index=False
    )
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
    user_name = models.CharField(max_length=250, blank=True)
    lifecycle = models.CharField(max_length=10, choices=Lifecycle.choices, default=Lifecycle.ACTIVE)
    deleted_ms = models.BigIntegerField(null=True, blank=True)
    # Milliseconds since 1970 as clients say them; they may lie outside what a datetime holds.
    start_ms = models.BigIntegerField(null=True, blank=True)
    end_ms = models.BigIntegerField(null=True, blank=True)
    # Grows with every write, so that a process knows whether what it rendered is still true.
    version = models.IntegerField(default=0)
    tail_points = models.IntegerField(default=0)
    dirty = models.PositiveSmallIntegerField(default=0)
    folded_tail = models.BigIntegerField(default=0)
    heard_ms = models.BigIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """Each index serves one order or filter of the list of runs, which reads ids from it alone."""

        constraints = [
            models.CheckConstraint(
                condition=Q(uuid__regex=r"^[0-9a-f]{32}$"), name="run_uuid_is_hex"
            ),
            models.CheckConstraint(
                condition=Q(status__in=list(Job.Status.values)), name="run_status_known"
            ),
            models.CheckConstraint(
                condition=Q(lifecycle__in=["active", "deleted"]), name="run_lifecycle_known"
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
            # The newest runs of an experiment, and of a project or many experiments, page by page;
            # the last columns let a search read the index alone.
            models.Index(
                models.F("experiment"),
                models.F("lifecycle"),
                NEWEST_START_FIRST,
                models.F("uuid"),
                models.F("start_ms"),
                name="run_of_experiment",
            ),
            models.Index(
                models.F("project"),
                models.F("lifecycle"),
                NEWEST_START_FIRST,
                models.F("uuid"),
                models.F("experiment"),
                models.F("start_ms"),
                name="run_of_project",
            ),
            # "What must be folded before a search of this experiment?"
            models.Index(fields=["experiment"], condition=Q(dirty__gt=0), name="run_dirty"),
            # "Which runs of clients fell silent?"
            models.Index(
                fields=["heard_ms"],
                condition=Q(kind="tracked", status="running"),
                name="run_heard",
            ),
            # "Which runs are worth compacting?"
            models.Index(
                fields=["tail_points"], condition=Q(tail_points__gt=0), name="run_tail_points"
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def started_at(self) -> datetime | None:
        """When it started, if a calendar has that moment."""
        return moment_of(self.start_ms)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, if a calendar has that moment."""
        return moment_of(self.end_ms)


def moment_of(since_epoch_ms: int | None) -> datetime | None:
    """Return the moment, or None when there is none or no calendar has it."""
    if since_epoch_ms is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_epoch_ms)
    except OverflowError:
        return None


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
