"""What registered models and files of predictions tell their followers."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


def batch_topic(batch_id: int) -> str:
    """Return the topic of a file of predictions."""
    return f"prediction:{batch_id}"


def project_topic(project_id: int) -> str:
    """Return the topic of a project, on which its registered models are spoken of."""
    return f"project:{project_id}"


@dataclass(frozen=True, kw_only=True)
class PredictionProgressed(LiveEvent):
    """The file is in this state and this far now."""

    KIND: ClassVar[str] = "prediction.progressed"
    status: str
    stage: str
    progress: float
    error_code: str
    error_message: str


@dataclass(frozen=True, kw_only=True)
class ModelChanged(LiveEvent):
    """A registered model was created or changed; what it says now is read where it is shown."""

    KIND: ClassVar[str] = "model.changed"
    name: str
    old_name: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelDeleted(LiveEvent):
    """A registered model is gone, with all its versions."""

    KIND: ClassVar[str] = "model.deleted"
    name: str


@dataclass(frozen=True, kw_only=True)
class VersionChanged(LiveEvent):
    """A version was created or changed, and is in this stage now."""

    KIND: ClassVar[str] = "model.version_changed"
    name: str
    version: int
    stage: str


@dataclass(frozen=True, kw_only=True)
class VersionDeleted(LiveEvent):
    """A version is gone; its number is not used again."""

    KIND: ClassVar[str] = "model.version_deleted"
    name: str
    version: int
