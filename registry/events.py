"""What files of predictions tell their followers on the topic ``prediction:<id>``."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


def batch_topic(batch_id: int) -> str:
    """Return the topic of a file of predictions."""
    return f"prediction:{batch_id}"


@dataclass(frozen=True, kw_only=True)
class PredictionProgressed(LiveEvent):
    """The file is in this state and this far now."""

    KIND: ClassVar[str] = "prediction.progressed"
    status: str
    stage: str
    progress: float
    error_code: str
    error_message: str
