"""What datasets tell their followers on the topic ``dataset:<id>``."""

from dataclasses import dataclass
from typing import ClassVar

from platform_site.events.publish import LiveEvent


def dataset_topic(dataset_id: int) -> str:
    """Return the topic of a dataset."""
    return f"dataset:{dataset_id}"


@dataclass(frozen=True, kw_only=True)
class VersionProgressed(LiveEvent):
    """The work on a version is in this stage and this far now; version is null while downloading."""

    KIND: ClassVar[str] = "dataset.version_progressed"
    version: int | None
    stage: str
    fraction: float


@dataclass(frozen=True, kw_only=True)
class VersionReady(LiveEvent):
    """The version can be used."""

    KIND: ClassVar[str] = "dataset.version_ready"
    version: int
    n_rows: int
    n_columns: int
    n_warnings: int


@dataclass(frozen=True, kw_only=True)
class VersionFailed(LiveEvent):
    """The file could not be read, or could not be fetched (version is null then)."""

    KIND: ClassVar[str] = "dataset.version_failed"
    version: int | None
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class TargetAnalysed(LiveEvent):
    """The analysis of a column as a target is over."""

    KIND: ClassVar[str] = "dataset.target_analysed"
    version: int
    target: str
    status: str


@dataclass(frozen=True, kw_only=True)
class DatasetChanged(LiveEvent):
    """Name, description or shelf of the dataset changed."""

    KIND: ClassVar[str] = "dataset.changed"
    name: str
    archived: bool
