"""Endpoints of logged models: made when a client begins to save one, finished, labelled, deleted."""

from typing import Any, Final

import msgspec

from experiments.artifact_paths import model_uri
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.models import Experiment, LoggedModel, LoggedModelMetric
from experiments.selectors.logged_models import logged_model, logged_models
from experiments.services import logged_models as services
from experiments.tracking.database import Database
from experiments.tracking.search.logged_models import (
    DatasetName,
    ModelOrder,
    search_logged_models,
)
from platform_site.accounts.access import Need
from platform_site.core.errors import Invalid, NotFound

STATUS_OF_NUMBER: Final = {
    1: LoggedModel.Status.PENDING,
    2: LoggedModel.Status.READY,
    3: LoggedModel.Status.UPLOAD_FAILED,
}
MAX_DIGITS: Final = 18


class Pair(Request):
    """A param or tag."""

    key: str
    value: str = ""


class CreateModel(Request):
    """What is to be saved; a missing name is made up."""

    experiment_id: str
    name: str | None = None
    model_type: str = ""
    source_run_id: str = ""
    params: list[Pair] = msgspec.field(default_factory=list)
    tags: list[Pair] = msgspec.field(default_factory=list)


class ReadModel(Request):
    """Whether a deleted one may be read, too."""

    allow_deleted: bool = False


class FinishModel(Request):
    """How saving ended: a name or a number."""

    status: Int64 | str
    model_id: str = ""


class SetTags(Request):
    """Tags of a model."""

    tags: list[Pair] = msgspec.field(default_factory=list)
    model_id: str = ""


class LogParams(Request):
    """Params of a model."""

    params: list[Pair] = msgspec.field(default_factory=list)
    model_id: str = ""


class DatasetFilter(Request):
    """A dataset on which metrics were measured."""

    dataset_name: str
    dataset_digest: str = ""


class OrderBy(Request):
    """A key to sort by."""

    field_name: str
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchModels(Request):
    """Experiments, a filter, an order, a page."""

    experiment_ids: list[str]
    filter: str = ""
    datasets: list[DatasetFilter] = msgspec.field(default_factory=list)
    max_results: Int64 = 100
    order_by: list[OrderBy] = msgspec.field(default_factory=list)
    page_token: str = ""


def create(call: Call) -> dict[str, Any]:
    """Make a logged model that waits for its files.

    Raises:
        Invalid: for an impossible name, param or tag, and for a deleted experiment.
        NotFound: for an experiment that the caller may not see.
    """
    asked = decode(call, CreateModel)
    wanted = services.NewLoggedModel(
        name=asked.name,
        model_type=asked.model_type,
        source_run_id=asked.source_run_id,
        params=_pairs(asked.params),
        tags=_pairs(asked.tags),
    )
    experiment = _experiment(call, asked.experiment_id)
    model = services.create_logged_model(experiment=experiment, wanted=wanted, by=call.user)
    return _answer(model)


def get(call: Call) -> dict[str, Any]:
    """Answer with the model."""
    asked = decode(call, ReadModel)
    return {"model": model_shape(model_of(call, with_deleted=asked.allow_deleted))}


def finish(call: Call) -> dict[str, Any]:
    """Say how saving ended; may be repeated.

    Raises:
        Invalid: for a status that is no end.
    """
    status = decode(call, FinishModel).status
    if isinstance(status, int):
        status = STATUS_OF_NUMBER.get(status, str(status))
    return _answer(services.finish_logged_model(model=model_of(call, "write"), status=status))


def delete(call: Call) -> dict[str, Any]:
    """Hide the model."""
    services.delete_logged_model(model=model_of(call, "write", with_deleted=True))
    return {}


