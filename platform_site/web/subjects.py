"""What a job or an event is about: from its topic to the page and the name of its subject."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from experiments.models import Dataset, Run
from platform_site.jobs.models import Job
from registry.models import PredictionBatch


@dataclass(frozen=True)
class Subject:
    """The thing that a job works on."""

    name: str
    url: str


def kind_words(kind: str) -> str:
    """Return the kind of a job in words."""
    return {
        "training.train": _("Training"),
        "training.evaluate": _("Evaluation"),
        "datasets.ingest": _("Reading a file"),
        "datasets.fetch": _("Fetching a dataset"),
        "datasets.analyse_target": _("Looking at a target"),
        "models.predict": _("Predicting a file"),
    }.get(kind, kind)


def subjects_of(jobs: Iterable[Job]) -> dict[str, Subject]:
    """Return topic → subject for the jobs of a page, with one query per kind of subject."""
    ids: dict[str, set[str]] = {"run": set(), "dataset": set(), "prediction": set()}
    for job in jobs:
        prefix, _colon, identity = job.topic.partition(":")
        if prefix in ids:
            ids[prefix].add(identity)
    found: dict[str, Subject] = {}
    if ids["run"]:
        runs = Run.objects.filter(uuid__in=ids["run"]).values_list("uuid", "name")
        for uuid, name in runs:
            found[f"run:{uuid}"] = Subject(name, reverse("experiments:run-detail", args=[uuid]))
    if ids["dataset"]:
        datasets = Dataset.objects.filter(pk__in=ids["dataset"]).values_list("pk", "name")
        for number, name in datasets:
            url = reverse("experiments:dataset-detail", args=[number])
            found[f"dataset:{number}"] = Subject(name, url)
    if ids["prediction"]:
        batches = PredictionBatch.objects.filter(pk__in=ids["prediction"]).select_related(
            "version__model"
        )
        for batch in batches.only("file_name", "version__number", "version__model__name"):
            url = reverse(
                "registry:version-detail", args=[batch.version.model.name, batch.version.number]
            )
            found[f"prediction:{batch.pk}"] = Subject(batch.file_name, url)
    return found
