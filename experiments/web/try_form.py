"""“Try it”: a form made of a model's input columns, and the answer for what was typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from assets.storage import blob_path
from experiments.web import figures
from experiments.web.reason_bars import ProbabilityBar, ReasonBar, probability_bars, reason_bars
from platform_site.core.errors import DomainError
from platform_site.jobs import engine_host

SHOWN_FIRST: Final = 12
MAX_VALUE_CHARS: Final = 2_000
MAX_LEVELS_LISTED: Final = 500
PREDICT_TIMEOUT_S: Final = 30.0
NUMERIC: Final = frozenset({"integer", "number"})


@dataclass(frozen=True)
class TryField:
    """One input column as a form field."""

    key: str
    name: str
    type: str
    unit: str
    description: str
    nullable: bool
    value: str
    choices: list[tuple[str, str]]
    seen: str
    error: str = ""

    @property
    def input_type(self) -> str:
        """Return the HTML type of the input."""
        return "number" if self.type in NUMERIC else "text"

    @property
    def step(self) -> str:
        """Return which numbers the browser accepts."""
        return "1" if self.type == "integer" else "any"


@dataclass(frozen=True)
class TryAnswer:
    """What the model said."""

    prediction: str
    unit: str
    confidence: str
    probabilities: list[ProbabilityBar]
    reasons: list[ReasonBar]
    outside: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class TryView:
    """The form with its answer, if there is one."""

    action: str
    target: str
    first: list[TryField]
    more: list[TryField]
    answer: TryAnswer | None = None
    error: str = ""
    has_hidden_errors: bool = False


@dataclass(frozen=True)
class TriedModel:
    """The model behind the form: its stored bytes and manifest, wherever they come from."""

    sha256: str
    manifest: Mapping[str, Any]
    importance: Sequence[str] = ()


def importance_order(result: Mapping[str, Any] | None) -> list[str]:
    """Return the columns of a report, the most important first."""
    rows = list((result or {}).get("feature_importance") or [])
    return [str(row["feature"]) for row in sorted(rows, key=lambda row: -float(row["mean"]))]


def try_view(request: HttpRequest, model: TriedModel, *, action: str) -> TryView:
    """Return the form, filled with an example, or what was typed with the answer to it."""
    if request.method != "POST":
        return _view(model, action, _examples(model), {})
    typed = {
        key: request.POST.get(key, "")[:MAX_VALUE_CHARS].replace("\x00", "") for key in _keys(model)
    }
    try:
        answer = _predict(model, typed)
    except DomainError as error:
        named = [str(name) for name in error.details.get("columns") or []]
        return _view(model, action, typed, dict.fromkeys(named, error.message), error=error.message)
    return _view(model, action, typed, {}, answer=answer)


def try_answer(request: HttpRequest, view: TryView, template: str, context: Any) -> HttpResponse:
    """Render the whole page, or the answer alone for a script."""
    if request.headers.get("HX-Request"):  # htmx drops the body of refusals, hence always 200
        return render(request, "experiments/try_answer.html", {"try": view})
    status = 422 if view.error else 200
    return render(request, template, {**context, "try": view}, status=status)


def _keys(model: TriedModel) -> list[str]:
    return [f"v{n}" for n in range(len(model.manifest["features"]))]


def _examples(model: TriedModel) -> dict[str, str]:
    shown = {}
    for key, feature in zip(_keys(model), model.manifest["features"], strict=True):
        example = feature.get("example")
        if isinstance(example, bool):
            example = "true" if example else "false"
        shown[key] = "" if example is None else str(example)
    return shown


def _view(
    model: TriedModel,
    action: str,
    values: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    answer: TryAnswer | None = None,
    error: str = "",
) -> TryView:
    fields = [
        _field(key, feature, values[key], errors)
        for key, feature in zip(_keys(model), model.manifest["features"], strict=True)
    ]
    rank = {name: place for place, name in enumerate(model.importance)}
    fields.sort(key=lambda field: rank.get(field.name, len(rank)))
    more = fields[SHOWN_FIRST:]
    return TryView(
        action=action,
        target=str(model.manifest["target"]),
        first=fields[:SHOWN_FIRST],
        more=more,
        answer=answer,
        error=error,
        has_hidden_errors=any(field.error for field in more),
    )


def _field(key: str, feature: Mapping[str, Any], value: str, errors: Mapping[str, str]) -> TryField:
    name, kind = str(feature["name"]), str(feature["type"])
    levels = feature.get("levels")
    choices: list[tuple[str, str]] = []
    if kind == "boolean":
        choices = [("true", _("true")), ("false", _("false"))]
    elif levels is not None and len(levels) <= MAX_LEVELS_LISTED:
        choices = [(str(level), str(level)) for level in levels]
    if choices and value and value not in {choice for choice, _label in choices}:
        choices.append((value, value))
    return TryField(
        key=key,
        name=name,
        type=kind,
        unit=str(feature.get("unit") or ""),
        description=str(feature.get("description") or ""),
        nullable=bool(feature.get("nullable", True)),
        value=value,
        choices=choices,
        seen=_seen(feature),
        error=errors.get(name, ""),
    )


def _seen(feature: Mapping[str, Any]) -> str:
    low, high = feature.get("min"), feature.get("max")
    if feature["type"] not in NUMERIC or low is None or high is None:
        return ""
    return f"{figures.number(low)} – {figures.number(high)}"


def _predict(model: TriedModel, typed: Mapping[str, str]) -> TryAnswer:
    features = model.manifest["features"]
    row = {
        str(feature["name"]): typed[key].strip() or None
        for key, feature in zip(_keys(model), features, strict=True)
    }
    said = engine_host.call(
        "models.predict",
        {
            "model_path": str(blob_path(model.sha256)),
            "manifest": dict(model.manifest),
            "rows": [row],
            "explain": True,
        },
        timeout_s=PREDICT_TIMEOUT_S,
    )
    one = said["predictions"][0]
    confidence = one.get("confidence")
    return TryAnswer(
        prediction=figures.number(one["prediction"]),
        unit=str(model.manifest.get("target_unit") or ""),
        confidence="" if confidence is None else figures.percent(100 * confidence),
        probabilities=probability_bars(one.get("probabilities"), one["prediction"]),
        reasons=reason_bars(one.get("reasons")),
        outside=_outside(features, row),
        warnings=[str(warning) for warning in said.get("warnings") or []],
    )


def _outside(features: Sequence[Mapping[str, Any]], row: Mapping[str, str | None]) -> list[str]:
    """Return the columns whose value lies outside what training saw."""
    found = []
    for feature in features:
        value, low, high = row[str(feature["name"])], feature.get("min"), feature.get("max")
        if value is None or feature["type"] not in NUMERIC or low is None or high is None:
            continue
        if not float(low) <= float(value) <= float(high):
            found.append(str(feature["name"]))
    return found
