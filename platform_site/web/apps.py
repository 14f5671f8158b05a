"""App of pages that gather several apps."""

from django.apps import AppConfig

from monitoring import periodic


class WebConfig(AppConfig):
    """The top layer: it may name the chores of every layer below."""

    name = "platform_site.web"
    label = "web"

    def ready(self) -> None:
        """Register the chores that the sampler's process does now and then."""
        periodic.register("trim events", 300.0, "platform_site.events.retention.trim_events")
        periodic.register("clear jobs", 900.0, "platform_site.jobs.housekeeping.clear_work_dirs")
        periodic.register("sweep files", 1800.0, "assets.services.sweep.sweep_orphans")
        periodic.register("sweep bytes", 60.0, "assets.services.sweep.sweep_unused")
        periodic.register(
            "clear uploads", 1800.0, "experiments.services.artifact_uploads.clear_abandoned"
        )
