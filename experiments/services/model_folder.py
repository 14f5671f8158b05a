"""The model of a training as files of its run, where clients of the protocol look for it."""

from collections.abc import Mapping
from typing import Final

from assets.storage import StoredBytes
from experiments.artifact_paths import joined, path_of_uri
from experiments.models import ArtifactFile, Run
from experiments.selectors.artifact_places import place_in_run
from experiments.services.artifacts import put_in_transaction

MODEL_FOLDER: Final = "model"
MODEL_FILE: Final = "model.skops"


def keep_model_folder(run: Run, files: Mapping[str, StoredBytes]) -> None:
    """List these files in the run's model folder, inside the caller's transaction.

    Repeating is fine, also when a model version holds the folder. They count for the quota, but a
    training that has come so far is not lost for it. An experiment whose files are kept elsewhere
    lists none.

    Raises:
        Conflict: when a model version holds another file of this name.
        Unavailable: when a clean-up of the same bytes came in between.
    """
    if path_of_uri(run.experiment.artifact_location) is None:
        return
    for name, stored in files.items():
        place = place_in_run(run, joined(MODEL_FOLDER, name))
        is_there = ArtifactFile.objects.filter(
            project_id=place.project_id, path=place.path, blob__sha256=stored.sha256
        ).exists()
        if not is_there:
            put_in_transaction(
                place=place, stored=stored, by_id=run.created_by_id, whatever_quota=True
            )
