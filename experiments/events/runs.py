"""What runs tell their followers on the topic ``run:<uuid>``."""

from dataclasses import dataclass
from typing import Any, ClassVar

from platform_site.events.publish import LiveEvent


def run_topic(run_uuid: str) -> str:
    """Return the topic of a run."""
    return f"run:{run_uuid}"


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
    """These metrics have these values at this step."""

    KIND: ClassVar[str] = "run.metrics"
    step: int
    values: dict[str, float | None]


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
