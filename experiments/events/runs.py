"""What runs tell their followers on the topic ``run:<uuid>``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from platform_site.events.publish import LiveEvent

MAX_SERIES_BYTES: Final = 128 * 1024
MAX_LINE_POINTS: Final = 1000
MAX_POINT_BYTES: Final = 50
MAX_CHAR_BYTES: Final = 6


def run_topic(run_uuid: str) -> str:
    """Return the topic of a run."""
    return f"run:{run_uuid}"


def project_topic(project_id: int) -> str:
    """Return the topic of a project."""
    return f"project:{project_id}"


@dataclass(frozen=True, kw_only=True)
class RunsChanged(LiveEvent):
    """These runs of the project are new or have changed; none are named when there are many."""

    KIND: ClassVar[str] = "runs.changed"
    runs: Sequence[str]
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class RunStatusChanged(LiveEvent):
    """The run is in this state now."""

    KIND: ClassVar[str] = "run.status"
    status: str
    stage: str
    progress: float
    attempt: int
    error_code: str
    error_message: str
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class RunProgressed(LiveEvent):
    """The run is this far now."""

    KIND: ClassVar[str] = "run.progressed"
    stage: str
    progress: float
    eta_s: float | None
    units_done: int | None
    units_total: int | None


@dataclass(frozen=True, kw_only=True)
class RunMetrics(LiveEvent):
    """Each metric has these points of (step, value); thinned: there are more, read them anew."""

    KIND: ClassVar[str] = "run.metrics"
    series: Mapping[str, Sequence[tuple[int, float | None]]]
    thinned: bool = False


def metric_events(
    series: Mapping[str, Sequence[tuple[int, float | None]]], *, thinned: bool = False
) -> list[RunMetrics]:
    """Return the points as events, each small enough to be published."""
    events: list[RunMetrics] = []
    part: dict[str, list[tuple[int, float | None]]] = {}
    n_bytes = 0
    for key, line in series.items():
        for start in range(0, len(line), MAX_LINE_POINTS):
            piece = list(line[start : start + MAX_LINE_POINTS])
            piece_bytes = MAX_CHAR_BYTES * len(key) + MAX_POINT_BYTES * len(piece)
            if part and n_bytes + piece_bytes > MAX_SERIES_BYTES:
                events.append(RunMetrics(series=part, thinned=thinned))
                part, n_bytes = {}, 0
            part.setdefault(key, []).extend(piece)
            n_bytes += piece_bytes
    if part:
        events.append(RunMetrics(series=part, thinned=thinned))
    return events


@dataclass(frozen=True, kw_only=True)
class RunLabelled(LiveEvent):
    """The run has this name now; params or tags may have changed, too."""

    KIND: ClassVar[str] = "run.labels"
    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class RunLogged(LiveEvent):
    """The run's log has these lines."""

    KIND: ClassVar[str] = "run.log"
    lines: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RunResources(LiveEvent):
    """The run's process uses this much at present."""

    KIND: ClassVar[str] = "run.resources"
    cpu_percent: float | None
    rss_bytes: int | None
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class RunEvaluated(LiveEvent):
    """The run's report can be read."""

    KIND: ClassVar[str] = "run.evaluated"
    headline_metric: str
    headline_value: float | None


@dataclass(frozen=True, kw_only=True)
class RunRegistered(LiveEvent):
    """The run's model has become a version of a registered model."""

    KIND: ClassVar[str] = "run.registered"
    model: str
    version: int
