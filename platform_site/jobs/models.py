"""The Job row: the truth about one piece of background work."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from platform_site.jobs import states


class Job(models.Model):
    """Work for a child process: who holds it (lease, fence), how far it is, how it ended."""

    class Status(models.TextChoices):
        """States of `platform_site.jobs.states`."""

        QUEUED = states.QUEUED, "Queued"
        RUNNING = states.RUNNING, "Running"
        PAUSING = states.PAUSING, "Pausing"
        PAUSED = states.PAUSED, "Paused"
        STOPPING = states.STOPPING, "Stopping"
        STOPPED = states.STOPPED, "Stopped"
        COMPLETED = states.COMPLETED, "Completed"
        FAILED = states.FAILED, "Failed"
        LOST = states.LOST, "Lost"

    class Queue(models.TextChoices):
        """Training must not block short work."""

        TRAIN = "train", "Training"
        DEFAULT = "default", "Short work"

    kind = models.CharField(max_length=60)
    queue = models.CharField(max_length=20, choices=Queue.choices, default=Queue.DEFAULT)
    priority = models.SmallIntegerField(default=0)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    payload = models.JSONField(default=dict)
    topic = models.CharField(max_length=120, blank=True)
    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    child_pid = models.IntegerField(null=True, blank=True)

    stage = models.CharField(max_length=60, blank=True)
    progress_percent = models.FloatField(default=0.0)
    eta_s = models.FloatField(null=True, blank=True)
    rss_bytes = models.BigIntegerField(null=True, blank=True)
    cpu_percent = models.FloatField(null=True, blank=True)
    cpu_s = models.FloatField(default=0.0)
    time_limit_s = models.PositiveIntegerField(null=True, blank=True)
    memory_limit_bytes = models.BigIntegerField(null=True, blank=True)

    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    result = models.JSONField(default=dict)

    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Indexes: the next job to claim; expired leases; the newest jobs of a project, by state."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=states.ALL), name="job_status_known"),
            models.CheckConstraint(
                condition=Q(progress_percent__gte=0, progress_percent__lte=100),
                name="job_progress_is_percent",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(states.ON_A_WORKER)) | Q(lease_until__isnull=False),
                name="job_on_a_worker_has_lease",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["queue", "-priority", "id"],
                condition=Q(status="queued"),
                name="job_next_to_claim",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status__in=["running", "pausing", "stopping"]),
                name="job_expired_lease",
            ),
            models.Index(fields=["project", "-id"], name="job_newest_of_project"),
            models.Index(fields=["project", "status", "-id"], name="job_status_of_project"),
        ]

    def __str__(self) -> str:
        """Return number, kind and state."""
        return f"job {self.pk} {self.kind} ({self.status})"


class JobLogLine(models.Model):
    """One line that a job's child wrote, in the order it was written."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    number = models.PositiveIntegerField()
    level = models.CharField(max_length=10, default="info")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        """The unique key serves the tail: job = j and number > n."""

        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="job_log_line_once"),
        ]

    def __str__(self) -> str:
        """Return the text."""
        return self.text
