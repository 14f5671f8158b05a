"""What stages, curves and states of a run are called for people."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from platform_site.jobs import states

STAGES: Final[dict[str, Any]] = {
    "": _("Waiting"),
    "loading": _("Loading the data"),
    "preparing": _("Preparing the features"),
    "fitting": _("Learning"),
    "saving": _("Saving the model"),
    "evaluating": _("Evaluating on held-out rows"),
    "importance": _("Measuring feature importance"),
    "explaining": _("Explaining predictions"),
    "packaging": _("Packing the model"),
}
CURVES: Final[dict[str, Any]] = {
    "loss": _("Loss (lower is better)"),
    "accuracy": _("Accuracy (higher is better)"),
    "rmse": _("Root mean squared error (lower is better)"),
    "r2": _("R² (higher is better)"),
}
TERMS: Final[dict[str, Any]] = {
    "train": _("training rows"),
    "validation": _("held-out rows"),
    "test": _("test rows"),
    "fold": _("fold"),
    "step": _("Step"),
    "left": _("%s left"),
}
SENTENCES: Final[dict[str, Any]] = {
    states.QUEUED: _("Waiting for a free worker."),
    states.PAUSING: _("Pausing: the state is saved first."),
    states.PAUSED: _("Paused: processor and memory are free; resume goes on where it was."),
    states.STOPPING: _("Stopping."),
    states.STOPPED: _("Stopped before its end."),
    states.LOST: _("The worker disappeared; try again to go on from the last checkpoint."),
}


def stage_title(stage: str) -> Any:
    """Return what a stage is called; one without words keeps its own name."""
    return STAGES.get(stage, stage)


def state_sentence(status: str) -> Any:
    """Return what the state means for the person, or an empty text."""
    return SENTENCES.get(status, "")


def words_for_script() -> dict[str, dict[str, str]]:
    """Return the words that the page's script writes while the run moves."""
    parts = {"stages": STAGES, "curves": CURVES, "terms": TERMS, "sentences": SENTENCES}
    return {part: {key: str(word) for key, word in words.items()} for part, words in parts.items()}
