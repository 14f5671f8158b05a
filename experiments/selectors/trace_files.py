"""Files that clients store beside a trace: attachments, and the spans of older clients."""

from typing import Final

from experiments.artifact_paths import clean_path
from experiments.models import ArtifactFile, Experiment, Trace
from experiments.selectors.artifact_places import Place
from experiments.selectors.artifacts import get_file
from platform_site.core.errors import NotFound

SPANS_FILE: Final = "traces.json"


def files_folder(experiment: Experiment) -> str:
    """Return the folder of all traces' files in the artifact tree of the experiment's project."""
    return f"{experiment.pk}/traces"


def file_of_trace(trace: Trace, name: str) -> ArtifactFile:
    """Return a file of the trace by its path, with its stored bytes.

    Raises:
        NotFound: when there is none, or when the experiment keeps its files elsewhere.
        Invalid: for a hostile path, or one of a folder.
    """
    experiment = trace.experiment
    if experiment.asked_location:
        raise NotFound("The files of this experiment are kept elsewhere.")
    path = clean_path(f"{files_folder(experiment)}/{trace.trace_id}/artifacts/{name}")
    return get_file(Place(experiment.project_id, path))
