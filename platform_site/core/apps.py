"""App of what everything rests on."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """No models; start-up checks are registered here."""

    name = "platform_site.core"
    label = "core"

    def ready(self) -> None:
        """Register the start-up checks."""
        from platform_site.core import checks  # noqa: F401  # registers by import
