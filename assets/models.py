"""Stored bytes: content-addressed, immutable, one row per digest."""

from django.db import models


class Blob(models.Model):
    """A sequence of bytes that is in the store under its SHA-256."""

    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """A digest is 64 hexadecimal digits."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="blob_digest_is_sha256"
            ),
            models.CheckConstraint(
                condition=models.Q(size_bytes__gte=0), name="blob_size_not_negative"
            ),
        ]

    def __str__(self) -> str:
        """Return the first digits and the size."""
        return f"{self.sha256[:12]} ({self.size_bytes} bytes)"
