"""From what a person asks for to a full training specification, or a refusal naming the field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from experiments.data.specs import DatasetSchema
from experiments.models import DatasetVersion, TargetAnalysis
from experiments.training.preflight import preflight
from experiments.training.specs import (
    ExcludedColumn,
    SpecError,
    TrainingSpec,
    ValidationSpec,
    get_model_type,
)
from platform_site.core.errors import Conflict, Invalid

MAX_CLASSES_FOR_INTEGERS: Final = 20
DEFAULT_SEED: Final = 42
UNUSABLE: Final = {"empty_column": "The column is empty.", "constant_column": "One value only."}
PROPOSED: Final = frozenset({"identifier_column", "leakage"})


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What the form and the API ask for; None means: choose for me."""

    version: DatasetVersion
    target: str
    model_type: str
    test_version: DatasetVersion | None = None
    task: str | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    exclude: list[str] | None = None
    validation: Mapping[str, Any] | str | None = None
    seed: int | None = None
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None
    positive_class: str | None = None
    register_as: str = ""
    name: str = ""
    experiment: str = ""


def build_spec(request: TrainingRequest) -> TrainingSpec:
    """Return the full specification.

    Raises:
        Conflict: when the dataset version is not ready.
        Invalid: naming the field that cannot work, before any job is made.
    """
    version = ready(request.version, "dataset")
    schema = schema_of(version)
    names = [column.name for column in schema.columns]
    if request.target not in names:
        raise Invalid(
            f"The dataset has no column '{request.target}'.", field="target", columns=names[:100]
        )
    try:
        get_model_type(request.model_type)
        task = request.task or guess_task(version, request.target)
        spec = _assemble(request, task, names)
        _run_preflight(spec, schema, version, request)
    except SpecError as error:
        raise Invalid(error.message, field=error.field) from error
    return spec


def ready(version: DatasetVersion, what: str) -> DatasetVersion:
    """Return the version if it can be used.

    Raises:
        Conflict: saying that it is still validating, or why it failed.
    """
    if version.status == DatasetVersion.Status.READY:
        return version
    if version.status == DatasetVersion.Status.FAILED:
        raise Conflict(
            f"Version {version.number} could not be read: {version.error_message}", field=what
        )
    raise Conflict(f"Version {version.number} is still being validated.", field=what)


def schema_of(version: DatasetVersion) -> DatasetSchema:
    """Return the schema of a version that is ready."""
    return DatasetSchema.from_json(version.table_schema or {})


def guess_task(version: DatasetVersion, target: str) -> str:
    """Return "classification" or "regression" from the target column's type and values."""
    column = profile_column(version, target)
    if column is None:
        return "classification"
    if column["type"] == "number":
        return "regression"
    if column["type"] == "integer":
        distinct = column.get("n_distinct") or 0
        return "classification" if distinct <= MAX_CLASSES_FOR_INTEGERS else "regression"
    if column["type"] == "datetime":
        return "regression"
    return "classification"


def profile_column(version: DatasetVersion, name: str) -> dict[str, Any] | None:
    """Return what the profile says about the column."""
    columns = (version.profile or {}).get("columns", [])
    return next((column for column in columns if column["name"] == name), None)


def target_summary(version: DatasetVersion, target: str) -> dict[str, Any] | None:
    """Return what the analysis of this target found, None when nobody asked for it."""
    found: dict[str, Any] | None = (
        TargetAnalysis.objects.filter(
            version=version, target=target, status=DatasetVersion.Status.READY
        )
        .values_list("result", flat=True)
        .first()
    )
    return found


def proposed_exclusions(version: DatasetVersion, target: str) -> list[ExcludedColumn]:
    """Return the columns better left out of a model for this target, with reasons.

    The form shows them unticked. Without a choice of the author's only identifiers and unusable
    columns are left out: a suspicion of leakage is for people to judge (`leak_notes` tells them).
    """
    analysis = target_summary(version, target)
    reasons: dict[str, str] = {}
    for warning in (version.profile or {}).get("warnings", []):
        column, code = warning.get("column"), warning.get("code")
        about = (warning.get("details") or {}).get("target")
        if column is None or column == target or (code == "leakage" and about != target):
            continue
        if code in PROPOSED or code in UNUSABLE:
            reasons.setdefault(column, UNUSABLE.get(code) or warning["message"])
    for item in (analysis or {}).get("exclude", []):
        if item["column"] != target:
            reasons.setdefault(item["column"], item["reason"])
    return [ExcludedColumn(column=name, reason=reason) for name, reason in reasons.items()]


