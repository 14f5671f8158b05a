"""What clients write often, as values; the writer checks and stores a group of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from experiments.tracking.rows import RunRow
from platform_site.accounts.callers import Caller
from platform_site.core.ids import new_run_id

Point = tuple[str, int, int, float]
"""Key, step, time in ms since 1970, value."""
Pair = tuple[str, str]
"""Key and value."""


class ModelPoint(NamedTuple):
    """A metric point that is about a logged model, too."""

    model_id: str
    key: str
    step: int
    timestamp_ms: int
    value: float
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(slots=True)
class LogBatch:
    """Metric points, params and tags of one run: all of them or none; the result is None."""

    run_uuid: str
    caller: Caller
    metrics: Sequence[Point] = ()
    params: Sequence[Pair] = ()
    tags: Sequence[Pair] = ()
    model_metrics: Sequence[ModelPoint] = ()


@dataclass(slots=True)
class CreateRun:
    """A new running run; the result is a `CreatedRun`."""

    experiment_id: int
    caller: Caller
    name: str = ""
    user_name: str = ""
    start_ms: int | None = None
    tags: Sequence[Pair] = ()
    uuid: str = field(default_factory=new_run_id)


@dataclass(slots=True)
class UpdateRun:
    """New status, end or name (None: as it was); the result is a `RunRow`.

    `status` is a word of the column: running, completed, failed, stopped, queued.
    """

    run_uuid: str
    caller: Caller
    status: str | None = None
    end_ms: int | None = None
    name: str | None = None


@dataclass(slots=True)
class DeleteTag:
    """Remove a tag that exists; the result is None."""

    run_uuid: str
    caller: Caller
    key: str


@dataclass(slots=True)
class SetRunLifecycle:
    """Delete or restore a run, as often as one likes; the result is None."""

    run_uuid: str
    caller: Caller
    lifecycle: str


@dataclass(slots=True)
class CreatedRun:
    """A run that was made, with the tags that were stored."""

    row: RunRow
    tags: list[Pair]


Operation = LogBatch | CreateRun | UpdateRun | DeleteTag | SetRunLifecycle
RunOperation = LogBatch | UpdateRun | DeleteTag | SetRunLifecycle
Result = RunRow | CreatedRun | None
