"""What logged models tell the followers of their run and of their project."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


@dataclass(frozen=True, kw_only=True)
class LoggedModelChanged(LiveEvent):
    """A logged model was made or changed, and is in this state now."""

    KIND: ClassVar[str] = "logged_model.changed"
    model_id: str
    name: str
    status: str
    lifecycle: str
