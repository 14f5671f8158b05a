"""What the training form shows: columns with reasons, model types, templates, an estimate of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from experiments.models import Dataset, DatasetVersion
from experiments.services.training_requests import (
    DEFAULT_SEED,
    guess_task,
    profile_column,
    proposed_exclusions,
    target_summary,
)
from experiments.training.params import ModelType, SpecError
from experiments.training.specs import CATALOGUE, TEMPLATE_WORDS, estimate_duration_s
from experiments.web.training_forms import ParamForm, TrainingForm, initial_values
from platform_site.accounts.models import Project

DEFAULT_MODEL: Final = "hist_gradient_boosting"
MAX_LISTED: Final = 200


@dataclass(frozen=True)
class ColumnChoice:
    """One column in the list of features."""

    name: str
    type: str
    unit: str
    description: str
    used: bool
    reason: str


@dataclass(frozen=True)
class TypeChoice:
    """One model type as a card."""

    entry: ModelType
    chosen: bool
    estimate_s: float | None


@dataclass(frozen=True)
class TemplateChoice:
    """One template as a card."""

    name: str
    title: str
    description: str
    chosen: bool
    estimate_s: float | None


@dataclass(frozen=True)
class TrainingPage:
    """The whole form for one dataset version and target."""

    version: DatasetVersion
    targets: list[str]
    target: str
    task: str
    task_is_guess: bool
    columns: list[ColumnChoice]
    types: list[TypeChoice]
    templates: list[TemplateChoice]
    template: str
    form: TrainingForm
    params: ParamForm
    target_known: bool
    n_used: int


def training_page(
    version: DatasetVersion, values: Mapping[str, Any], *, project: Project, submitted: bool
) -> TrainingPage:
    """Return the form for the values chosen so far; what is missing is proposed."""
    names = [column["name"] for column in (version.profile or {}).get("columns", [])]
    target = values.get("target") or ""
    if target not in names:
        guess = (version.profile or {}).get("target_guess")
        target = guess if guess in names else (names[-1] if names else "")
    guessed = guess_task(version, target) if target else "classification"
    task = values.get("task") if values.get("task") in {"classification", "regression"} else None
    model_type = _model_type(values.get("model_type"), task or guessed)
    template = values.get("template") if values.get("template") in TEMPLATE_WORDS else "balanced"
    columns = _columns(version, target, names, values if submitted else None)
    choices = _choices(version, target, names, project)
    form, params = _forms(
        values, model_type, task or guessed, str(template), choices, submitted=submitted
    )
    used = sum(column.used for column in columns)
    return TrainingPage(
        version=version,
        targets=names,
        target=target,
        task=task or guessed,
        task_is_guess=task is None,
        columns=columns,
        types=_types(model_type, task or guessed, version, used),
        templates=_templates(model_type, task or guessed, version, used, str(template)),
        template=str(template),
        form=form,
        params=params,
        target_known=_target_known(version, target),
        n_used=used,
    )


def _target_known(version: DatasetVersion, target: str) -> bool:
    """Whether somebody (the profile or an analysis) looked for leaks into this target."""
    return (version.profile or {}).get("target_guess") == target or (
        target_summary(version, target) is not None
    )


def _model_type(name: Any, task: str) -> ModelType:
    entry = CATALOGUE.get(str(name)) or CATALOGUE[DEFAULT_MODEL]
    return entry if task in entry.tasks else CATALOGUE[DEFAULT_MODEL]


def _columns(
    version: DatasetVersion, target: str, names: list[str], submitted: Any
) -> list[ColumnChoice]:
    reasons = {one.column: one.reason for one in proposed_exclusions(version, target)}
    chosen = set(submitted.getlist("features")) if submitted is not None else None
    found = []
    for name in names:
        if name == target:
            continue
        column = profile_column(version, name) or {}
        used = name in chosen if chosen is not None else name not in reasons
        found.append(
            ColumnChoice(
                name=name,
                type=column.get("type", ""),
                unit=column.get("unit") or "",
                description=column.get("description") or "",
                used=used,
                reason=reasons.get(name, ""),
            )
        )
    return found


def _choices(
    version: DatasetVersion, target: str, names: list[str], project: Project
) -> dict[str, list[tuple[str, str]]]:
    columns = [(name, name) for name in names if name != target]
    datasets = (
        Dataset.objects.filter(
            project=project, archived_at=None, versions__status=DatasetVersion.Status.READY
        )
        .exclude(pk=version.dataset_id)
        .distinct()
        .order_by("name")
        .values_list("pk", "name")[:MAX_LISTED]
    )
    summary = profile_column(version, target) or {}
    classes = [str(entry["value"]) for entry in summary.get("top_values") or []]
    return {
        "group_column": columns,
        "time_column": columns,
        "test_dataset": [(str(number), name) for number, name in datasets],
        "positive_class": [(name, name) for name in classes] if len(classes) == 2 else [],
    }


def _forms(
    values: Mapping[str, Any],
    model_type: ModelType,
    task: str,
    template: str,
    choices: Mapping[str, list[tuple[str, str]]],
    *,
    submitted: bool,
) -> tuple[TrainingForm, ParamForm]:
    if submitted:
        return TrainingForm(choices, values), ParamForm(model_type, task, values)
    first = {
        "validation": "stratified" if task == "classification" else "split",
        "test_fraction": 0.25,
        "n_folds": 5,
        "seed": DEFAULT_SEED,
    }
    first |= {name: values[name] for name in TrainingForm.base_fields if values.get(name)}
    params = ParamForm(model_type, task, initial=initial_values(model_type, task, template))
    return TrainingForm(choices, initial=first), params


def _types(
    chosen: ModelType, task: str, version: DatasetVersion, n_features: int
) -> list[TypeChoice]:
    return [
        TypeChoice(
            entry, entry.name == chosen.name, _estimate(entry, {}, task, version, n_features)
        )
        for entry in CATALOGUE.values()
        if task in entry.tasks
    ]


def _templates(
    model_type: ModelType, task: str, version: DatasetVersion, n_features: int, chosen: str
) -> list[TemplateChoice]:
    return [
        TemplateChoice(
            name=name,
            title=title,
            description=description,
            chosen=name == chosen,
            estimate_s=_estimate(
                model_type, model_type.templates.get(name, {}), task, version, n_features
            ),
        )
        for name, (title, description) in TEMPLATE_WORDS.items()
    ]


def _estimate(
    entry: ModelType, values: Mapping[str, Any], task: str, version: DatasetVersion, n_features: int
) -> float | None:
    try:
        return estimate_duration_s(
            entry.name, values, version.n_rows or 0, max(1, n_features), task=task
        )
    except SpecError:
        return None
