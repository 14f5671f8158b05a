"""What the pages of models and versions show: lineage, figures side by side, inputs, snippets."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from experiments.models import RunReport
from experiments.training.specs import CATALOGUE
from experiments.web import figures
from experiments.web.metric_words import MetricCard, metric_cards, metric_title
from experiments.web.try_form import TriedModel, importance_order
from platform_site.accounts.access import ROLES_FOR, role_in
from platform_site.events.snapshots import place
from platform_site.jobs import states
from registry.events import batch_topic
from registry.models import ModelVersion, PredictionBatch, RegisteredModel
from registry.services.predictions import own_model

MAX_COMPARED_METRICS: Final = 8
LEVELS_SHOWN: Final = 8


@dataclass(frozen=True)
class VersionFrame:
    """What every page of a version shows around its content."""

    model: RegisteredModel
    version: ModelVersion
    model_title: str
    target: str
    may_write: bool
    can_predict: bool
    load_call: str
    tab: str


def version_frame(request: HttpRequest, version: ModelVersion, *, tab: str) -> VersionFrame:
    """Return the frame of the version's pages."""
    return VersionFrame(
        model=version.model,
        version=version,
        model_title=model_title(version),
        target=version.run.target if version.run is not None else "",
        may_write=may_write(request, version.model),
        can_predict=version.model_blob_id is not None,
        load_call=f"mlflow.pyfunc.load_model({f'models:/{version.model.name}/{version.number}'!r})",
        tab=tab,
    )


def model_title(version: ModelVersion) -> str:
    """Return what kind of model it is, as far as anybody said."""
    if version.model_blob_id is not None and version.run is not None:
        entry = CATALOGUE.get(version.run.model_type)
        return entry.title if entry else version.run.model_type
    logged = version.logged_model
    return (logged.model_type if logged is not None else "") or _("registered by a client")


def may_write(request: HttpRequest, model: RegisteredModel) -> bool:
    """Return whether the person may change things about this model."""
    return role_in(request.user, model.project_id) in ROLES_FOR["write"]


@dataclass(frozen=True)
class ComparedVersion:
    """One version in the table of a model's versions."""

    version: ModelVersion
    model_title: str
    values: list[tuple[str, bool]]


@dataclass(frozen=True)
class Comparison:
    """Versions side by side."""

    metrics: list[str | Promise]
    rows: list[ComparedVersion]
    same_data: bool


def comparison(versions: Sequence[ModelVersion]) -> Comparison:
    """Return the versions with their figures; the best of each figure is marked."""
    names: dict[str, None] = {}
    for version in versions:
        names |= dict.fromkeys(version.metrics)
    kept = list(names)[:MAX_COMPARED_METRICS]
    best = {name: _best(versions, name) for name in kept}
    rows = []
    for version in versions:
        values = []
        for name in kept:
            value = (version.metrics.get(name) or {}).get("value")
            is_best = value is not None and value == best[name] and len(versions) > 1
            values.append((figures.number(value, 4), is_best))
        rows.append(ComparedVersion(version, model_title(version), values))
    data = {
        (version.run.dataset_version_id, version.run.target)
        for version in versions
        if version.run is not None and version.metrics
    }
    return Comparison([metric_title(name) for name in kept], rows, len(data) <= 1)


def _best(versions: Sequence[ModelVersion], name: str) -> float | None:
    found = [
        (float(figure["value"]), bool(figure.get("higher_is_better", True)))
        for version in versions
        if (figure := version.metrics.get(name)) and figure.get("value") is not None
    ]
    if not found:
        return None
    values = [value for value, _higher in found]
    return max(values) if found[0][1] else min(values)


@dataclass(frozen=True)
class InputRow:
    """One input column of a model."""

    name: str
    type: str
    unit: str
    description: str
    nullable: bool
    seen: str
    example: str


