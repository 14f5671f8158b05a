"""Registered models as files of an `mlruns` folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from experiments.artifact_paths import joined, path_of_uri
from experiments.exporting.folders import Folder
from experiments.exporting.models_out import model_folder
from experiments.exporting.runs_out import experiment_folder
from experiments.models import Run
from platform_site.accounts.models import Project
from platform_site.core.clock import epoch_ms
from registry.models import ModelVersion, RegisteredModel

MODELS: Final = "models"
DELETED: Final = "Deleted_Internal"
MODEL_FILE: Final = "model.skops"


def write_registered_models(folder: Folder, project: Project) -> None:
    """Write all registered models of a project with their versions, aliases and tags."""
    for model in project.registered_models.order_by("pk"):
        if "/" in model.name or "\\" in model.name or "%" in model.name:
            folder.left_out.append(f"registered model {model.name[:60]!r}: its name is no folder's")
            continue
        place = folder.place(folder.root / MODELS, model.name, "registered model")
        if place is not None:
            _write_model(folder, place, model)


def _write_model(folder: Folder, place: Path, model: RegisteredModel) -> None:
    aliases = {
        alias.name: str(alias.version.number) for alias in model.aliases.select_related("version")
    }
    folder.meta(
        place,
        {
            "aliases": aliases,
            "creation_timestamp": epoch_ms(model.created_at),
            "description": model.description or None,
            "last_updated_timestamp": epoch_ms(model.updated_at),
            "name": model.name,
        },
    )
    folder.pairs(place / "tags", dict(model.tags.values_list("key", "value")), "tag of a model")
    folder.pairs(place / "aliases", aliases, "alias of a model")
    versions = model.versions.select_related(
        "run__experiment", "logged_model__experiment", "model", "model_blob"
    )
    numbers = set()
    for version in versions.order_by("number"):
        _write_version(folder, place / f"version-{version.number}", version)
        numbers.add(version.number)
    if model.last_number and model.last_number not in numbers:
        _write_deleted(folder, place / f"version-{model.last_number}", model)
    folder.count("registered models")


def _write_version(folder: Folder, place: Path, version: ModelVersion) -> None:
    location = _location(folder, version)
    folder.meta(
        place,
        {
            "creation_timestamp": epoch_ms(version.created_at),
            "current_stage": version.stage,
            "description": version.description or None,
            "last_updated_timestamp": epoch_ms(version.updated_at),
            "model_id": version.logged_model.model_id if version.logged_model else None,
            "name": version.model.name,
            "run_id": version.run_text or (version.run.uuid if version.run else None),
            "run_link": version.run_link or None,
            "source": version.source or location,
            "status": "READY",
            "status_message": None,
            "storage_location": location,
            "user_id": None,
            "version": version.number,
        },
    )
    folder.pairs(place / "tags", dict(version.tags.values_list("key", "value")), "tag of a version")
    folder.count("versions")


def _write_deleted(folder: Folder, place: Path, model: RegisteredModel) -> None:
    """Leave a mark of the greatest number, so that it is not given again."""
    moment_ms = epoch_ms(model.updated_at)
    folder.meta(
        place,
        {
            "creation_timestamp": moment_ms,
            "current_stage": DELETED,
            "description": None,
            "last_updated_timestamp": moment_ms,
            "name": model.name,
            "run_id": None,
            "run_link": None,
            "source": None,
            "status": "READY",
            "status_message": None,
            "storage_location": None,
            "user_id": None,
            "version": model.last_number,
        },
    )


def _location(folder: Folder, version: ModelVersion) -> str:
    """Return where the version's files lie in the export, else where they were said to be."""
    stored = path_of_uri(version.storage_location) or ""
    inside = unquote(stored).partition("/artifacts")[2].strip("/")
    if version.model_blob is not None and version.run is not None:
        place = _run_folder(folder, version.run) / "artifacts" / "model"
        folder.blob(place / MODEL_FILE, version.model_blob.sha256, "model file")
        return place.as_uri()
    if version.logged_model is not None:
        root = model_folder(folder, version.logged_model)
        return (root / joined("artifacts", inside)).as_uri()
    if version.run is not None and f"/{version.run.uuid}/" in f"/{stored}/":
        return (_run_folder(folder, version.run) / joined("artifacts", inside)).as_uri()
    return version.storage_location


def _run_folder(folder: Folder, run: Run) -> Path:
    return experiment_folder(folder, run.experiment) / run.uuid