def set_tags(call: Call) -> dict[str, Any]:
    """Set tags."""
    asked = decode(call, SetTags)
    model = model_of(call, "write")
    services.tag_logged_model(model=model, tags=_pairs(asked.tags))
    return {}


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag.

    Raises:
        NotFound: when the model has no such tag.
    """
    services.untag_logged_model(model=model_of(call, "write"), key=call.path_params["key"])
    return {}


def log_params(call: Call) -> dict[str, Any]:
    """Add params; the same value again changes nothing.

    Raises:
        Invalid: for another value of a known param.
    """
    asked = decode(call, LogParams)
    services.log_model_params(model=model_of(call, "write"), params=_pairs(asked.params))
    return {}


def search(call: Call) -> dict[str, Any]:
    """Answer with a page of logged models of some experiments.

    Raises:
        Invalid: naming the clause, key, token or number that does not fit.
    """
    asked = decode(call, SearchModels)
    rows, token = search_logged_models(
        Database.of_django(),
        call.caller.visible_projects(),
        [_experiment_number(text) for text in asked.experiment_ids],
        asked.filter,
        [DatasetName(one.dataset_name, one.dataset_digest) for one in asked.datasets],
        [_order(one) for one in asked.order_by],
        asked.max_results,
        asked.page_token or None,
    )
    models = logged_models(row.id for row in rows)
    page = [model_shape(models[row.id]) for row in rows if row.id in models]
    return _filled({"models": page, "next_page_token": token})


def _order(asked: OrderBy) -> ModelOrder:
    dataset = DatasetName(asked.dataset_name, asked.dataset_digest) if asked.dataset_name else None
    return ModelOrder(asked.field_name, asked.ascending, dataset)


def model_of(call: Call, need: Need = "read", *, with_deleted: bool = False) -> LoggedModel:
    """Return the logged model that the address names.

    Raises:
        NotFound: for strangers, unknown ids and deleted models.
        Forbidden: for members whose role is too small.
    """
    model_id = call.path_params["model_id"]
    model = logged_model(model_id, with_deleted=with_deleted)
    missing = f"Logged model with ID '{model_id[:100]}' not found."
    if model is None or call.caller.role_in(model.experiment.project_id) is None:
        raise NotFound(missing)
    call.caller.require(model.experiment.project_id, need, "logged model")
    return model


def model_shape(model: LoggedModel) -> dict[str, Any]:
    """Return a logged model (`with_content`) as clients read it; what is empty is left out."""
    info = {
        "model_id": model.model_id,
        "experiment_id": str(model.experiment_id),
        "name": model.name,
        "creation_timestamp_ms": model.created_ms,
        "last_updated_timestamp_ms": model.updated_ms,
        "artifact_uri": model_uri(model.experiment.artifact_location, model.model_id),
        "status": model.status,
        "model_type": model.model_type,
        "source_run_id": model.source_run_text,
        "status_message": model.status_message,
        "tags": _labels(model.tags.all()),
    }
    data = {
        "params": _labels(model.params.all()),
        "metrics": [_metric_shape(point, model.model_id) for point in model.metrics.all()],
    }
    return {"info": _filled(info), "data": _filled(data)}


def _metric_shape(point: LoggedModelMetric, model_id: str) -> dict[str, Any]:
    return _filled(
        {
            "key": point.key,
            "value": "NaN" if point.is_nan else point.value,
            "timestamp": point.timestamp_ms,
            "step": point.step,
            "model_id": model_id,
            "run_id": point.run.uuid,
            "dataset_name": point.dataset_name,
            "dataset_digest": point.dataset_digest,
        }
    )


def _answer(model: LoggedModel) -> dict[str, Any]:
    fresh = logged_model(model.model_id, with_deleted=True)
    return {"model": model_shape(fresh if fresh is not None else model)}


def _experiment_number(text: str) -> int:
    """Return the number of an experiment; one that no experiment can have becomes -1."""
    if not (text.isascii() and text.isdigit()):
        raise Invalid(
            f"Invalid experiment ID: '{text[:100]}'. It must be a whole number.",
            field="experiment_id",
        )
    return int(text) if len(text) <= MAX_DIGITS else -1


def _experiment(call: Call, text: str) -> Experiment:
    experiment = Experiment.objects.filter(pk=_experiment_number(text)).first()
    if experiment is None or call.caller.role_in(experiment.project_id) is None:
        raise NotFound(f"No Experiment with id={text[:100]} exists")
    call.caller.require(experiment.project_id, "write", "experiment")
    return experiment


def _pairs(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.key, pair.value) for pair in pairs]


def _labels(labels: Any) -> list[dict[str, str]]:
    found = sorted((label.key, label.value) for label in labels)
    return [{"key": key, "value": value} for key, value in found]


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, [])}


PATH: Final = "2.0/mlflow/logged-models"
MODEL: Final = f"{PATH}/{{model_id}}"
ROUTES: Final = [
    Route("POST", PATH, create),
    Route("GET", MODEL, get),
    Route("PATCH", MODEL, finish),
    Route("DELETE", MODEL, delete),
    Route("PATCH", f"{MODEL}/tags", set_tags),
    Route("DELETE", f"{MODEL}/tags/{{key:rest}}", delete_tag),
    Route("POST", f"{MODEL}/params", log_params),
    Route("POST", f"{PATH}/search", search, reads=True),
]
