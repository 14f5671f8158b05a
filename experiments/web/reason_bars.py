"""Reasons and probabilities of one prediction as small bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.web import figures

# A prediction of a model with hundreds of classes shows its likeliest ones.
MAX_PROBABILITIES = 10


@dataclass(frozen=True)
class ReasonBar:
    """One reason: which way and how strongly a column moved the prediction."""

    feature: str
    value: str
    text: str
    contribution: str
    is_toward: bool
    x: str
    width: str


@dataclass(frozen=True)
class ProbabilityBar:
    """One class and its probability."""

    label: str
    percent: float
    percent_text: str
    is_predicted: bool


def reason_bars(reasons: Sequence[Mapping[str, Any]] | None) -> list[ReasonBar]:
    """Return bars from the middle of a view box 100 wide: right for towards, left for away."""
    rows = list(reasons or [])
    largest = max((abs(float(row["contribution"])) for row in rows), default=0.0) or 1.0
    bars = []
    for row in rows:
        share = float(row["contribution"])
        width = max(0.6, 50.0 * abs(share) / largest)
        value = row.get("value")
        unit = row.get("unit") or ""
        bars.append(
            ReasonBar(
                feature=str(row["feature"]),
                value=f"{figures.number(value)} {unit}".strip(),
                text=str(row["text"]),
                contribution=f"{share:+.3g}".replace("-", "−"),
                is_toward=share > 0,
                x=f"{50.0 if share > 0 else 50.0 - width:.2f}",
                width=f"{width:.2f}",
            )
        )
    return bars


def probability_bars(
    probabilities: Mapping[str, float] | None, predicted: Any
) -> list[ProbabilityBar]:
    """Return the likeliest classes first."""
    rows = sorted((probabilities or {}).items(), key=lambda item: -item[1])[:MAX_PROBABILITIES]
    return [
        ProbabilityBar(
            label=label,
            percent=round(100 * chance, 2),
            percent_text=figures.percent(100 * chance),
            is_predicted=label == predicted,
        )
        for label, chance in rows
    ]
