"""What the overview of a run that a client logs shows."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Exists, OuterRef

from experiments.models import (
    ArtifactFile,
    DatasetInput,
    LatestMetric,
    LoggedModel,
    Run,
    RunReport,
    TraceRun,
)
from experiments.selectors.run_columns import PARENT_TAG
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded
from experiments.tracking.search.columns import LatestValue, values_for

MOST_ROWS: Final = 1_000
MOST_CHILDREN: Final = 50
MOST_INPUTS: Final = 100


@dataclass(frozen=True)
class RunParts:
    """Which parts of a run there are."""

    has_report: bool
    has_system: bool
    has_artifacts: bool
    has_traces: bool


def parts_of(run: Run) -> RunParts:
    """Return which tabs of the run would not be empty; one query."""
    system = LatestMetric.objects.filter(run=OuterRef("pk"), key__name__startswith="system/")
    found = Run.objects.filter(pk=run.pk).values_list(
        Exists(RunReport.objects.filter(run=OuterRef("pk"))),
        Exists(system),
        Exists(ArtifactFile.objects.filter(run=OuterRef("pk"))),
        Exists(TraceRun.objects.filter(run=OuterRef("pk"))),
    )
    return RunParts(*found[0])


@dataclass(frozen=True)
class RunLabels:
    """Params, tags and newest metrics by key, each cut at a thousand."""

    params: list[tuple[str, str]]
    tags: dict[str, str]
    metrics: list[tuple[str, LatestValue]]


def labels_of(run: Run) -> RunLabels:
    """Return what the run logged; three queries."""
    db = Database.of_django()
    ensure_folded(db, run_ids=[run.pk])
    found = values_for(db, [run.pk])
    return RunLabels(
        params=sorted(found.params.get(run.pk, {}).items())[:MOST_ROWS],
        tags=dict(sorted(found.tags.get(run.pk, {}).items())[:MOST_ROWS]),
        metrics=sorted(found.metrics.get(run.pk, {}).items())[:MOST_ROWS],
    )


def parent_of(run: Run, tags: dict[str, str]) -> Run | None:
    """Return the run that this one is part of, if it is in the same project."""
    uuid = tags.get(PARENT_TAG)
    if not uuid:
        return None
    return Run.objects.filter(uuid=uuid, project_id=run.project_id).only("uuid", "name").first()


def children_of(run: Run) -> list[Run]:
    """Return the first runs that are part of this one; reads younger runs of its experiment."""
    db = Database.of_django()
    keys = db.rows("SELECT id FROM experiments_key WHERE name = ?", [PARENT_TAG])
    if not keys:
        return []
    rows = db.rows(
        "SELECT r.id FROM experiments_run r WHERE r.experiment_id = ? AND r.id > ?"
        " AND r.lifecycle = 'active' AND EXISTS (SELECT 1 FROM experiments_runtag t"
        " WHERE t.run_id = r.id AND t.key_id = ? AND t.value = ?) ORDER BY r.id LIMIT ?",
        [run.experiment_id, run.pk, keys[0][0], run.uuid, MOST_CHILDREN + 1],
    )
    children = Run.objects.only("uuid", "name", "status", "start_ms", "end_ms").in_bulk(
        [number for (number,) in rows]
    )
    return [children[number] for (number,) in rows if number in children]


def inputs_of(run: Run) -> list[DatasetInput]:
    """Return the datasets that the run read."""
    return list(
        DatasetInput.objects.filter(run=run)
        .select_related("dataset")
        .defer("dataset__profile", "dataset__schema")
        .order_by("id")[:MOST_INPUTS]
    )


def models_of(run: Run) -> list[LoggedModel]:
    """Return the models that the run logged."""
    return list(
        LoggedModel.objects.filter(source_run=run, lifecycle="active")
        .only("model_id", "name", "model_type", "status", "created_ms")
        .order_by("-created_ms", "model_id")[:MOST_INPUTS]
    )


def versions_of(run: Run) -> list[Any]:
    """Return the versions of registered models that came out of the run."""
    return list(
        run.model_versions.select_related("model")
        .defer("manifest", "card", "metrics")
        .order_by("-id")[:MOST_INPUTS]
    )
