"""What a run read and made: datasets, logged models, and the older note about saved models."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import F

from experiments.models import (
    DatasetInput,
    Lifecycle,
    LoggedDataset,
    LoggedModel,
    Run,
    RunModel,
    RunTag,
)
from experiments.tracking.keys import key_ids
from platform_site.core.clock import now_ms
from platform_site.core.errors import Invalid, NotFound, TooLarge
from platform_site.core.transactions import write_transaction

CONTEXT_TAG: Final = "mlflow.data.context"
HISTORY_TAG: Final = "mlflow.log-model.history"
MODEL_FIELDS: Final = ("artifact_path", "flavors", "utc_time_created", "run_id")
KEPT_MODEL_FIELDS: Final = ("run_id", "utc_time_created", "artifact_path", "model_uuid")

MAX_INPUTS: Final = 1_000
MAX_TAGS: Final = 100
MAX_TAG_KEY: Final = 255
MAX_TAG_VALUE: Final = 500
MAX_HISTORY_CHARS: Final = 1_000_000
MAX_CHARS: Final = {
    "name": 500,
    "digest": 36,
    "source_type": 100,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDraft:
    """A dataset as a client describes it, and the tags of its use."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str]:
        """What makes it the same dataset within an experiment."""
        return self.name, self.digest


def log_inputs(
    *, run: Run, datasets: Sequence[DatasetDraft] = (), model_ids: Sequence[str] = ()
) -> None:
    """Say that the run read these datasets and models; what was said before stays as it was.

    Raises:
        Invalid: for too many or too long values, or a run that is not active.
        NotFound: for a logged model that its project does not have.
    """
    _check_count(datasets, model_ids)
    for draft in datasets:
        _check_dataset(draft)
    with write_transaction():
        locked = _active(run)
        known = _put_datasets(locked, datasets)
        DatasetInput.objects.bulk_create(
            [
                DatasetInput(
                    run=locked,
                    dataset_id=known[identity],
                    context=draft.tags.get(CONTEXT_TAG, "")[:MAX_TAG_VALUE],
                    tags=[{"key": key, "value": value} for key, value in draft.tags.items()],
                )
                for identity, draft in _firsts(datasets).items()
            ],
            ignore_conflicts=True,
        )
        _put_models(locked, dict.fromkeys(model_ids, 0), RunModel.Direction.INPUT)
        _touch(locked)


def log_outputs(*, run: Run, steps: Mapping[str, int]) -> None:
    """Say that the run made these models, by id with the step they are of.

    Raises:
        Invalid: for too many models, or a run that is not active.
        NotFound: for a logged model that its project does not have.
    """
    _check_count((), list(steps))
    with write_transaction():
        locked = _active(run)
        _put_models(locked, steps, RunModel.Direction.OUTPUT)
        _touch(locked)


def record_model(*, run: Run, model_json: str) -> None:
    """Add a model to the run's history of saved models, a tag that 2.x clients read.

    Raises:
        Invalid: when the text is no JSON, lacks fields, or the run is not active.
        TooLarge: when the history would exceed a million characters.
    """
    model = _model_of(model_json)
    with write_transaction():
        locked = _active(run)
        key_id = key_ids([HISTORY_TAG])[HISTORY_TAG]
        tag = RunTag.objects.filter(run=locked, key_id=key_id).first()
        history = _history_of(tag)
        if model not in history:
            history.append(model)
        text = json.dumps(history)
        if len(text) > MAX_HISTORY_CHARS:
            raise TooLarge("The history of saved models of this run is full.")
        RunTag.objects.bulk_create(
            [RunTag(run=locked, key_id=key_id, value=text)],
            update_conflicts=True,
            unique_fields=["run", "key"],
            update_fields=["value"],
        )
        _touch(locked)


def _active(run: Run) -> Run:
    locked = Run.objects.select_for_update().only("pk", "uuid", "lifecycle", "experiment_id",
                                                  "project_id").get(pk=run.pk)  # fmt: skip
    if locked.lifecycle != Lifecycle.ACTIVE:
        raise Invalid(f"The run {locked.uuid} must be in the 'active' state.")
    return locked


