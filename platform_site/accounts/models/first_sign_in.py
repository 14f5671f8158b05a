"""The one-time secret with which the first administrator enters a new installation."""

from django.db import models

ONLY_ROW = 1


class FirstSignIn(models.Model):
    """At most one row: the newest secret as a digest; issuing another replaces it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ROW)
    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One installation, one row."""

        constraints = [
            models.CheckConstraint(condition=models.Q(id=ONLY_ROW), name="first_sign_in_one_row"),
        ]

    def __str__(self) -> str:
        """Return until when the link works, never the secret."""
        return f"first sign-in until {self.expires_at:%Y-%m-%d %H:%M}"
