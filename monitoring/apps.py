"""App of hosts and samples."""

from django.apps import AppConfig

from monitoring import periodic

REAP_EVERY_S = 2.0


class MonitoringConfig(AppConfig):
    """The app of hosts and samples; its process also does the small periodic chores."""

    name = "monitoring"
    label = "monitoring"

    def ready(self) -> None:
        """Name the chores of the layers below, which cannot know about this process."""
        periodic.register("reap jobs", REAP_EVERY_S, "platform_site.jobs.reaper.reap")
