"""The list of a project's experiments with what happened in each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from experiments.models import Experiment, ExperimentTag, Run
from experiments.tracking.database import Database
from platform_site.core.paging import Window

MOST_COUNTED: Final = 1000
MOST_TAGS: Final = 8
# Tags that clients keep for themselves.
OWN_TAGS: Final = "mlflow."


@dataclass(frozen=True)
class ExperimentRow:
    """An experiment as the list shows it; counting stops at a thousand runs."""

    experiment: Experiment
    n_runs: int
    last_run: Run | None
    tags: list[tuple[str, str]]

    @property
    def has_more(self) -> bool:
        """Whether there are more runs than were counted."""
        return self.n_runs > MOST_COUNTED


def experiment_rows(
    project_id: int, *, words: str, view: str, window: Window
) -> tuple[list[ExperimentRow], bool]:
    """Return one page of experiments, newest first, and whether more follow; four queries."""
    found = Experiment.objects.filter(project_id=project_id).order_by("-created_at", "-id")
    if view != "all":
        found = found.filter(lifecycle=view)
    for word in words.split():
        found = found.filter(name__icontains=word)
    last = window.offset + window.limit
    page = list(found[window.offset : last + 1])
    shown = page[: window.limit]
    counts = _run_counts(one.pk for one in shown)
    runs = Run.objects.only("uuid", "name", "status", "created_at", "start_ms").in_bulk(
        [newest for _, newest in counts.values() if newest is not None]
    )
    tags = _tags(shown)
    rows = [
        ExperimentRow(
            one,
            counts[one.pk][0],
            runs.get(counts[one.pk][1] or -1),
            tags.get(one.pk, [])[:MOST_TAGS],
        )
        for one in shown
    ]
    return rows, len(page) > window.limit


def _run_counts(experiment_ids: Iterable[int]) -> dict[int, tuple[int, int | None]]:
    """Return experiment → (active runs, the newest run's number); each reads one index."""
    numbers = list(experiment_ids)
    if not numbers:
        return {}
    listed = ", ".join("?" * len(numbers))
    sql = (
        "SELECT e.id, (SELECT COUNT(*) FROM (SELECT 1 AS one FROM experiments_run r"  # noqa: S608  # numbers of ours
        f" WHERE r.experiment_id = e.id AND r.lifecycle = 'active' LIMIT {MOST_COUNTED + 1}) c),"
        " (SELECT MAX(r.id) FROM experiments_run r WHERE r.experiment_id = e.id)"
        f" FROM experiments_experiment e WHERE e.id IN ({listed})"
    )
    rows = Database.of_django().rows(sql, numbers)
    return {number: (n_runs, newest) for number, n_runs, newest in rows}


def _tags(experiments: list[Experiment]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    tags = ExperimentTag.objects.filter(experiment__in=experiments).exclude(
        key__startswith=OWN_TAGS
    )
    for number, key, value in tags.order_by("key").values_list("experiment_id", "key", "value"):
        found.setdefault(number, []).append((key, value[:100]))
    return found
