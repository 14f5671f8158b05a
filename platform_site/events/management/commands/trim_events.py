"""``manage.py trim_events``: delete events that need not be kept any more."""

from typing import Any

from django.core.management.base import BaseCommand

from platform_site.events.retention import trim_events


class Command(BaseCommand):
    """Meant to run every few minutes; safe at any time and several at once."""

    help = "Deletes old live events in small slices; runs, metrics and reports are not touched."

    def handle(self, *args: Any, **options: Any) -> None:
        """Trim and say how many events went."""
        self.stdout.write(f"{trim_events()} events deleted")
