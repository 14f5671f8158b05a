"""The child process of one job: import the heavy libraries, wait for a job, do it, leave."""

from typing import Any

from django.core.management.base import BaseCommand

from platform_site.jobs.child_main import main


class Command(BaseCommand):
    help = "Work on one job given on standard input (started by workers, not by people)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(main())
