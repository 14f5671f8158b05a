"""Curves of runs for charts: envelopes in which no spike is lost, whatever the zoom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from experiments.models import LatestMetric, Run
from experiments.tracking.points import series_of
from platform_site.core.json_parser import finite

By = Literal["step", "time"]
BUCKETS: Final = 600
MOST_METRICS: Final = 5_000


@dataclass(frozen=True)
class Piece:
    """Which part of a curve: along steps or times (ms), between two bounds or whole."""

    by: By = "step"
    first: int | None = None
    last: int | None = None
    buckets: int = BUCKETS


@dataclass(frozen=True)
class MetricRow:
    """A metric of a run with its newest point."""

    key: str
    step: int
    timestamp_ms: int
    value: float | None


def curve(run_id: int, key: str, piece: Piece) -> list[list[Any]]:
    """Return [x, least, greatest, newest value, points] per bucket, in order of x."""
    return curves_of(run_id, [key], piece)[key]


def curves_of(run_id: int, keys: Sequence[str], piece: Piece) -> dict[str, list[list[Any]]]:
    """Return the curves of several metrics of one run."""
    series = series_of(run_id)
    found: dict[str, list[list[Any]]] = {}
    for key in keys:
        columns = series.get(key)
        points = (
            sorted(
                zip(
                    columns.steps if piece.by == "step" else columns.times_ms,
                    columns.values,
                    strict=True,
                )
            )
            if columns
            else []
        )
        points = [
            (x, v)
            for x, v in points
            if (piece.first is None or x >= piece.first) and (piece.last is None or x <= piece.last)
        ]
        size = max(1, -(-len(points) // piece.buckets))
        found[key] = [
            [
                part[-1][0],
                finite(min(v for _, v in part)),
                finite(max(v for _, v in part)),
                finite(part[-1][1]),
                len(part),
            ]
            for part in (points[i : i + size] for i in range(0, len(points), size))
        ]
    return found


def metric_rows(run: Run, *, system: bool | None = None) -> list[MetricRow]:
    """Return the run's metrics by name, five thousand at most; one query.

    `system` says whether those below ``system/`` are wanted; None for both.
    """
    found = LatestMetric.objects.filter(run=run).order_by("key__name")
    if system is not None:
        below = {"key__name__startswith": "system/"}
        found = found.filter(**below) if system else found.exclude(**below)
    values = found.values_list("key__name", "step", "timestamp_ms", "value", "is_nan")
    return [
        MetricRow(key, step, timestamp_ms, None if is_nan else value)
        for key, step, timestamp_ms, value, is_nan in values[:MOST_METRICS]
    ]
