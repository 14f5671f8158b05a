"""Check an installation: disk, database, clock, services, processes."""

import json
import platform
import sqlite3
import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from platform_site.supervisor.doctor import processes, services, storage
from platform_site.supervisor.doctor.findings import Check, Finding

SIGNS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}
ON_DISK: list[Check] = [
    storage.directories,
    storage.key_file,
    storage.free_space,
    storage.file_system,
]
CONNECTED: list[Check] = [
    services.database,
    services.clock,
    services.redis_server,
    services.own_checks,
]
RUNNING: list[Check] = [processes.running]
PACKAGES = ("Django", "channels", "django-q2", "scikit-learn", "pandas")


class Command(BaseCommand):
    help = "Checks this installation; exit code 1 when something must be mended."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON for programs")
        parser.add_argument(
            "--stopped",
            action="store_true",
            help="do not expect Assay to run now (before a first start, after a restore)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        checks = [*ON_DISK, *CONNECTED, *([] if options["stopped"] else RUNNING)]
        findings = [finding for check in checks for finding in check()]
        healthy = all(finding.verdict != "failed" for finding in findings)
        if options["json"]:
            self._print_json(findings, healthy=healthy)
        else:
            self._print_text(findings)
        if not healthy:
            sys.exit(1)

    def _print_json(self, findings: list[Finding], *, healthy: bool) -> None:
        body = {
            "healthy": healthy,
            "versions": versions(),
            "findings": [asdict(finding) for finding in findings],
        }
        self.stdout.write(json.dumps(body, indent=2))

    def _print_text(self, findings: list[Finding]) -> None:
        styles = {"failed": self.style.ERROR, "warning": self.style.WARNING}
        width = max(len(finding.name) for finding in findings)
        self.stdout.write(", ".join(f"{name} {number}" for name, number in versions().items()))
        for finding in findings:
            line = f"{SIGNS[finding.verdict]} {finding.name:<{width}}  {finding.seen}"
            self.stdout.write(styles.get(finding.verdict, str)(line))
            if finding.advice:
                self.stdout.write(f"  {'':<{width}}  → {finding.advice}")
        bad = sum(finding.verdict == "failed" for finding in findings)
        self.stdout.write(f"{bad} to mend" if bad else "This installation is healthy.")


def versions() -> dict[str, str]:
    """Return the versions that a bug report needs; nothing heavy is imported."""
    return {
        "Assay": settings.VERSION,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
    }
