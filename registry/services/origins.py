"""Where a version comes from: its source held against the run or logged model that a client names.

A source inside our own store has to lie in the folder of the run or logged model that the request
names, in the project of the registered model; everything else is kept as text.
"""

from dataclasses import dataclass
from typing import Final

from experiments.artifact_paths import joined, model_uri, path_of_uri, run_uri
from experiments.models import Lifecycle, LoggedModel, Run
from platform_site.core.errors import Invalid, NotFound
from registry.models import ModelVersion, RegisteredModel
from registry.selectors import find_version, is_prompt
from registry.services.sources import (
    ARTIFACT_SCHEME,
    Source,
    fully_decoded,
    is_local,
    parse_source,
    path_below,
    refuse_foreign,
    refuse_local,
)

A_RUN: Final = "run"
A_MODEL: Final = "logged model"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a version comes from; `copied` is the version of which it is a copy."""

    source: str
    storage_location: str
    run: Run | None = None
    run_text: str = ""
    logged_model: LoggedModel | None = None
    copied: ModelVersion | None = None

    @property
    def folder(self) -> str | None:
        """Return the version's folder in our own store, None when it lies elsewhere."""
        return path_of_uri(self.storage_location)


def origin_of(model: RegisteredModel, text: str, *, run_id: str, model_id: str) -> Origin:
    """Return where a new version of the model comes from.

    Raises:
        Invalid: when the source climbs, or does not lie inside what the request names.
        NotFound: when it names a version that does not exist.
    """
    source = parse_source(text)
    run = _run(model, run_id)
    logged = _logged_model(model, model_id)
    if model_id and logged is None:
        if source.kind == "remote":
            raise NotFound(f"Logged model with ID '{model_id}' not found.")
        raise refuse_foreign(source, A_MODEL)
    if source.kind == "version":
        return _from_version(model, source, run_id=run_id, model_id=model_id)
    if source.kind == "logged":
        logged = _named_model(model, source, model_id)
        storage = model_uri(logged.experiment.artifact_location, logged.model_id)
    elif source.kind == "run":
        storage = _inside_named_run(source, run, run_id=run_id, model_id=model_id)
    else:
        if source.kind in {"local", "artifacts"}:
            _require_inside(source, run, logged)
        storage = text
    if not run_id and logged is not None:
        run_id = logged.source_run_text
        run = _run(model, run_id)
    origin = Origin(
        source=text,
        storage_location=storage,
        run=run,
        run_text="" if run is not None else run_id,
        logged_model=logged,
    )
    if storage.startswith(f"{ARTIFACT_SCHEME}:") and origin.folder is None:
        raise Invalid(f"Invalid model version source: '{text}'. Invalid path.", field="source")
    return origin


def _run(model: RegisteredModel, run_id: str) -> Run | None:
    if not run_id:
        return None
    runs = Run.objects.select_related("experiment", "model_blob").defer("spec", "environment")
    return runs.filter(uuid=run_id, project_id=model.project_id).first()


def _logged_model(model: RegisteredModel, model_id: str) -> LoggedModel | None:
    if not model_id:
        return None
    return (
        LoggedModel.objects.select_related("experiment")
        .filter(
            model_id=model_id,
            experiment__project_id=model.project_id,
            lifecycle=Lifecycle.ACTIVE,
        )
        .first()
    )


def _named_model(model: RegisteredModel, source: Source, model_id: str) -> LoggedModel:
    logged = _logged_model(model, source.identity)
    if logged is None or (model_id and model_id != source.identity):
        raise refuse_foreign(source, A_MODEL)
    return logged


def _inside_named_run(source: Source, run: Run | None, *, run_id: str, model_id: str) -> str:
    if source.identity != run_id or model_id:
        raise refuse_foreign(source, A_MODEL if model_id else A_RUN)
    if run is None:  # of another server or project: a name that only its readers can resolve
        return source.text
    return joined(run_uri(run.experiment.artifact_location, run.uuid), source.rest)


def _require_inside(source: Source, run: Run | None, logged: LoggedModel | None) -> None:
    if logged is not None:
        root = model_uri(logged.experiment.artifact_location, logged.model_id)
    elif run is not None:
        root = run_uri(run.experiment.artifact_location, run.uuid)
    else:
        root = ""
    owner = A_MODEL if logged is not None else A_RUN
    if source.kind == "local":
        if not (root and is_local(root) and _is_below_on_disk(root, source.text)):
            raise refuse_local(source, owner)
    elif not root or path_below(root, source.text) is None:
        raise refuse_foreign(source, owner)


def _is_below_on_disk(root: str, source: str) -> bool:
    """Whether a place on a client's disk lies below another; a comparison of texts."""
    above, below = _parts_on_disk(root), _parts_on_disk(source)
    climbs = any(part in {".", ".."} or "\x00" in part for part in below)
    return not climbs and bool(above) and below[: len(above)] == above


def _parts_on_disk(text: str) -> list[str]:
    plain = fully_decoded(text)
    head, colon, rest = plain.partition(":")
    path = rest if colon and head.lower() == "file" else plain
    return [part for part in path.replace("\\", "/").split("/") if part]


def _from_version(model: RegisteredModel, source: Source, *, run_id: str, model_id: str) -> Origin:
    copied = find_version(model.project_id, source.identity, source.rest)
    if copied is None and source.rest.startswith("@"):
        raise Invalid(f"Registered model alias {source.rest[1:]} not found.", field="source")
    if copied is None:
        raise NotFound(f"Invalid model version source: '{source.text}'. There is no such version.")
    if is_prompt(copied.model):
        raise Invalid(
            f"Invalid model version source: '{source.text}'. A prompt is no model.", field="source"
        )
    own_run = copied.run.uuid if copied.run is not None else copied.run_text
    own_model = copied.logged_model.model_id if copied.logged_model is not None else ""
    if (run_id and run_id != own_run) or (model_id and model_id != own_model):
        raise Invalid(
            f"Invalid model version source: '{source.text}'. The run_id and model_id of the request"
            " are not those of that version.",
            field="source",
        )
    return Origin(
        source=f"models:/{copied.model.name}/{copied.number}",
        storage_location=copied.storage_location or copied.source,
        run=copied.run,
        run_text=copied.run_text,
        logged_model=copied.logged_model,
        copied=copied,
    )
