"""Curves of runs for charts: envelopes in which no spike is lost, whatever the zoom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.models import LatestMetric, Run
from experiments.tracking.database import Database
from experiments.tracking.envelopes import By, envelope
from experiments.tracking.freshness import ensure_folded
from platform_site.core.json_parser import finite

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
    db = Database.of_django()
    buckets = envelope(db, run_id, key, piece.buckets, piece.first, piece.last, by=piece.by)
    return [
        [one.x, finite(one.least), finite(one.greatest), finite(one.newest), one.n_points]
        for one in buckets
    ]


def curves_of(run_id: int, keys: Sequence[str], piece: Piece) -> dict[str, list[list[Any]]]:
    """Return the curves of several metrics of one run."""
    return {key: curve(run_id, key, piece) for key in keys}


def metric_rows(run: Run, *, system: bool | None = None) -> list[MetricRow]:
    """Return the run's metrics by name, five thousand at most; one query.

    `system` says whether those below ``system/`` are wanted; None for both.
    """
    ensure_folded(Database.of_django(), run_ids=[run.pk])
    found = LatestMetric.objects.filter(run=run).order_by("key__name")
    if system is not None:
        below = {"key__name__startswith": "system/"}
        found = found.filter(**below) if system else found.exclude(**below)
    values = found.values_list("key__name", "step", "timestamp_ms", "value", "is_nan")
    return [
        MetricRow(key, step, timestamp_ms, None if is_nan else value)
        for key, step, timestamp_ms, value, is_nan in values[:MOST_METRICS]
    ]
