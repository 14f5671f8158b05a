"""What experiments tell the followers of ``project:<id>``."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


@dataclass(frozen=True, kw_only=True)
class ExperimentChanged(LiveEvent):
    """The experiment has this name and state now."""

    KIND: ClassVar[str] = "experiment.changed"
    experiment_id: int
    name: str
    lifecycle: str
