"""Logged models as files of an `mlruns` folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from django.db.models import Q

from experiments.exporting.folders import Folder
from experiments.exporting.runs_out import experiment_folder, write_files
from experiments.models import Experiment, LoggedModel, LoggedModelMetric

STATUS: Final = {
    LoggedModel.Status.PENDING: 1,
    LoggedModel.Status.READY: 2,
    LoggedModel.Status.UPLOAD_FAILED: 3,
}
"""As MLflow numbers them."""


def model_folder(folder: Folder, model: LoggedModel) -> Path:
    """Return where the logged model lies in the export."""
    return experiment_folder(folder, model.experiment) / "models" / model.model_id


def write_logged_models(folder: Folder, experiment: Experiment) -> None:
    """Write all logged models of an experiment."""
    for model in experiment.logged_models.select_related("experiment").order_by("pk"):
        place = model_folder(folder, model)
        folder.meta(place, _described(model, place))
        where = f"of logged model {model.model_id}"
        params = dict(model.params.values_list("key", "value"))
        folder.pairs(place / "params", params, f"param {where}")
        tags = dict(model.tags.values_list("key", "value"))
        folder.pairs(place / "tags", tags, f"tag {where}")
        (place / "metrics").mkdir(parents=True, exist_ok=True)
        for metric in model.metrics.select_related("run").order_by("pk"):
            path = folder.place(place / "metrics", metric.key, f"metric {where}")
            folder.lines(path, [_line(metric)], f"metric {where}")
        write_files(folder, place / "artifacts", Q(logged_model=model), where)
        folder.count("logged models")


def _described(model: LoggedModel, place: Path) -> dict[str, object]:
    return {
        "artifact_location": (place / "artifacts").as_uri(),
        "creation_timestamp": model.created_ms,
        "experiment_id": str(model.experiment_id),
        "last_updated_timestamp": model.updated_ms,
        "lifecycle_stage": model.lifecycle,
        "model_id": model.model_id,
        "model_type": model.model_type or None,
        "name": model.name,
        "source_run_id": model.source_run_text or None,
        "status": STATUS[LoggedModel.Status(model.status)],
        "status_message": model.status_message or None,
    }


def _line(metric: LoggedModelMetric) -> str:
    value = math.nan if metric.is_nan else metric.value
    parts: list[object] = [metric.timestamp_ms, value, metric.step, metric.run.uuid]
    if metric.dataset_name and " " not in metric.dataset_name + metric.dataset_digest:
        parts += [metric.dataset_name, metric.dataset_digest]
    return " ".join(map(str, parts)) + "\n"
