"""The files of a version: from its registration to its deletion nobody may change them."""

from experiments.artifact_paths import path_of_uri
from experiments.services.frozen_folders import freeze_folder, unfreeze
from registry.models import ModelVersion


def freeze(version: ModelVersion) -> None:
    """Freeze the version's folder if it is in our store, inside the caller's transaction."""
    folder = path_of_uri(version.storage_location)
    if folder:
        freeze_folder(
            version.model.project_id,
            folder,
            reason=f"{version.model.name} version {version.number}",
            held_by=_holder(version),
        )


def release(version: ModelVersion) -> None:
    """Give the version's folder free, unless another version rests on it too."""
    unfreeze(_holder(version))


def _holder(version: ModelVersion) -> str:
    return f"version:{version.pk}"
