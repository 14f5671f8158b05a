"""App of the event log."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The app of the event log."""

    name = "platform_site.events"
    label = "events"
