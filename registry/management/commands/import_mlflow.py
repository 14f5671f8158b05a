"""Bring everything of an MLflow database, an `mlruns` folder or a running MLflow server here."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from experiments.importing.opening import open_source
from experiments.importing.progress import Progress
from experiments.importing.records import Source, Unreadable
from experiments.importing.reports import Report
from experiments.importing.targets import Target
from experiments.importing.transfer import Transfer
from platform_site.accounts.access import require
from platform_site.accounts.models import Project, User
from platform_site.core.errors import DomainError
from registry.importing import bring_registered_models


class Command(BaseCommand):
    help = (
        "Import experiments, runs, metrics, params, tags, files, datasets and models from MLflow. "
        "Ids and times stay, nothing here is written over, a second import changes nothing, and an "
        "import that was cut off is finished by starting it again. Ends with a comparison of both "
        "sides; the exit status is 1 if they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source",
            help="sqlite:///…, postgresql://…, mysql://…, a folder (mlruns), or http(s)://… "
            "(user:password@ in it, or MLFLOW_TRACKING_TOKEN)",
        )
        parser.add_argument("--project", required=True, help="slug of the project that takes it")
        parser.add_argument("--user", help="in whose name (default: the first administrator)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would come")
        parser.add_argument("--verify-only", action="store_true", help="only compare both sides")
        parser.add_argument(
            "--artifacts", metavar="FOLDER", action="append", type=Path, default=[],
            help="a folder from which files may be read, too; the first one is what "
            "mlflow-artifacts: locations of a database mean (may be repeated)",
        )  # fmt: skip
        parser.add_argument("--without-artifacts", action="store_true", help="leave files alone")
        parser.add_argument("--workspace", default="default", help="which one of a database")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project “{options['project']}”.")
        by = _person(options["user"], project)
        try:
            source = open_source(
                options["source"],
                artifact_folders=options["artifacts"],
                workspace=options["workspace"],
            )
        except Unreadable as problem:
            raise CommandError(str(problem)) from None
        may_write = not (options["dry_run"] or options["verify_only"])
        report = Report()
        try:
            progress = Progress(sys.stderr, _expected(source))
            target = Target(project, by, may_write, progress)
            Transfer(source, target, report, with_files=not options["without_artifacts"]).run()
            bring_registered_models(source, target, report)
            progress.finish()
        except Unreadable as problem:
            report.left_out.append(f"the rest: {problem}")
        finally:
            source.close()
        # The number of runs was asked beforehand, so some complaints came twice.
        report.left_out += dict.fromkeys(source.left_out)
        for line in report.lines():
            self.stdout.write(line)
        if not report.is_clean and not options["dry_run"]:
            sys.exit(1)


def _person(name: str | None, project: Project) -> User:
    people = User.objects.filter(is_active=True)
    by = people.filter(username=name) if name else people.filter(is_superuser=True).order_by("pk")
    person = by.first()
    if person is None:
        raise CommandError(f"There is nobody called “{name}”." if name else "Name a --user.")
    try:
        require(person, project.pk, need="write", what="project")
    except DomainError as refusal:
        raise CommandError(refusal.message) from None
    return person


def _expected(source: Source) -> dict[str, int]:
    counts = [source.count_runs(experiment) for experiment in source.experiments()]
    return {"runs": sum(count or 0 for count in counts)} if None not in counts else {}
