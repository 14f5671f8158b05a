"""Personal API tokens: shown once, stored as a digest."""

from datetime import datetime

from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):  # type: ignore[misc]  # untyped library
    """A secret that acts for one person; knox stores its SHA-512 digest only."""

    class Scope(models.TextChoices):
        """What the bearer may do with the person's rights."""

        READ = "read", "Read only"
        WRITE = "write", "Read and write"

    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.READ)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Scopes are known words."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=["read", "write"]), name="api_token_scope_known"
            ),
            # The first characters name a token in addresses and logs.
            models.UniqueConstraint(fields=["token_key"], name="api_token_key_unique"),
        ]

    def __str__(self) -> str:
        """Return the name and the first characters, never the secret."""
        return f"{self.name} ({self.token_key}…)"

    def is_expired(self, at: datetime) -> bool:
        """Whether the token no longer works at this moment."""
        return self.expiry is not None and self.expiry <= at
