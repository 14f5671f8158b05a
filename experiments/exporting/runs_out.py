"""Experiments and runs as files of an `mlruns` folder."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Final

from django.db.models import Q

from experiments.exporting.folders import Folder
from experiments.models import (
    ArtifactFile,
    DatasetInput,
    Experiment,
    Lifecycle,
    LoggedDataset,
    Run,
    RunModel,
)
from experiments.selectors.stored_points import points_by_key
from platform_site.core.clock import epoch_ms
from platform_site.jobs.models import Job

TRASH: Final = ".trash"
FINISHED, FAILED, KILLED, RUNNING, SCHEDULED = 3, 4, 5, 1, 2
STATUS: Final = {
    Job.Status.QUEUED: SCHEDULED,
    Job.Status.COMPLETED: FINISHED,
    Job.Status.FAILED: FAILED,
    Job.Status.LOST: FAILED,
    Job.Status.STOPPED: KILLED,
}
"""As MLflow numbers them; every other status is a kind of running."""


def experiment_folder(folder: Folder, experiment: Experiment) -> Path:
    """Return where the experiment lies in the export; deleted ones lie in the trash."""
    deleted = experiment.lifecycle == Lifecycle.DELETED
    return (folder.root / TRASH if deleted else folder.root) / str(experiment.pk)


def write_experiment(folder: Folder, experiment: Experiment) -> None:
    """Write an experiment with all its runs."""
    place = experiment_folder(folder, experiment)
    folder.meta(
        place,
        {
            "artifact_location": place.as_uri(),
            "creation_time": epoch_ms(experiment.created_at),
            "experiment_id": str(experiment.pk),
            "last_update_time": epoch_ms(experiment.updated_at),
            "lifecycle_stage": experiment.lifecycle,
            "name": experiment.name,
        },
    )
    tags = dict(experiment.tags.values_list("key", "value"))
    folder.pairs(place / "tags", tags, f"tag of experiment {experiment.pk}")
    folder.count("experiments")
    for run in experiment.runs.order_by("pk").iterator():
        _write_run(folder, place, run)


def _write_run(folder: Folder, experiment: Path, run: Run) -> None:
    place = experiment / run.uuid
    folder.meta(
        place,
        {
            "artifact_uri": (place / "artifacts").as_uri(),
            "deleted_time": run.deleted_ms,
            "end_time": run.end_ms,
            "entry_point_name": "",
            "experiment_id": str(run.experiment_id),
            "lifecycle_stage": run.lifecycle,
            "run_id": run.uuid,
            "run_name": run.name,
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": run.start_ms,
            "status": STATUS.get(Job.Status(run.status), RUNNING),
            "tags": [],
            "user_id": run.user_name,
        },
    )
    where = f"of run {run.uuid}"
    folder.pairs(
        place / "params", dict(run.params.values_list("key__name", "value")), f"param {where}"
    )
    tags = dict(run.tags.values_list("key__name", "value")) | {"mlflow.runName": run.name}
    folder.pairs(place / "tags", tags, f"tag {where}")
    _write_points(folder, place / "metrics", run)
    write_files(folder, place / "artifacts", Q(run=run, logged_model=None), where)
    for edge in run.dataset_inputs.select_related("dataset"):
        _write_dataset(folder, experiment, place, edge)
    for model in run.model_edges.select_related("model"):
        _write_edge(folder, place, model)
    folder.count("runs")


def _write_points(folder: Folder, place: Path, run: Run) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for key, members in points_by_key(run.pk):
        lines = (f"{at} {_number(value)} {step}\n" for at, step, value in members)
        path = folder.place(place, key, f"metric of run {run.uuid}")
        folder.lines(path, lines, f"metric of run {run.uuid}")


def _number(value: float) -> str:
    return "nan" if math.isnan(value) else repr(value)


def write_files(folder: Folder, place: Path, which: Q, where: str) -> None:
    """Write the files that a run or a logged model has."""
    place.mkdir(parents=True, exist_ok=True)
    files = ArtifactFile.objects.filter(which).order_by("path")
    for path, sha256 in files.values_list("path", "blob__sha256"):
        relative = path.partition("/artifacts/")[2]
        folder.blob(folder.place(place, relative, f"file {where}"), sha256, f"file {where}")
        folder.count("files")


def _write_dataset(folder: Folder, experiment: Path, run: Path, edge: DatasetInput) -> None:
    data = edge.dataset
    name = _digest(data.name, data.digest)
    place = experiment / "datasets" / name
    if not place.exists():
        folder.meta(place, _described(data))
    folder.meta(
        run / "inputs" / _digest(name, run.name),
        {
            "destination_id": run.name,
            "destination_type": "RUN",
            "source_id": name,
            "source_type": "DATASET",
            "tags": {pair["key"]: pair["value"] for pair in edge.tags},
        },
    )


def _described(data: LoggedDataset) -> dict[str, str | None]:
    return {
        "digest": data.digest,
        "name": data.name,
        "profile": data.profile or None,
        "schema": data.schema or None,
        "source": data.source,
        "source_type": data.source_type,
    }


def _digest(*parts: str) -> str:
    """Return the name that MLflow gives such a folder."""
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _write_edge(folder: Folder, run: Path, edge: RunModel) -> None:
    name = edge.model.model_id
    if edge.direction == RunModel.Direction.OUTPUT:
        folder.meta(
            run / "outputs" / name,
            {
                "destination_id": name,
                "destination_type": "MODEL_OUTPUT",
                "source_id": run.name,
                "source_type": "RUN_OUTPUT",
                "step": edge.step,
                "tags": {},
            },
        )
        return
    folder.meta(
        run / "inputs" / _digest(name, run.name),
        {
            "destination_id": run.name,
            "destination_type": "RUN_INPUT",
            "source_id": name,
            "source_type": "MODEL_INPUT",
            "tags": {},
        },
    )
