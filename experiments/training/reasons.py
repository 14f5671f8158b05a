"""Contributions as reasons a person can read: feature, value with unit, direction."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.data.specs import MISSING_CATEGORY

TOP_REASONS = 5
# Relative to the largest contribution: below this a feature said nothing.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class FeatureWords:
    """What is known about a feature beyond its number: its type and its unit."""

    type: str
    unit: str = ""


def shown_value(value: Any, words: FeatureWords) -> Any:
    """Return the value as the person knows it: whole numbers, words, dates; None if missing."""
    if value is None or value == MISSING_CATEGORY:
        return None
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return None
        return _shown_number(number, words)
    return value if isinstance(value, str | int | bool) else str(value)


def _shown_number(number: float, words: FeatureWords) -> Any:
    if words.type == "boolean":
        return number > 0.5
    if words.type == "datetime":
        moment = dt.datetime.fromtimestamp(number, dt.UTC)
        return moment.replace(tzinfo=None).isoformat(sep=" ")
    if words.type == "integer" and number.is_integer():
        return int(number)
    return number


def value_text(value: Any, words: FeatureWords) -> str:
    """Return the value with its unit, at most six significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = str(value)
        text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{text} {words.unit}" if words.unit and not isinstance(value, str) else text


def reason_text(
    feature: str, value: Any, contribution: float, words: FeatureWords, toward: str | None
) -> str:
    """Return one sentence: "koi_prad = 33.5 Earth radii pushes towards FALSE POSITIVE".

    Args:
        feature: column name.
        value: as `shown_value` gives it.
        contribution: signed share in the prediction.
        words: type and unit of the feature.
        toward: the predicted class; None for a number.
    """
    subject = (
        f"{feature} is missing, which"
        if value is None
        else f"{feature} = {value_text(value, words)}"
    )
    if toward is not None:
        direction = "towards" if contribution > 0 else "away from"
        return f"{subject} pushes {direction} {toward}"
    verb = "raises" if contribution > 0 else "lowers"
    return f"{subject} {verb} the prediction by {abs(contribution):.4g}"


def row_reasons(
    frame: pd.DataFrame,
    contributions: NDArray[np.float64],
    words: Mapping[str, FeatureWords],
    toward: Sequence[str] | None,
    *,
    top: int = TOP_REASONS,
) -> list[list[dict[str, Any]]]:
    """Return the strongest reasons of each row, strongest first.

    Args:
        frame: the rows, one column per feature.
        contributions: shape (n_rows, n_features), in the frame's column order.
        words: type and unit by feature name.
        toward: the predicted class of each row; None for numbers.
        top: how many reasons a row gets at most.
    """
    names = [str(name) for name in frame.columns]
    plain = FeatureWords("number")
    columns = [frame[name].tolist() for name in frame.columns]
    answer = []
    for row, shares in enumerate(contributions):
        order = np.argsort(-np.abs(shares), kind="stable")[:top]
        floor = NEGLIGIBLE * float(np.abs(shares).max(initial=0.0))
        reasons = []
        for place in order:
            share = float(shares[place])
            if abs(share) <= floor:
                continue
            known = words.get(names[place], plain)
            value = shown_value(columns[place][row], known)
            reasons.append(
                {
                    "feature": names[place],
                    "value": value,
                    "unit": known.unit,
                    "contribution": share,
                    "text": reason_text(
                        names[place], value, share, known, None if toward is None else toward[row]
                    ),
                }
            )
        answer.append(reasons)
    return answer
