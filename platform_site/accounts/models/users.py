"""People."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):  # type: ignore[django-manager-missing]  # the library's token manager
    """A person who signs in; superusers are administrators of every project."""

    class Theme(models.TextChoices):
        """How pages look."""

        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    # Empty: as the browser asks for.
    language = models.CharField(
        max_length=10,
        blank=True,
        default="",
        choices=settings.LANGUAGES,
        verbose_name=_("language"),
    )
    theme = models.CharField(
        max_length=10, choices=Theme.choices, default=Theme.SYSTEM, verbose_name=_("theme")
    )

    class Meta(AbstractUser.Meta):
        """Themes are known words."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(theme__in=["system", "light", "dark"]), name="user_theme_known"
            ),
        ]

    def __str__(self) -> str:
        """Return the name shown beside everything this person made."""
        return self.get_full_name() or self.username
