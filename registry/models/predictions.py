"""Predictions for whole files, made by a job."""

from django.conf import settings
from django.db import models


class PredictionBatch(models.Model):
    """A file of rows and the predictions of one model version for them."""

    version = models.ForeignKey(
        "registry.ModelVersion", on_delete=models.PROTECT, related_name="batches"
    )
    job = models.OneToOneField(
        "jobs.Job", on_delete=models.PROTECT, null=True, related_name="prediction_batch"
    )
    file_name = models.CharField(max_length=255)
    input_blob = models.ForeignKey("assets.Blob", on_delete=models.PROTECT, related_name="+")
    output_blob = models.ForeignKey(
        "assets.Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    n_rows = models.BigIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the file's name."""
        return self.file_name
