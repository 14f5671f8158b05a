"""Experiments of a source brought here, found again by name."""

from __future__ import annotations

from typing import Final

from django.core.management.color import no_style
from django.db import connection

from experiments.importing.records import ExperimentRecord
from experiments.importing.tallies import Tallies, Tally
from experiments.importing.targets import Target, moment
from experiments.models import Experiment, ExperimentTag, Lifecycle
from experiments.models.experiments import DEFAULT_EXPERIMENT
from experiments.services.default_experiment import default_experiment
from platform_site.core.clock import epoch_ms
from platform_site.core.transactions import write_transaction

LARGEST_NUMBER: Final = 2**31 - 1
"""Greater numbers (an `mlruns` folder has 18 digits) would make all later ones as long."""


def find_experiment(target: Target, record: ExperimentRecord) -> Experiment | None:
    """Return the experiment of this name in the project."""
    return Experiment.objects.filter(project=target.project, name=record.name).first()


def bring_experiment(target: Target, record: ExperimentRecord) -> Experiment:
    """Return the experiment of this name with the record's labels, made if new."""
    with write_transaction():
        experiment = find_experiment(target, record)
        if experiment is None:
            experiment = _create(target, record)
        have = set(experiment.tags.values_list("key", flat=True))
        ExperimentTag.objects.bulk_create(
            ExperimentTag(experiment=experiment, key=key, value=value)
            for key, value in record.tags.items()
            if key not in have
        )
    return experiment


def _create(target: Target, record: ExperimentRecord) -> Experiment:
    if record.name == DEFAULT_EXPERIMENT:
        return default_experiment(target.project, target.by)
    number = _free_number(record.source_id)
    experiment = Experiment.objects.create(
        pk=number,
        project=target.project,
        name=record.name,
        lifecycle=_lifecycle(record),
        created_by=target.by,
        created_at=moment(record.created_ms),
        updated_at=moment(record.updated_ms),
    )
    if number is not None:
        _count_on_from_here()
    return experiment


def _free_number(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= LARGEST_NUMBER or Experiment.objects.filter(pk=number).exists():
        return None
    return number


def _count_on_from_here() -> None:
    """Let the next number follow the greatest; SQLite does so by itself."""
    with connection.cursor() as cursor:
        for text in connection.ops.sequence_reset_sql(no_style(), [Experiment]):
            cursor.execute(text)


def _lifecycle(record: ExperimentRecord) -> str:
    return Lifecycle.DELETED if record.lifecycle == "deleted" else Lifecycle.ACTIVE


def tallies_of_record(record: ExperimentRecord) -> Tallies:
    """Return what the source has."""
    experiments, tags = Tally(), Tally()
    # The default experiment is older than any import.
    times = () if record.name == DEFAULT_EXPERIMENT else (record.created_ms, record.updated_ms)
    experiments.add_texts(record.name, _lifecycle(record), *times)
    for key, value in record.tags.items():
        tags.add_texts(record.name, key, value)
    return {"experiments": experiments, "experiment tags": tags}


def tallies_of_experiment(experiment: Experiment, record: ExperimentRecord) -> Tallies:
    """Return what we have of it; labels that were added here since do not count."""
    experiments, tags = Tally(), Tally()
    times: tuple[int | None, ...] = ()
    if record.name != DEFAULT_EXPERIMENT:
        times = (epoch_ms(experiment.created_at), epoch_ms(experiment.updated_at))
    experiments.add_texts(experiment.name, experiment.lifecycle, *times)
    for key, value in experiment.tags.values_list("key", "value"):
        if key in record.tags:
            tags.add_texts(experiment.name, key, value)
    return {"experiments": experiments, "experiment tags": tags}
