"""What a version takes over from a training of ours: the model file and what is known about it."""

from typing import Any, Final

from experiments.models import Run, RunReport

OWN_FOLDER: Final = "model"
"""Folder below a training's artifacts in which clients find its model."""


def trained_fields(run: Run) -> dict[str, Any]:
    """Return file, manifest, figures and card of a training, as fields of a version."""
    report = RunReport.objects.filter(run=run).first()
    result: dict[str, Any] = report.result if report is not None else {}
    return {
        "model_blob": run.model_blob,
        "manifest": run.model_manifest,
        "metrics": result.get("metrics", {}),
        "card": report.model_card if report is not None else "",
    }
