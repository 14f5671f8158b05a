"""Datasets that clients logged, for lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from experiments.models import DatasetInput

MAX_SUMMARIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A dataset in a role, such as training, within an experiment."""

    experiment_id: int
    name: str
    digest: str
    context: str


def dataset_uses(experiment_ids: Iterable[int]) -> list[DatasetUse]:
    """Return which datasets runs of these experiments read, each role once, at most 1,000."""
    rows = (
        DatasetInput.objects.filter(dataset__experiment_id__in=list(experiment_ids))
        .order_by("dataset__experiment_id", "dataset__name", "dataset__digest", "context")
        .values_list("dataset__experiment_id", "dataset__name", "dataset__digest", "context")
        .distinct()[:MAX_SUMMARIES]
    )
    return [DatasetUse(*row) for row in rows]
