"""Datasets: a name with immutable, content-addressed versions."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Sets of datasets."""

    def in_projects(self, projects: models.QuerySet) -> "DatasetQuerySet":  # type: ignore[type-arg]  # any project set
        """Return the datasets of these projects that are not archived."""
        return self.filter(project__in=projects, archived_at=None)


class Dataset(models.Model):
    """A named series of versions inside a project."""

    class Source(models.TextChoices):
        """Where the first version came from."""

        UPLOAD = "upload", "Upload"
        BUNDLED = "bundled", "Bundled with scikit-learn"
        NASA = "nasa", "NASA Exoplanet Archive"

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="datasets"
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=10_000)
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.UPLOAD)
    source_key = models.CharField(max_length=60, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    fetch_job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        """Names are unique within a project; the index serves the newest-first list."""

        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="dataset_name_once"),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="dataset_newest_of_project")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class DatasetVersion(models.Model):
    """The bytes of one upload with what was found in them; never changed once ready."""

    class Status(models.TextChoices):
        """From stored bytes to a usable table."""

        VALIDATING = "validating", "Validating"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.VALIDATING)
    blob = models.ForeignKey("assets.Blob", on_delete=models.PROTECT, related_name="+")
    table_blob = models.ForeignKey(
        "assets.Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    file_name = models.CharField(max_length=255)
    read_options = models.JSONField(default=dict)
    table_schema = models.JSONField(null=True, blank=True)
    report = models.JSONField(null=True, blank=True)
    profile = models.JSONField(null=True, blank=True)
    difference = models.JSONField(null=True, blank=True)
    n_rows = models.BigIntegerField(null=True, blank=True)
    n_columns = models.PositiveIntegerField(null=True, blank=True)
    n_warnings = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Numbered per dataset; the same bytes are the same version; ready means complete."""

        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_once"),
            models.UniqueConstraint(fields=["dataset", "blob"], name="dataset_bytes_once"),
            models.CheckConstraint(
                condition=~Q(status="ready")
                | Q(table_blob__isnull=False, table_schema__isnull=False, profile__isnull=False),
                name="dataset_version_ready_is_complete",
            ),
        ]

    def __str__(self) -> str:
        """Return dataset and number."""
        return f"{self.dataset_id} v{self.number}"


class TargetAnalysis(models.Model):
    """What one column looks like as a target: task, classes, leaks, columns to leave out."""

    version = models.ForeignKey(
        DatasetVersion, on_delete=models.CASCADE, related_name="target_analyses"
    )
    target = models.CharField(max_length=500)
    status = models.CharField(
        max_length=12,
        choices=DatasetVersion.Status.choices,
        default=DatasetVersion.Status.VALIDATING,
    )
    result = models.JSONField(null=True, blank=True)
    error_message = models.TextField(blank=True)
    job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        """One analysis per version and column."""

        constraints = [
            models.UniqueConstraint(fields=["version", "target"], name="target_analysis_once"),
        ]

    def __str__(self) -> str:
        """Return version and column."""
        return f"{self.version_id}: {self.target}"
