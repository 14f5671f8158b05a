"""Endpoints of what runs read and made."""

from typing import Any, Final

import msgspec

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import missing_value
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.trace_access import run_for, visible_experiments
from experiments.selectors.logged_datasets import dataset_uses
from experiments.services import run_inputs as services
from experiments.services.run_inputs import DatasetDraft
from platform_site.core.errors import Invalid

MAX_EXPERIMENTS: Final = 20


class InputTag(Request):
    """A tag of a dataset's use."""

    key: str
    value: str = ""


class Dataset(Request):
    """A dataset as its client describes it."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class DatasetInput(Request):
    """A dataset and the tags of its use."""

    dataset: Dataset
    tags: list[InputTag] = msgspec.field(default_factory=list)


class ModelInput(Request):
    """A logged model that was read."""

    model_id: str


class ModelOutput(Request):
    """A logged model that was made."""

    model_id: str
    step: Int64 = 0


class LogInputs(Request):
    """What a run read."""

    run_id: str
    datasets: list[DatasetInput] = msgspec.field(default_factory=list)
    models: list[ModelInput] = msgspec.field(default_factory=list)


class LogOutputs(Request):
    """What a run made."""

    run_id: str
    models: list[ModelOutput]


class LogModel(Request):
    """A saved model, as 2.x clients note it."""

    run_id: str
    model_json: str


class SearchDatasets(Request):
    """Experiments whose datasets to list."""

    experiment_ids: list[str] = msgspec.field(default_factory=list)


def log_inputs(call: Call) -> dict[str, Any]:
    """Note what a run read."""
    request = decode(call, LogInputs)
    services.log_inputs(
        run=run_for(call, request.run_id, "write"),
        datasets=[_draft(one) for one in request.datasets],
        model_ids=[one.model_id for one in request.models],
    )
    return {}


def log_outputs(call: Call) -> dict[str, Any]:
    """Note what a run made."""
    request = decode(call, LogOutputs)
    if not request.models:
        raise missing_value("models")
    services.log_outputs(
        run=run_for(call, request.run_id, "write"),
        steps={one.model_id: one.step for one in request.models},
    )
    return {}


def log_model(call: Call) -> dict[str, Any]:
    """Note a saved model in the run's history."""
    request = decode(call, LogModel)
    run = run_for(call, request.run_id, "write")
    services.record_model(run=run, model_json=request.model_json)
    return {}


def search_datasets(call: Call) -> dict[str, Any]:
    """List the datasets that the experiments' runs read."""
    request = decode(call, SearchDatasets)
    if not request.experiment_ids:
        raise Invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(request.experiment_ids) > MAX_EXPERIMENTS:
        raise Invalid(
            f"SearchDatasets request cannot specify more than {MAX_EXPERIMENTS} experiment_ids."
            f" Received {len(request.experiment_ids)} experiment_ids."
        )
    numbers = visible_experiments(call, request.experiment_ids)
    uses = dataset_uses(numbers)
    return {"dataset_summaries": [_summary(one) for one in uses]} if uses else {}


def _summary(use: Any) -> dict[str, str]:
    shape = {
        "experiment_id": str(use.experiment_id),
        "name": use.name,
        "digest": use.digest,
        "context": use.context,
    }
    return {name: value for name, value in shape.items() if value}


def _draft(one: DatasetInput) -> DatasetDraft:
    fields = {name: getattr(one.dataset, name) for name in one.dataset.__struct_fields__}
    return DatasetDraft(**fields, tags={tag.key: tag.value for tag in one.tags})


ROUTES: Final = [
    Route("POST", "2.0/mlflow/runs/log-inputs", log_inputs),
    Route("POST", "2.0/mlflow/runs/outputs", log_outputs),
    Route("POST", "2.0/mlflow/runs/log-model", log_model),
    Route("POST", "2.0/mlflow/experiments/search-datasets", search_datasets, reads=True),
]
