"""What the machine did: one row per host and sampling interval."""

from typing import ClassVar

from django.db import models


class HostSample(models.Model):
    """Load of one machine at one moment; an unknown figure is null, never zero."""

    host = models.CharField(max_length=255)
    at = models.DateTimeField()
    cpu_percent = models.FloatField(null=True)
    load_1 = models.FloatField(null=True)
    memory_used_bytes = models.BigIntegerField(null=True)
    memory_total_bytes = models.BigIntegerField(null=True)
    disk_used_bytes = models.BigIntegerField(null=True)
    disk_total_bytes = models.BigIntegerField(null=True)
    own_processes = models.PositiveIntegerField(null=True)
    own_rss_bytes = models.BigIntegerField(null=True)
    own_cpu_percent = models.FloatField(null=True)
    gpus = models.JSONField(default=list)

    class Meta:
        """Indexes: the newest samples of a host; the oldest of all, for clearing away."""

        indexes: ClassVar = [
            models.Index(fields=["host", "-at"], name="host_sample_newest"),
            models.Index(fields=["at"], name="host_sample_oldest"),
        ]

    def __str__(self) -> str:
        """Return host and moment."""
        return f"{self.host} at {self.at:%Y-%m-%d %H:%M:%S}"
