"""What a source holds, as plain records; every reader yields these, one writer takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

Point = tuple[str, int, int, float]
"""Key, step, time in ms since 1970, value."""

LARGEST: Final = 1.7976931348623157e308
"""What the protocol stores for infinity."""


@dataclass(slots=True)
class ExperimentRecord:
    """An experiment under the number that the source gave it."""

    source_id: str
    name: str
    location: str
    lifecycle: str
    created_ms: int
    updated_ms: int
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DatasetRecord:
    """A dataset that a run read, with the labels of this reading."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str
    tags: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class RunRecord:
    """A run without its points, which come apart."""

    uuid: str
    name: str
    user_name: str
    status: str
    start_ms: int | None
    end_ms: int | None
    deleted_ms: int | None
    lifecycle: str
    artifact_uri: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[DatasetRecord] = field(default_factory=list)
    model_inputs: list[str] = field(default_factory=list)
    model_outputs: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class ModelMetricRecord:
    """A point that was logged about a logged model."""

    run_uuid: str
    key: str
    step: int
    timestamp_ms: int
    value: float
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(slots=True)
class LoggedModelRecord:
    """A model's folder with what was said about it."""

    model_id: str
    name: str
    model_type: str
    status: str
    status_message: str
    source_run: str
    lifecycle: str
    created_ms: int
    updated_ms: int
    artifact_uri: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[ModelMetricRecord] = field(default_factory=list)


@dataclass(slots=True)
class VersionRecord:
    """A version of a registered model."""

    number: int
    description: str
    stage: str
    source: str
    storage_location: str
    run_text: str
    run_link: str
    created_ms: int
    updated_ms: int
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RegisteredModelRecord:
    """A name with its versions; `last_number` counts deleted versions too."""

    name: str
    description: str
    created_ms: int
    updated_ms: int
    last_number: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    versions: list[VersionRecord] = field(default_factory=list)


@dataclass(slots=True)
class ArtifactRecord:
    """A file below an artifact root; `open` starts reading its bytes."""

    path: str
    open: Callable[[], AbstractContextManager[BinaryIO]]


class Unreadable(Exception):
    """A part of the source cannot be read, or must not be; the text says which and why."""


class Source(Protocol):
    """What every reader offers; nothing of the source is executed, nothing outside it is opened."""

    left_out: list[str]

    def experiments(self) -> Iterator[ExperimentRecord]:
        """Yield every experiment, deleted ones too."""
        ...

    def runs(self, experiment: ExperimentRecord) -> Iterator[RunRecord]:
        """Yield every run of an experiment, deleted ones too."""
        ...

    def count_runs(self, experiment: ExperimentRecord) -> int | None:
        """Return how many runs will come, or None if counting costs as much as reading."""
        ...

    def points(self, run: RunRecord) -> Iterator[list[Point]]:
        """Yield the points of a run in portions, each point once, in the same order every time."""
        ...

    def logged_models(self, experiment: ExperimentRecord) -> Iterator[LoggedModelRecord]:
        """Yield the logged models of an experiment."""
        ...

    def registered_models(self) -> Iterator[RegisteredModelRecord]:
        """Yield the registered models, prompts too."""
        ...

    def artifacts(self, owner: RunRecord | LoggedModelRecord) -> Iterator[ArtifactRecord]:
        """Yield the files of a run or a logged model.

        Raises:
            Unreadable: when its artifact root is none that may be read.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