def _touch(run: Run) -> None:
    """Let every process render the run anew, and pages hear of it."""
    Run.objects.filter(pk=run.pk).update(
        version=F("version") + 1, dirty=F("dirty").bitor(Run.Dirty.LABELS), heard_ms=now_ms()
    )


def _firsts(datasets: Iterable[DatasetDraft]) -> dict[tuple[str, str], DatasetDraft]:
    firsts: dict[tuple[str, str], DatasetDraft] = {}
    for draft in datasets:
        firsts.setdefault(draft.identity, draft)
    return firsts


def _put_datasets(run: Run, datasets: Sequence[DatasetDraft]) -> dict[tuple[str, str], int]:
    """Return the number of each dataset, made if new."""
    firsts = _firsts(datasets)
    if not firsts:
        return {}
    LoggedDataset.objects.bulk_create(
        [
            LoggedDataset(
                experiment_id=run.experiment_id,
                **{name: getattr(draft, name) for name in MAX_CHARS},
            )
            for draft in firsts.values()
        ],
        ignore_conflicts=True,
    )
    rows = LoggedDataset.objects.filter(
        experiment_id=run.experiment_id,
        name__in={name for name, _ in firsts},
        digest__in={digest for _, digest in firsts},
    )
    return {(name, digest): pk for pk, name, digest in rows.values_list("pk", "name", "digest")}


def _put_models(run: Run, steps: Mapping[str, int], direction: RunModel.Direction) -> None:
    if not steps:
        return
    rows = LoggedModel.objects.filter(
        model_id__in=list(steps), experiment__project_id=run.project_id
    )
    known = dict(rows.values_list("model_id", "pk"))
    for model_id in steps:
        if model_id not in known:
            raise NotFound(f"Logged model with ID '{model_id[:100]}' not found.")
    RunModel.objects.bulk_create(
        [
            RunModel(run=run, model_id=known[model_id], direction=direction, step=step)
            for model_id, step in steps.items()
        ],
        update_conflicts=True,
        unique_fields=["run", "model", "direction"],
        update_fields=["step"],
    )


def _check_count(datasets: Sequence[DatasetDraft], model_ids: Sequence[str]) -> None:
    if len(datasets) > MAX_INPUTS or len(model_ids) > MAX_INPUTS:
        raise Invalid(f"At most {MAX_INPUTS} datasets or models can be logged at once.")


def _check_dataset(draft: DatasetDraft) -> None:
    for name, limit in MAX_CHARS.items():
        if len(getattr(draft, name)) > limit:
            raise Invalid(f"The {name} of a dataset exceeds the maximum length of {limit}.")
    if len(draft.tags) > MAX_TAGS:
        raise Invalid(f"A dataset can have at most {MAX_TAGS} tags.")
    for key, value in draft.tags.items():
        if not key or len(key) > MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            raise Invalid(
                f"The tag of a dataset has a key of 1 to {MAX_TAG_KEY} and a value of at most"
                f" {MAX_TAG_VALUE} characters."
            )


def _model_of(model_json: str) -> dict[str, Any]:
    try:
        model = json.loads(model_json)
    except (ValueError, RecursionError) as error:
        raise Invalid("Malformed model info: it is not valid JSON.") from error
    if not isinstance(model, dict):
        raise Invalid("Malformed model info: it is not a JSON object.")
    missing = [name for name in MODEL_FIELDS if name not in model]
    if missing:
        raise Invalid(f"Model json is missing mandatory fields: {', '.join(missing)}.")
    if not isinstance(model["flavors"], dict):
        raise Invalid("Malformed model info: 'flavors' is not a JSON object.")
    kept = {name: model[name] for name in KEPT_MODEL_FIELDS if name in model}
    return {
        **kept,
        "flavors": {name: _without_config(one) for name, one in model["flavors"].items()},
    }


def _without_config(flavor: Any) -> Any:
    if isinstance(flavor, dict):
        return {name: value for name, value in flavor.items() if name != "config"}
    return flavor


def _history_of(tag: RunTag | None) -> list[Any]:
    """Return the models that the tag names; a tag that somebody wrote otherwise is begun anew."""
    try:
        history = json.loads(tag.value) if tag else []
    except (ValueError, RecursionError):
        return []
    return history if isinstance(history, list) else []
