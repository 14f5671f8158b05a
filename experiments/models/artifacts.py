"""Artifacts: which stored bytes a client's path means, and which folders are frozen."""

from django.conf import settings
from django.db import models

from experiments.models.experiments import Experiment
from experiments.models.logged_models import LoggedModel
from experiments.models.runs import Run


class ArtifactFile(models.Model):
    """A name in a project's artifact tree and the bytes behind it; a second upload replaces them.

    `path` is relative and normalised (NFC), for example ``7/<run>/artifacts/model/MLmodel``.
    """

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="artifact_files"
    )
    experiment = models.ForeignKey(
        Experiment, on_delete=models.PROTECT, null=True, blank=True, related_name="artifact_files"
    )
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, null=True, blank=True, related_name="artifact_files"
    )
    logged_model = models.ForeignKey(
        LoggedModel, on_delete=models.PROTECT, null=True, blank=True, related_name="artifact_files"
    )
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey("assets.Blob", on_delete=models.PROTECT, related_name="+")
    size_bytes = models.BigIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    updated_at = models.DateTimeField()

    class Meta:
        """The unique path serves a download, and as a prefix a listing."""

        constraints = [
            # Where the language's order is not that of bytes, only this one serves a prefix.
            models.UniqueConstraint(
                fields=["project", "path"],
                name="artifact_path_once",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        ]

    def __str__(self) -> str:
        """Return the path."""
        return self.path


class FrozenFolder(models.Model):
    """A folder whose files nobody may replace, add to or delete; `reason` says what needs them."""

    project = models.ForeignKey(
        "accounts.Project", on_delete=models.PROTECT, related_name="frozen_folders"
    )
    prefix = models.CharField(max_length=1024)
    reason = models.CharField(max_length=300)
    held_by = models.CharField(max_length=100)

    class Meta:
        """One row per folder and holder."""

        constraints = [
            models.UniqueConstraint(
                fields=["project", "prefix", "held_by"], name="frozen_folder_once"
            ),
        ]

    def __str__(self) -> str:
        """Return the folder."""
        return self.prefix


class ArtifactUpload(models.Model):
    """A file that comes in parts; ends as an ArtifactFile or is thrown away.

    A finished one is remembered for a while: a client may ask again whether it is finished.
    """

    upload_id = models.CharField(max_length=32, unique=True)
    project = models.ForeignKey("accounts.Project", on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=1024)
    n_parts = models.PositiveIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        """Return the path."""
        return self.path
