"""Early stopping by our own rule, on rows set aside from the training rows."""

from dataclasses import dataclass
from typing import Any

CHECKS_PER_RUN = 50
MIN_GAIN = 1e-4
ASIDE_SHARE = 0.1
MIN_ASIDE_ROWS = 20


@dataclass
class EarlyStopping:
    """Watches one figure (smaller is better) at fixed unit counts.

    The counts are fixed, not timed, so that the decision is the same on every machine and
    after every resumption. ``best_model`` is a frozen copy of the best state so far.
    """

    units_total: int
    patience: int
    best_value: float = float("inf")
    best_units: int = 0
    best_model: Any = None
    checks_without_gain: int = 0

    @property
    def every(self) -> int:
        """Return the distance of two checks in units."""
        return max(1, self.units_total // CHECKS_PER_RUN)

    def next_check(self, units_done: int) -> int:
        """Return the unit count of the next check after ``units_done``."""
        return min(self.units_total, (units_done // self.every + 1) * self.every)

    def is_due(self, units_done: int) -> bool:
        """Say whether ``units_done`` is one of the fixed counts."""
        return units_done % self.every == 0 or units_done == self.units_total

    def is_better(self, value: float) -> bool:
        """Say whether ``value`` beats the best by more than noise."""
        return value < self.best_value - MIN_GAIN * max(1e-12, abs(value))

    def record(self, units_done: int, value: float, model: Any | None) -> bool:
        """Take a check; ``model`` is the frozen state if it is better. Return True to stop."""
        if model is not None:
            self.best_value, self.best_units, self.best_model = value, units_done, model
            self.checks_without_gain = 0
            return False
        self.checks_without_gain += 1
        return self.checks_without_gain >= self.patience
