"""What the report of a run shows: figures, classes, confusions, importance, caveats in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from experiments.models import Run, RunReport
from experiments.web import figures
from experiments.web.metric_words import MetricCard, metric_cards, metric_title, verdict

TOP_IMPORTANCE: Final = 20
TOO_GOOD: Final = 0.995
UNEVEN: Final = 5.0
FEW_ROWS: Final = 100
DOMINANT: Final = 0.8
# Heavy or shown as tables: the scripts do not need them.
NOT_FOR_SCRIPTS: Final = frozenset(
    {"metrics", "per_class", "confusion_matrix", "notes", "classes", "score_histograms"}
)


@dataclass(frozen=True)
class ConfusionCell:
    """How many rows of one class were given another, and where to see them."""

    count: str
    share: str
    heat: int
    url: str
    is_right: bool


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix as a table."""

    labels: list[str]
    rows: list[tuple[str, list[ConfusionCell], str]]
    truncated_from: int | None
    top: list[dict[str, Any]]


@dataclass(frozen=True)
class ImportanceRow:
    """How much one column matters."""

    feature: str
    mean: str
    std: str
    percent: float


@dataclass(frozen=True)
class Caveat:
    """What a reader must know before trusting a figure."""

    severity: str
    title: str
    text: str


@dataclass(frozen=True)
class ThresholdRow:
    """What a threshold would bring."""

    threshold: str
    precision: str
    recall: str
    f1: str


@dataclass(frozen=True)
class ReportView:
    """Everything on the page of a report."""

    task: str
    metrics: list[MetricCard]
    intervals: str
    held_out: str
    n_train: str
    n_test: str
    per_class: list[dict[str, str]]
    confusion: Confusion | None
    importance: list[ImportanceRow]
    importance_unit: str
    explanation: str
    caveats: list[Caveat]
    notes: list[str]
    thresholds: list[ThresholdRow]
    residuals: dict[str, str]
    target: str
    target_unit: str
    charts: dict[str, Any]


def report_view(run: Run, report: RunReport) -> ReportView:
    """Return the report of a run as the page shows it."""
    result = report.result
    unit = str((run.model_manifest or {}).get("target_unit") or "")
    notes = list(dict.fromkeys([*result.get("notes", []), *run.notes]))
    charts = {key: value for key, value in result.items() if key not in NOT_FOR_SCRIPTS}
    residuals = result.get("residuals") or {}
    return ReportView(
        task=result["task"],
        metrics=metric_cards(result["metrics"], unit=unit),
        intervals=interval_words(str(result.get("intervals", ""))),
        held_out=held_out_words(run.spec.get("validation", {}), run),
        n_train=figures.number(result.get("n_train")),
        n_test=figures.number(result.get("n_test")),
        per_class=[_class_row(row) for row in result.get("per_class") or []],
        confusion=_confusion(run, result.get("confusion_matrix")),
        importance=_importance(result),
        importance_unit=str(metric_title(str((result.get("importance") or {}).get("loss", "")))),
        explanation=_explanation_words(result.get("explanation")),
        caveats=caveats(result),
        notes=notes,
        thresholds=_thresholds(result.get("thresholds")),
        residuals={key: figures.number(residuals.get(key), 4) for key in ("mean", "std")},
        target=run.target,
        target_unit=unit,
        charts={**charts, "target": run.target, "unit": unit},
    )


def interval_words(kind: str) -> str:
    """Return where the intervals come from."""
    name, _blank, count = kind.partition(" ")
    if name == "folds":
        return _("95 %% intervals over %(count)s folds of a cross-validation") % {"count": count}
    return _("95 %% intervals by resampling the held-out rows %(count)s times") % {"count": count}


def held_out_words(validation: Mapping[str, Any], run: Run) -> str:
    """Return how the rows behind the figures were chosen."""
    share = {"share": f"{100 * float(validation.get('test_fraction') or 0):.0f}"}
    kind = validation.get("kind")
    if kind == "group":
        return _("Whole groups of “%(column)s” were held out, %(share)s %% of the rows.") % {
            **share,
            "column": validation.get("group_column") or "",
        }
    if kind == "time":
        return _("The latest rows by “%(column)s” were held out, %(share)s %%.") % {
            **share,
            "column": validation.get("time_column") or "",
        }
    if kind == "kfold":
        return _("Every row was held out once, in %(n)s folds; a group stays together.") % {
            "n": validation.get("n_folds")
        }
    if kind == "test_dataset":
        return _("Tested on an own dataset: %(name)s, version %(number)s.") % {
            "name": run.test_version.dataset.name if run.test_version else "?",
            "number": run.test_version.number if run.test_version else "?",
        }
    if kind == "stratified":
        return _("%(share)s %% of each class were held out by chance.") % share
    return _("%(share)s %% of the rows were held out by chance.") % share


def caveats(result: Mapping[str, Any]) -> list[Caveat]:
    """Return what could make the figures of a report mislead, worst first."""
    found = [
        *_too_good(result),
        *_one_column(result),
        *_no_better(result),
        *_unfinished(result),
        *_few_or_uneven(result),
    ]
    order = {"danger": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda one: order[one.severity])


def _too_good(result: Mapping[str, Any]) -> list[Caveat]:
    name = "balanced_accuracy" if result["task"] == "classification" else "r2"
    figure = result["metrics"].get(name) or {}
    value = figure.get("value")
    if value is None or value < TOO_GOOD:
        return []
    text = _(
        "Nearly every held-out row is right. Before believing it, look at the most important"
        " columns: is one of them only known after the target is?"
    )
    return [Caveat("danger", _("Too good to be true?"), text)]