def leaking_columns(version: DatasetVersion, target: str) -> list[str]:
    """Return the columns suspected of giving this target away."""
    summary = target_summary(version, target) or {}
    warnings = [*(version.profile or {}).get("warnings", []), *summary.get("warnings", [])]
    return list(
        dict.fromkeys(
            warning["column"]
            for warning in warnings
            if warning.get("code") == "leakage"
            and (warning.get("details") or {}).get("target", target) == target
        )
    )


def identifier_columns(version: DatasetVersion) -> set[str]:
    """Return the columns that name rows instead of describing them, and the unusable ones."""
    return {
        warning["column"]
        for warning in (version.profile or {}).get("warnings", [])
        if warning.get("code") == "identifier_column" or warning.get("code") in UNUSABLE
    }


def leak_notes(version: DatasetVersion, target: str, features: Sequence[str]) -> list[str]:
    """Return a note for the report when suspicious columns were used as features."""
    used = [name for name in leaking_columns(version, target) if name in set(features)]
    if not used:
        return []
    return [
        f"Suspected of giving the target away, yet used as features: {', '.join(used[:20])}."
        " If they are not known at prediction time, leave them out and train again."
    ]


def _assemble(request: TrainingRequest, task: str, names: list[str]) -> TrainingSpec:
    excluded = _excluded(request, names)
    left_out = {column.column for column in excluded} | {request.target}
    return TrainingSpec(
        target=request.target,
        task=task,  # type: ignore[arg-type]  # checked by the specification itself
        model_type=request.model_type,
        features=tuple(name for name in names if name not in left_out),
        hyperparameters=request.hyperparameters,
        excluded=tuple(excluded),
        validation=_validation(request, task),
        seed=DEFAULT_SEED if request.seed is None else request.seed,
        time_limit_s=request.time_limit_s,
        memory_limit_bytes=request.memory_limit_bytes,
        positive_class=request.positive_class,
    )


def _excluded(request: TrainingRequest, names: list[str]) -> list[ExcludedColumn]:
    if request.exclude is None:
        leaks = set(leaking_columns(request.version, request.target))
        proposed = proposed_exclusions(request.version, request.target)
        identifiers = identifier_columns(request.version)
        return [one for one in proposed if one.column not in leaks or one.column in identifiers]
    unknown = [name for name in request.exclude if name not in names]
    if unknown:
        raise SpecError("exclude", f"The dataset has no column {unknown[0]!r}.")
    if request.target in request.exclude:
        raise SpecError("exclude", "The target cannot be left out.")
    chosen = [
        ExcludedColumn(column=name, reason="Left out by the author.") for name in request.exclude
    ]
    unusable = [
        ExcludedColumn(column=warning["column"], reason=UNUSABLE[warning["code"]])
        for warning in (request.version.profile or {}).get("warnings", [])
        if warning.get("code") in UNUSABLE
        and warning["column"] not in {*request.exclude, request.target}
    ]
    return chosen + unusable


def _validation(request: TrainingRequest, task: str) -> ValidationSpec:
    wanted: Any = request.validation
    if request.test_version is not None:
        return ValidationSpec(kind="test_dataset")
    if wanted is None:
        return ValidationSpec(kind="stratified" if task == "classification" else "split")
    if isinstance(wanted, str):
        return ValidationSpec.from_json({"kind": wanted})
    if isinstance(wanted, Mapping):
        return ValidationSpec.from_json(wanted)
    raise SpecError("validation", "Give the name of a kind or an object with 'kind'.")


def _run_preflight(
    spec: TrainingSpec, schema: DatasetSchema, version: DatasetVersion, request: TrainingRequest
) -> None:
    if spec.validation.kind == "test_dataset" and request.test_version is None:
        raise SpecError("test_dataset", "Name the dataset to test on.")
    test = request.test_version
    test_schema = None
    if test is not None:
        test_schema = schema_of(ready(test, "test_dataset"))
    preflight(
        spec,
        schema,
        version.profile or {},
        target_summary=target_summary(version, spec.target),
        test_schema=test_schema,
        test_is_same=test is not None and test.table_blob_id == version.table_blob_id,
    )
