"""Experiments over the protocol: reads over a raw connection, changes through services."""

from functools import partial
from typing import Any, Final

from experiments.mlflow_api.experiment_reads import (
    experiment_by_id,
    find_experiment,
    no_experiment,
)
from experiments.mlflow_api.fields import (
    MAX_ID,
    VIEWS,
    Label,
    checked_max_results,
    experiment_number,
)
from experiments.mlflow_api.kit.answers import Answer, ok
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.hot import InThread
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.shapes import encode, experiment_out, page_json
from experiments.models import Experiment
from experiments.models.experiments import DEFAULT_EXPERIMENT
from experiments.services import experiments as services
from experiments.services.default_experiment import FIRST_ID
from experiments.tracking.database import Database
from experiments.tracking.search.experiments import (
    MAX_RESULTS,
    ExperimentRow,
    search_experiments,
    tags_of_experiments,
)
from platform_site.accounts.access import Need
from platform_site.accounts.models import Project
from platform_site.core.errors import NotFound


class CreateExperiment(Request):
    """A new experiment."""

    name: str
    artifact_location: str = ""
    tags: list[Label] = []


class ExperimentId(Request):
    """One experiment."""

    experiment_id: str


class ExperimentName(Request):
    """One experiment by its name."""

    experiment_name: str


class SearchExperiments(Request):
    """A page of experiments."""

    max_results: Int64 = 1000
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = []
    view_type: str | int = "ACTIVE_ONLY"


class RenameExperiment(Request):
    """A new name."""

    experiment_id: str
    new_name: str


class SetExperimentTag(Request):
    """A label of an experiment."""

    experiment_id: str
    key: str
    value: str = ""


class DeleteExperimentTag(Request):
    """A label to remove."""

    experiment_id: str
    key: str


def create(call: Call) -> dict[str, str]:
    """Make an experiment in the call's project."""
    asked = decode(call, CreateExperiment)
    project = Project.objects.get(pk=call.project("write"))
    experiment = services.create_experiment(
        project=project,
        name=asked.name,
        by=call.user,
        asked_location=asked.artifact_location,
        tags=[(tag.key, tag.value) for tag in asked.tags],
    )
    return {"experiment_id": str(experiment.pk)}


def get(call: Call, db: Database) -> Answer | InThread:
    """Answer with an experiment by its id, deleted ones too."""
    row = experiment_by_id(call, db, decode(call, ExperimentId).experiment_id)
    if row is None:
        return InThread(partial(_default_answer, call))
    return _answer(db, row)


def get_by_name(call: Call, db: Database) -> Answer | InThread:
    """Answer with an experiment of the call's project by its name, deleted ones too."""
    asked = decode(call, ExperimentName).experiment_name
    name = services.experiment_name(asked, field="experiment_name")
    row = find_experiment(db, "project_id = ? AND name = ?", (call.project(), name))
    if row is not None:
        return _answer(db, row)
    if name == DEFAULT_EXPERIMENT:
        return InThread(partial(_default_answer, call))
    raise NotFound(f"Could not find experiment with name '{asked[:500]}'")


def search(call: Call, db: Database) -> Answer:
    """Answer with a page of the experiments of the call's project."""
    asked = decode(call, SearchExperiments)
    rows, token = search_experiments(
        db,
        [call.project()],
        asked.filter,
        asked.order_by,
        VIEWS.get(asked.view_type, "ACTIVE_ONLY"),
        checked_max_results(asked.max_results, MAX_RESULTS),
        asked.page_token or None,
    )
    tags = tags_of_experiments(db, [row.id for row in rows])
    items = (encode(experiment_out(row, tags[row.id])) for row in rows)
    return Answer(body=page_json(b"experiments", items, token))


def update(call: Call) -> None:
    """Rename an experiment."""
    asked = decode(call, RenameExperiment)
    experiment = _experiment(call, asked.experiment_id)
    services.rename_experiment(experiment=experiment, name=asked.new_name, by=call.user)


def delete(call: Call) -> None:
    """Delete an experiment and all its runs."""
    experiment = _experiment(call, decode(call, ExperimentId).experiment_id)
    services.delete_experiment(experiment=experiment, by=call.user)


def restore(call: Call) -> None:
    """Restore an experiment and all its runs."""
    experiment = _experiment(call, decode(call, ExperimentId).experiment_id)
    services.restore_experiment(experiment=experiment, by=call.user)


def set_tag(call: Call) -> None:
    """Set a tag of an experiment."""
    asked = decode(call, SetExperimentTag)
    experiment = _experiment(call, asked.experiment_id)
    services.set_experiment_tag(
        experiment=experiment, key=asked.key, value=asked.value, by=call.user
    )


def delete_tag(call: Call) -> None:
    """Remove a tag of an experiment."""
    asked = decode(call, DeleteExperimentTag)
    experiment = _experiment(call, asked.experiment_id)
    services.delete_experiment_tag(experiment=experiment, key=asked.key, by=call.user)


def _answer(db: Database, row: ExperimentRow) -> Answer:
    tags = tags_of_experiments(db, [row.id])
    return ok({"experiment": experiment_out(row, tags[row.id])})


def _default_answer(call: Call) -> Answer:
    project = Project.objects.get(pk=call.project())
    experiment = services.ensure_default_experiment(project=project)
    db = Database.of_django()
    row = find_experiment(db, "id = ?", (experiment.pk,))
    if row is None:
        raise no_experiment(str(FIRST_ID))
    return _answer(db, row)


def _experiment(call: Call, text: str, need: Need = "write") -> Experiment:
    number = experiment_number(text)
    experiment: Experiment | None = None
    if number == FIRST_ID:
        project = Project.objects.get(pk=call.project())
        experiment = services.ensure_default_experiment(project=project)
    elif 0 < number <= MAX_ID:
        experiment = Experiment.objects.filter(pk=number).first()
    if experiment is None or call.caller.role_in(experiment.project_id) is None:
        raise no_experiment(text)
    call.caller.require(experiment.project_id, need, "experiment")
    return experiment


def _routes() -> list[Route]:
    changes: dict[str, Any] = {
        "create": create,
        "update": update,
        "delete": delete,
        "restore": restore,
        "set-experiment-tag": set_tag,
        "delete-experiment-tag": delete_tag,
    }
    base = "2.0/mlflow/experiments"
    return [
        *(Route("POST", f"{base}/{name}", endpoint) for name, endpoint in changes.items()),
        Route("GET", f"{base}/get", get, hot=True),
        Route("GET", f"{base}/get-by-name", get_by_name, hot=True),
        Route("GET", f"{base}/search", search, hot=True),
        Route("POST", f"{base}/search", search, hot=True, reads=True),
    ]


ROUTES: Final = _routes()