def _one_column(result: Mapping[str, Any]) -> list[Caveat]:
    rows = [row for row in result.get("feature_importance") or [] if row["mean"] > 0]
    total = sum(row["mean"] for row in rows)
    if len(rows) < 2 or total <= 0 or max(row["mean"] for row in rows) < DOMINANT * total:
        return []
    first = max(rows, key=lambda row: float(row["mean"]))
    text = _(
        "Nearly all of the model's skill comes from “%(column)s”. Make sure that it is known"
        " before the prediction is made."
    )
    return [Caveat("warning", _("One column decides"), text % {"column": first["feature"]})]


def _no_better(result: Mapping[str, Any]) -> list[Caveat]:
    name = "balanced_accuracy" if result["task"] == "classification" else "rmse"
    if verdict(result["metrics"].get(name) or {}) not in {"worse", "unclear"}:
        return []
    text = _("On the held-out rows it is not clearly better than always giving the same answer.")
    return [Caveat("danger", _("No better than the baseline"), text)]


def _unfinished(result: Mapping[str, Any]) -> list[Caveat]:
    if result.get("complete", True):
        return []
    text = _("The training ended before all its steps were done; the figures belong to that model.")
    return [Caveat("warning", _("A partial model"), text)]


def _few_or_uneven(result: Mapping[str, Any]) -> list[Caveat]:
    found = []
    n_test = int(result.get("n_test") or 0)
    if n_test < FEW_ROWS:
        text = ngettext(
            "Only %(n)d row was held out: the figures are rough, as their intervals show.",
            "Only %(n)d rows were held out: the figures are rough, as their intervals show.",
            n_test,
        )
        found.append(Caveat("warning", _("Few rows"), text % {"n": n_test}))
    support = [row["support"] for row in result.get("per_class") or [] if row["support"]]
    if len(support) > 1 and max(support) >= UNEVEN * min(support):
        text = _(
            "The largest class has %(n)s times the rows of the smallest: read the classes one"
            " by one."
        )
        ratio = {"n": figures.number(round(max(support) / min(support), 1))}
        found.append(Caveat("warning", _("Uneven classes"), text % ratio))
    return found


def _class_row(row: Mapping[str, Any]) -> dict[str, str]:
    shown = {
        key: figures.number(row.get(key), 4) for key in ("precision", "recall", "f1", "roc_auc")
    }
    return {"label": str(row["label"]), "support": figures.number(row["support"]), **shown}


def predictions_url(run: Run, **filters: str) -> str:
    """Return the address of the run's predictions with these filters."""
    address = reverse("experiments:run-predictions", args=[run.uuid])
    return f"{address}?{urlencode(filters)}" if filters else address


def _confusion(run: Run, matrix: Mapping[str, Any] | None) -> Confusion | None:
    if not matrix:
        return None
    labels = [str(label) for label in matrix["labels"]]
    rows = []
    for y, (label, counts) in enumerate(zip(labels, matrix["counts"], strict=True)):
        total = sum(counts)
        cells = [
            ConfusionCell(
                count=figures.number(count),
                share=figures.percent(100 * count / total) if total else "",
                heat=round(10 * count / total) if total else 0,
                url=predictions_url(run, actual=label, prediction=labels[x]) if count else "",
                is_right=x == y,
            )
            for x, count in enumerate(counts)
        ]
        rows.append((label, cells, figures.number(total)))
    top = [
        {**one, "url": predictions_url(run, actual=one["actual"], prediction=one["predicted"])}
        for one in matrix.get("top_confusions") or []
    ]
    return Confusion(labels, rows, matrix.get("truncated_from"), top[:TOP_IMPORTANCE])


def _importance(result: Mapping[str, Any]) -> list[ImportanceRow]:
    rows = sorted(
        result.get("feature_importance") or [], key=lambda row: float(row["mean"]), reverse=True
    )
    largest = max((row["mean"] for row in rows), default=0.0)
    return [
        ImportanceRow(
            feature=str(row["feature"]),
            mean=figures.number(row["mean"], 4),
            std=figures.number(row["std"], 3),
            percent=round(100 * max(0.0, row["mean"]) / largest, 1) if largest > 0 else 0.0,
        )
        for row in rows
    ]


def _explanation_words(explanation: Mapping[str, Any] | None) -> str:
    method = (explanation or {}).get("method", "none")
    if not explanation or method == "none":
        return _("This model type gives no reasons for single rows.")
    if explanation.get("exact"):
        return _("Reasons are exact SHAP values of this model.")
    return _("Reasons are sampled SHAP values: close, not exact.")


def _thresholds(table: Mapping[str, Any] | None) -> list[ThresholdRow]:
    if not table:
        return []
    rows = []
    for place in range(10, len(table["threshold"]) - 1, 20):
        tp, fp, fn = table["tp"][place], table["fp"][place], table["fn"][place]
        rows.append(
            ThresholdRow(
                threshold=f"{table['threshold'][place]:.2f}",
                precision=figures.number(tp / (tp + fp), 4) if tp + fp else figures.MISSING_TEXT,
                recall=figures.number(tp / (tp + fn), 4) if tp + fn else figures.MISSING_TEXT,
                f1=figures.number(2 * tp / (2 * tp + fp + fn), 4)
                if 2 * tp + fp + fn
                else figures.MISSING_TEXT,
            )
        )
    return rows