def input_rows(manifest: Mapping[str, Any]) -> list[InputRow]:
    """Return the input schema of a manifest for people."""
    return [
        InputRow(
            name=str(feature["name"]),
            type=str(feature["type"]),
            unit=str(feature.get("unit") or ""),
            description=str(feature.get("description") or ""),
            nullable=bool(feature.get("nullable", True)),
            seen=_seen(feature),
            example=figures.number(feature.get("example")),
        )
        for feature in manifest.get("features", [])
    ]


def _seen(feature: Mapping[str, Any]) -> str:
    levels = feature.get("levels")
    if levels is not None:
        more = len(levels) - LEVELS_SHOWN
        return ", ".join(str(level) for level in levels[:LEVELS_SHOWN]) + (
            f", … (+{more})" if more > 0 else ""
        )
    low, high = feature.get("min"), feature.get("max")
    if low is None or high is None or feature["type"] in {"boolean", "datetime"}:
        return ""
    return f"{figures.number(low)} – {figures.number(high)}"


def version_metrics(version: ModelVersion) -> list[MetricCard]:
    """Return the figures of a version as cards."""
    unit = str((version.manifest or {}).get("target_unit") or "")
    return metric_cards(version.metrics, unit=unit)


def tried_model(version: ModelVersion) -> TriedModel:
    """Return what the form "try it" needs of a version.

    Raises:
        Conflict: for a version that a client registered.
    """
    blob, manifest = own_model(version)
    result = (
        RunReport.objects.filter(run__model_versions=version)
        .values_list("result", flat=True)
        .first()
    )
    return TriedModel(blob.sha256, manifest, importance_order(result))


@dataclass(frozen=True)
class Snippets:
    """How programs ask the version."""

    url: str
    curl: str
    curl_file: str
    python: str


def snippets(request: HttpRequest, version: ModelVersion) -> Snippets:
    """Return commands that predict the example row; the token stays a placeholder.

    Raises:
        Conflict: for a version that a client registered.
    """
    _blob, manifest = own_model(version)
    url = request.build_absolute_uri(
        reverse("api-predict", args=[version.model.name, version.number])
    )
    row = {str(one["name"]): one.get("example") for one in manifest.get("features", [])}
    body = json.dumps({"rows": [row], "explain": True}, ensure_ascii=False)
    lines = ",\n".join(f"    {name!r}: {value!r}" for name, value in row.items())
    curl = (
        f"curl -X POST {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $ASSAY_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )
    curl_file = (
        f"curl -X POST {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $ASSAY_TOKEN" \\\n'
        "  -F file=@rows.csv"
    )
    python = (
        "import os\n\nimport requests\n\n"
        f"row = {{\n{lines},\n}}\n"
        "answer = requests.post(\n"
        f"    {url!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'ASSAY_TOKEN\']}"},\n'
        '    json={"rows": [row], "explain": True},\n'
        "    timeout=60,\n)\n"
        "answer.raise_for_status()\n"
        'print(answer.json()["predictions"])'
    )
    return Snippets(url, curl, curl_file, python)


@dataclass(frozen=True)
class BatchRow:
    """One file of predictions."""

    batch: PredictionBatch
    status: str
    percent: float
    n_rows: str
    error: str
    place: dict[str, Any] | None

    @property
    def is_active(self) -> bool:
        """Whether its job still runs or waits."""
        return self.status in states.ACTIVE


def batch_rows(
    batches: Sequence[PredictionBatch], places: Mapping[int, dict[str, Any]]
) -> list[BatchRow]:
    """Return files of predictions with the state of their jobs and where to follow them."""
    return [
        BatchRow(
            batch=batch,
            status=batch.job.status if batch.job else states.LOST,
            percent=round(batch.job.progress_percent, 1) if batch.job else 0.0,
            n_rows=figures.number(batch.n_rows),
            error=batch.job.error_message if batch.job else "",
            place=places.get(batch.pk),
        )
        for batch in batches
    ]


def batch_places(batches: Sequence[PredictionBatch]) -> dict[int, dict[str, Any]]:
    """Return where the topics of unfinished files stand; read before the files are shown."""
    return {
        batch.pk: place(batch_topic(batch.pk))
        for batch in batches
        if batch.job is not None and batch.job.status in states.ACTIVE
    }
