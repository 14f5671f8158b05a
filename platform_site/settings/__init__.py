"""Django settings: `base`, read from the environment; nobody imports this, use django.conf."""

from platform_site.settings.base import *  # noqa: F403  # Django wants one flat module
