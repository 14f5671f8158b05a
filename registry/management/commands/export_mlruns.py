"""Write a project as an `mlruns` folder that MLflow opens."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from experiments.exporting.folders import Folder
from experiments.exporting.models_out import write_logged_models
from experiments.exporting.runs_out import write_experiment
from platform_site.accounts.models import Project
from registry.exporting import write_registered_models


class Command(BaseCommand):
    help = (
        "Export experiments, runs, metrics, params, tags, files, datasets and models of a project "
        "as an mlruns folder. What such a folder cannot hold is named, and the exit status is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a new folder, or an empty one")
        parser.add_argument("--project", required=True, help="slug of the project")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project “{options['project']}”.")
        path: Path = options["folder"]
        try:
            path.mkdir(parents=True, exist_ok=True)
            is_empty = not any(path.iterdir())
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        if not is_empty:
            raise CommandError(f"{path} is not empty.")
        folder = Folder(path)
        for experiment in project.experiments.order_by("pk"):
            write_experiment(folder, experiment)
            write_logged_models(folder, experiment)
        write_registered_models(folder, project)
        for kind, count in folder.written.items():
            self.stdout.write(f"{count:12,} {kind}")
        for line in folder.left_out:
            self.stdout.write(f"left out: {line}")
        if folder.left_out:
            sys.exit(1)
