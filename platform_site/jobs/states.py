"""The states of a job and which may follow which; a pure table."""

from typing import Final

QUEUED: Final = "queued"
RUNNING: Final = "running"
PAUSING: Final = "pausing"
PAUSED: Final = "paused"
STOPPING: Final = "stopping"
STOPPED: Final = "stopped"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
LOST: Final = "lost"

ALL: Final = (QUEUED, RUNNING, PAUSING, PAUSED, STOPPING, STOPPED, COMPLETED, FAILED, LOST)
ON_A_WORKER: Final = frozenset({RUNNING, PAUSING, STOPPING})
ACTIVE: Final = frozenset({QUEUED, RUNNING, PAUSING, PAUSED, STOPPING})
FINAL: Final = frozenset({STOPPED, COMPLETED, FAILED, LOST})

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    # queued -> failed: the attempt limit is reached while waiting to be tried again.
    QUEUED: frozenset({RUNNING, PAUSED, STOPPED, FAILED, LOST}),
    # running -> queued: the worker died; another one takes over from the checkpoint.
    RUNNING: frozenset({PAUSING, STOPPING, COMPLETED, FAILED, LOST, QUEUED, PAUSED, STOPPED}),
    # pausing -> completed: the work ended before the wish was seen.
    PAUSING: frozenset({PAUSED, STOPPING, COMPLETED, FAILED, LOST, QUEUED, STOPPED}),
    PAUSED: frozenset({QUEUED, STOPPED}),
    STOPPING: frozenset({STOPPED, COMPLETED, FAILED, LOST}),
    STOPPED: frozenset({QUEUED}),
    COMPLETED: frozenset(),
    FAILED: frozenset({QUEUED}),
    LOST: frozenset({QUEUED}),
}


def may_follow(current: str, following: str) -> bool:
    """Whether a job may go from one state to the other."""
    return following in TRANSITIONS[current]
