"""What jobs tell their project."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


@dataclass(frozen=True, kw_only=True)
class JobChanged(LiveEvent):
    """A job of the project is in this state and this far now."""

    KIND: ClassVar[str] = "job.status"
    job: int
    kind: str
    topic: str
    status: str
    stage: str
    progress: float
    eta_s: float | None
