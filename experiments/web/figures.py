"""Figures as pages show them: numbers as text, small pictures as bars; nothing is fetched here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

SPARK_WIDTH: Final = 120.0
SPARK_HEIGHT: Final = 32.0
GAP: Final = 0.6
MISSING_TEXT: Final = "—"


@dataclass(frozen=True)
class Share:
    """A value with its share of a whole."""

    label: str
    count: str
    percent: float
    percent_text: str
    is_null: bool = False


def number(value: Any, digits: int = 6) -> str:
    """Return a number with at most `digits` significant digits, and thousands marked."""
    if value is None:
        return MISSING_TEXT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return _real(value, digits)


def _real(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    magnitude = abs(value)
    if magnitude != 0 and (magnitude < 1e-4 or magnitude >= 1e12):
        return f"{value:.{max(0, digits - 3)}e}"
    if value.is_integer():
        return f"{int(value):,}"
    decimals = max(0, digits - 1 - math.floor(math.log10(magnitude)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float | None) -> str:
    """Return a percentage that never rounds something to nothing, nor nearly all to all."""
    if value is None:
        return MISSING_TEXT
    if 0 < value < 0.1:
        return "<0.1 %"
    if 99.9 < value < 100:
        return ">99.9 %"
    return f"{value:.1f}".rstrip("0").rstrip(".") + " %"


def size(n_bytes: int | None) -> str:
    """Return a size in bytes, kB, MB or GB (powers of 1000)."""
    if n_bytes is None:
        return MISSING_TEXT
    amount = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return MISSING_TEXT


def spark(counts: Sequence[float]) -> str:
    """Return the SVG path of bars in a box of 120 × 32; what is not zero is at least a line.

    One path instead of a rectangle a bar: a page shows a hundred such pictures.
    """
    top = max(counts, default=0)
    if top <= 0:
        return ""
    step = SPARK_WIDTH / len(counts)
    width = step - GAP if step > 2 * GAP else step
    parts = []
    for n, count in enumerate(counts):
        if count:
            height = max(1.0, SPARK_HEIGHT * count / top)
            parts.append(
                f"M{n * step:.2f} {SPARK_HEIGHT:g}v-{height:.2f}h{width:.2f}V{SPARK_HEIGHT:g}z"
            )
    return "".join(parts)


def histogram_path(histogram: dict[str, Any] | None) -> str:
    """Return the picture of a profile's histogram."""
    return spark(histogram["counts"]) if histogram and histogram.get("counts") else ""


def shares(items: Sequence[dict[str, Any]], total: int) -> list[Share]:
    """Return values with counts as shares of `total`."""
    made = []
    for item in items:
        count, value = int(item["count"]), item["value"]
        part = 100.0 * count / total if total else 0.0
        made.append(
            Share(
                label=value if isinstance(value, str) else number(value),
                count=f"{count:,}",
                percent=round(part, 3),
                percent_text=percent(part),
                is_null=value is None,
            )
        )
    return made


def top_path(items: Sequence[dict[str, Any]], n_distinct: int) -> str:
    """Return the picture of the most frequent values; none where nothing ever comes twice."""
    counts = [int(item["count"]) for item in items]
    if n_distinct > len(items) and max(counts, default=0) <= 1:
        return ""
    return spark(counts)
