"""What a training tells its surroundings and asks them while it runs (standard library)."""

from dataclasses import dataclass
from typing import Literal, Protocol

Wish = Literal["pause", "stop"]
Status = Literal["completed", "paused", "stopped"]


class Hooks(Protocol):
    """Receives progress and answers whether to go on; implemented by the job runner.

    ``progress`` and ``metrics`` are called at most ten times a second each, ``should_stop`` at
    most twenty times. Steps count the units of the part being learned; curves of k-fold parts
    carry the prefix "fold_<n>/".
    """

    def stage(self, name: str, fraction: float) -> None:
        """Take note of the stage: loading, preparing, fitting or saving; fraction 0 to 1."""

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Take points of the curves at ``step``."""

    def progress(self, units_done: int, units_total: int, eta_s: float | None) -> None:
        """Take the progress over all parts of the run."""

    def log(self, line: str) -> None:
        """Take one line for people."""

    def should_stop(self) -> Wish | None:
        """Return what the user wishes: "pause", "stop", or None to go on."""


@dataclass(frozen=True)
class TrainOutcome:
    """How a training ended.

    ``fit_wall_s`` are the seconds spent learning, over all resumptions; ``deterministic``:
    the same specification on the same data gives the same model bit for bit.
    """

    status: Status
    units_done: int
    units_total: int
    fit_wall_s: float
    deterministic: bool
    notes: tuple[str, ...] = ()
