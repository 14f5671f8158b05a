"""Where a path of the artifact tree belongs: project, experiment, run or logged model."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from experiments.artifact_paths import (
    STORE_SCHEME,
    folders_of,
    joined,
    model_uri,
    path_of_uri,
    run_uri,
)
from experiments.models import Experiment, LoggedModel, Run
from platform_site.accounts.access import Need
from platform_site.accounts.callers import Caller
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.ids import RUN_ID

MAX_DIGITS: Final = 18
MODEL_ID: Final = re.compile(r"^m-[0-9a-f]{32}$")
MODELS_FOLDER: Final = "models"
NO_SUCH_FILE: Final = "No such file."


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a project's artifact tree, and what it is part of."""

    project_id: int
    path: str
    experiment_id: int | None = None
    run_id: int | None = None
    logged_model_id: int | None = None


def place_for(
    caller: Caller, path: str, *, need: Need, own_project: Callable[[Need], int]
) -> Place:
    """Return the place of a clean path, if the caller may do this there.

    A path that starts with an experiment's number, or lies below the location that an experiment
    asked for, is that experiment's; any other path is the project's that the caller works in.

    Raises:
        NotFound: for an experiment that does not exist or that the caller may not see.
        Forbidden: for members whose role is too small.
    """
    number = path.partition("/")[0]
    if number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS:
        experiment = Experiment.objects.filter(pk=int(number)).first()
        if experiment is None or str(experiment.pk) != number:
            raise NotFound(NO_SUCH_FILE)
        root = number
    else:
        found = _asked_for(caller, path, own_project) if path else None
        if found is None:
            return Place(own_project(need), path)
        experiment, root = found
    caller.require(experiment.project_id, need, "file")
    return _owned(experiment, path, path[len(root) :].lstrip("/"))


def place_in_run(run: Run, relative: str) -> Place:
    """Return the place of a clean path below a run's folder; `run.experiment` is read.

    Raises:
        Invalid: when the run's files are kept elsewhere.
    """
    root = _root_of(run_uri(run.experiment.artifact_location, run.uuid))
    return Place(
        run.project_id, joined(root, relative), experiment_id=run.experiment_id, run_id=run.pk
    )


def place_in_model(model: LoggedModel, relative: str) -> Place:
    """Return the place of a clean path below a logged model's folder; `model.experiment` is read.

    Raises:
        Invalid: when the model's files are kept elsewhere.
    """
    experiment = model.experiment
    root = _root_of(model_uri(experiment.artifact_location, model.model_id))
    return Place(
        experiment.project_id,
        joined(root, relative),
        experiment_id=experiment.pk,
        logged_model_id=model.pk,
    )


def _root_of(uri: str) -> str:
    path = path_of_uri(uri)
    if path is None:
        raise Invalid("These files are kept elsewhere; this server only knows their address.")
    return path


def _asked_for(
    caller: Caller, path: str, own_project: Callable[[Need], int]
) -> tuple[Experiment, str] | None:
    roots = [*folders_of(path), path]
    locations = {f"{STORE_SCHEME}:/{root}{end}": root for root in roots for end in ("", "/")}
    found = list(
        Experiment.objects.filter(
            project_id__in=caller.visible_projects(), asked_location__in=list(locations)
        )
    )
    if not found:
        return None
    own_id = own_project("read") if len(found) > 1 else found[0].project_id
    found.sort(
        key=lambda one: (
            -len(locations[one.asked_location]), one.project_id != own_id, one.project_id, one.pk
        )
    )  # fmt: skip
    for experiment in found:
        root = locations[experiment.asked_location]
        place = _owned(experiment, path, path[len(root) :].lstrip("/"))
        if place.run_id is not None or place.logged_model_id is not None:
            return experiment, root
    return found[0], locations[found[0].asked_location]


def _owned(experiment: Experiment, path: str, rest: str) -> Place:
    names = rest.split("/")
    run_id: int | None = None
    model_id: int | None = None
    if RUN_ID.fullmatch(names[0]):
        run_id = (
            Run.objects.filter(uuid=names[0], experiment=experiment)
            .values_list("pk", flat=True)
            .first()
        )
    elif names[0] == MODELS_FOLDER and len(names) > 1 and MODEL_ID.fullmatch(names[1]):
        model_id = (
            LoggedModel.objects.filter(model_id=names[1], experiment=experiment)
            .values_list("pk", flat=True)
            .first()
        )
    return Place(
        experiment.project_id,
        path,
        experiment_id=experiment.pk,
        run_id=run_id,
        logged_model_id=model_id,
    )
