"""Figures of quality in words, and as a small picture: value, interval, baseline."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.web import figures

# Name, what it says, and the range it is drawn in (None: as wide as the figures).
WORDS: Final[dict[str, tuple[Any, Any, tuple[float, float] | None]]] = {
    "accuracy": (_("Accuracy"), _("Share of rows that it got right."), (0.0, 1.0)),
    "balanced_accuracy": (
        _("Balanced accuracy"),
        _("Share that it got right, every class counting the same."),
        (0.0, 1.0),
    ),
    "macro_f1": (_("Macro F1"), _("F1 of the classes, averaged."), (0.0, 1.0)),
    "weighted_f1": (_("Weighted F1"), _("F1 of the classes, weighted by rows."), (0.0, 1.0)),
    "roc_auc": (
        _("ROC AUC"),
        _("How often a row of the class gets a higher score than one outside it."),
        (0.0, 1.0),
    ),
    "pr_auc": (_("PR AUC"), _("Precision averaged over all recalls."), (0.0, 1.0)),
    "log_loss": (_("Log loss"), _("How wrong the probabilities are; 0 is perfect."), None),
    "brier": (_("Brier score"), _("Squared error of the probabilities; 0 is perfect."), None),
    "mae": (_("Mean absolute error"), _("How far off it is on average."), None),
    "rmse": (_("RMSE"), _("How far off, large misses counting more."), None),
    "r2": (_("R²"), _("Share of the variation that it explains; 0 is as good as the mean."), None),
    "median_ae": (_("Median absolute error"), _("Half of the rows are closer than this."), None),
    "mape": (_("Mean absolute percentage error"), _("How far off, as a share of the truth."), None),
}
IN_UNITS_OF_TARGET: Final = frozenset({"mae", "rmse", "median_ae"})


def metric_title(name: str) -> str | Promise:
    """Return the name of a figure for people."""
    return WORDS[name][0] if name in WORDS else name


@dataclass(frozen=True)
class RangeBar:
    """Value, interval and baseline on one line from 0 to 100, as SVG attributes."""

    value: str
    low: str
    width: str
    baseline: str


@dataclass(frozen=True)
class MetricCard:
    """One figure of the report."""

    name: str
    title: str | Promise
    help: str | Promise
    value: str
    interval: str
    baseline: str
    verdict: str
    unit: str
    bar: RangeBar | None

    @property
    def tone(self) -> str:
        """Return the colour of the verdict."""
        return {"better": "good", "worse": "bad", "unclear": "warn"}.get(self.verdict, "")


def metric_cards(metrics: Mapping[str, Mapping[str, Any]], *, unit: str = "") -> list[MetricCard]:
    """Return the figures of a report in its own order; what is undefined stays and says so."""
    return [
        MetricCard(
            name=name,
            title=metric_title(name),
            help=WORDS[name][1] if name in WORDS else "",
            value=figures.number(figure.get("value"), 4),
            interval=_interval(figure),
            baseline=figures.number(figure.get("baseline"), 4),
            verdict=verdict(figure),
            unit=unit if name in IN_UNITS_OF_TARGET else "",
            bar=_bar(name, figure),
        )
        for name, figure in metrics.items()
    ]


def verdict(figure: Mapping[str, Any]) -> str:
    """Return "better", "worse" or "unclear" than the baseline, "undefined" without both figures."""
    value, baseline = figure.get("value"), figure.get("baseline")
    if value is None:
        return "undefined"
    if baseline is None:
        return "alone"
    low, high = figure.get("low"), figure.get("high")
    if value == baseline or (low is not None and high is not None and low <= baseline <= high):
        return "unclear"
    return "better" if (value > baseline) == bool(figure.get("higher_is_better")) else "worse"


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return ""
    return f"{figures.number(low, 4)} – {figures.number(high, 4)}"


def _bar(name: str, figure: Mapping[str, Any]) -> RangeBar | None:
    value = figure.get("value")
    if value is None:
        return None
    ends = [
        end
        for end in (value, figure.get("low"), figure.get("high"), figure.get("baseline"))
        if end is not None
    ]
    bounds = WORDS[name][2] if name in WORDS else None
    low, high = bounds or (min(0.0, *ends), max(ends) * 1.05 if max(ends) > 0 else 0.0)
    span = high - low
    if span <= 0:
        return None

    def place(number: float) -> float:
        return min(100.0, max(0.0, 100.0 * (number - low) / span))

    start, end = figure.get("low"), figure.get("high")
    first = place(value if start is None else start)
    last = place(value if end is None else end)
    baseline = figure.get("baseline")
    return RangeBar(
        value=f"{place(value):.2f}",
        low=f"{first:.2f}",
        width=f"{max(0.8, last - first):.2f}",
        baseline="" if baseline is None else f"{place(baseline):.2f}",
    )
