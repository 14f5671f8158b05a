"""App of stored bytes."""

from django.apps import AppConfig


class AssetsConfig(AppConfig):
    """The app of stored bytes."""

    name = "assets"
    label = "assets"
