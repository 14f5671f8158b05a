"""Datasets that come from a source instead of an upload: bundled sets, the NASA archive."""

from typing import Any

from experiments.events.datasets import dataset_topic
from experiments.models import Dataset
from experiments.services.dataset_names import clean_name
from experiments.services.versions import FETCH, job_limits, lock_or_create_dataset
from platform_site.core.errors import Conflict
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue


def add_from_source(
    *, project_id: int, by: Any, source: str, source_key: str, name: str, description: str = ""
) -> Dataset:
    """Fetch from a source into the project's dataset of this name; the fetching is queued.

    Fetching again what did not change gives the same version, a changed table the next one.
    The caller has checked that the source has something under the key.

    Raises:
        Invalid: for a bad name.
        Conflict: when a dataset of another origin has the name, or it is being fetched already.
    """
    wanted_name = clean_name(name)
    with write_transaction():
        dataset = lock_or_create_dataset(
            project_id=project_id,
            name=wanted_name,
            by=by,
            source=source,
            source_key=source_key,
            description=description,
        )
        if (dataset.source, dataset.source_key) != (source, source_key):
            raise Conflict(
                f"The dataset “{dataset.name}” came from elsewhere. Choose another name.",
                field="name",
                dataset=dataset.pk,
            )
        _start_fetching(dataset, by=by)
    return dataset


def fetch_again(*, dataset: Dataset, by: Any) -> Dataset:
    """Fetch a dataset's table from its source again.

    Raises:
        Conflict: when it was uploaded, or is being fetched already.
    """
    with write_transaction():
        fresh = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if fresh.source == Dataset.Source.UPLOAD:
            raise Conflict("This dataset was uploaded; there is nowhere to fetch it from.")
        _start_fetching(fresh, by=by)
    return fresh


def _start_fetching(dataset: Dataset, *, by: Any) -> Job:
    running = dataset.fetch_job is not None and dataset.fetch_job.status in states.ACTIVE
    if running:
        raise Conflict(
            f"The dataset “{dataset.name}” is being fetched already.", dataset=dataset.pk
        )
    job = enqueue(
        FETCH,
        payload={
            "dataset": dataset.pk,
            "number": None,
            "source": dataset.source,
            "source_key": dataset.source_key,
            "by": by.pk,
        },
        topic=dataset_topic(dataset.pk),
        project_id=dataset.project_id,
        by=by,
        **job_limits(),
    )
    dataset.fetch_job = job
    dataset.save(update_fields=["fetch_job"])
    return job
