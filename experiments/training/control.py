"""The beat of a training: after every increment progress, curves, checkpoint and the wish to halt."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.training.hooks import Hooks
from experiments.training.metrics_live import Curves, outputs_of, quality
from experiments.training.stopping import EarlyStopping

Reason = Literal["pause", "stop", "time", "early"]

PROGRESS_EVERY_S = 0.1
WISH_EVERY_S = 0.05
ETA_WEIGHT = 0.3


@dataclass(frozen=True)
class CheckpointRule:
    """When to write a checkpoint while learning: whichever of the three is the later."""

    min_interval_s: float = 10.0
    run_share: float = 0.05
    cost_factor: float = 40.0


@dataclass
class Pace:
    """Seconds per unit as an exponentially weighted mean, and the time left by it."""

    unit_s: float | None = None

    def record(self, units: int, seconds: float) -> None:
        """Take note of an increment."""
        if units <= 0:
            return
        latest = seconds / units
        if self.unit_s is None:
            self.unit_s = latest
        else:
            self.unit_s += ETA_WEIGHT * (latest - self.unit_s)

    def eta_s(self, units_left: int) -> float | None:
        """Return the seconds left, or None before the first increment."""
        return None if self.unit_s is None else self.unit_s * units_left


@dataclass
class Beat:
    """Time marks shared by all parts of a run, so that limits per second hold across parts."""

    hooks: Hooks
    clock: Callable[[], float] = time.perf_counter
    progress_at: float = float("-inf")
    metrics_at: float = float("-inf")
    wish_at: float = float("-inf")
    pace: Pace = field(default_factory=Pace)

    def wish(self) -> Literal["pause", "stop"] | None:
        """Return the wish of the user, asking at most twenty times a second."""
        now = self.clock()
        if now - self.wish_at < WISH_EVERY_S:
            return None
        self.wish_at = now
        return self.hooks.should_stop()


@dataclass
class Control:
    """Decides after every increment of one part whether to go on.

    ``units_before`` are units of earlier parts; ``learned_before_s`` seconds of this part from
    before a resumption; ``save`` writes a checkpoint given units and the frozen model, where
    learning ``can_resume`` from one.
    """

    beat: Beat
    units: int
    units_before: int
    units_total: int
    curves: Curves
    save: Callable[[int, Any], None]
    rule: CheckpointRule = field(default_factory=CheckpointRule)
    early: EarlyStopping | None = None
    can_resume: bool = True
    time_limit_s: float | None = None
    learned_before_s: float = 0.0
    units_done: int = 0
    reason: Reason | None = field(default=None, init=False)
    _started_at: float = field(default=0.0, init=False)
    _ticked_at: float = field(default=0.0, init=False)
    _saved_at: float = field(default=0.0, init=False)
    _save_cost_s: float = field(default=0.0, init=False)
    _increment: int = field(default=1, init=False)

    def start(self) -> None:
        """Start the clock of this part."""
        now = self.beat.clock()
        self._started_at = self._ticked_at = self._saved_at = now
        self._report_progress(now, self.units_done)

    @property
    def learned_s(self) -> float:
        """Return the seconds this part has been learning, earlier sittings included."""
        return self.learned_before_s + self.beat.clock() - self._started_at

    def next_target(self, target_s: float) -> int:
        """Return the unit count the next increment should reach.

        An increment starts at one unit, aims at ``target_s``, at most doubles, and ends at the
        next check of early stopping.
        """
        unit_s = self.beat.pace.unit_s
        if unit_s is not None and self.units_done > 0:
            wanted = max(1, int(target_s / max(unit_s, 1e-9)))
            self._increment = min(wanted, 2 * self._increment, max(1, self.units // 4))
        target = min(self.units, self.units_done + self._increment)
        return target if self.early is None else min(target, self.early.next_check(self.units_done))

    def wants_halt(self) -> bool:
        """Ask for the wish of the user and the time limit; cheap, for use inside an increment."""
        if self.reason is None:
            self.reason = self.beat.wish()
        if self.reason is None and self._is_out_of_time():
            self.reason = "time"
        return self.reason is not None

    def peek(self, units: int) -> bool:
        """Report ``units`` in the middle of an increment; return True to halt at once."""
        self._report_progress(self.beat.clock(), units)
        return self.wants_halt()

    def tick(
        self,
        units_done: int,
        model: Callable[[], Any],
        freeze: Callable[[], Any] | None = None,
        *,
        step: int | None = None,
    ) -> bool:
        """Take note that ``units_done`` are learned; return True to halt here.

        ``model()`` gives a model to predict with, ``freeze()`` (default: the same) an
        independent copy of the whole state that learning can continue from. ``step`` is the
        place on the curves where it differs from the units (a solver that ended early).
        """
        freeze = freeze or model
        now = self.beat.clock()
        self.beat.pace.record(units_done - self.units_done, now - self._ticked_at)
        self.units_done = units_done
        is_last = units_done >= self.units
        if self.early is not None and self.early.is_due(units_done):
            self._check_early(self.early, model(), freeze)
        self.wants_halt()
        self._report_progress(now, units_done, force=is_last)
        at = units_done if step is None else step
        # A wish to halt is not kept waiting for one more point of the curves.
        self._report_metrics(at, model, force=is_last or self.reason in ("time", "early"))
        if self.reason is None and not is_last and self.can_resume and self._is_checkpoint_due():
            self.checkpoint(freeze())
        self._ticked_at = self.beat.clock()
        return self.reason is not None

    def checkpoint(self, frozen: Any) -> None:
        """Write the frozen state now."""
        started = self.beat.clock()
        self.save(self.units_done, frozen)
        self._saved_at = self.beat.clock()
        self._save_cost_s = self._saved_at - started

    def _check_early(self, early: EarlyStopping, model: Any, freeze: Callable[[], Any]) -> None:
        curves = self.curves
        sample = next(item for item in curves.samples if item.name == "validation")
        outputs = outputs_of(model, sample, classification=curves.classification)
        scores = quality(outputs, sample.target, classification=curves.classification)
        value = scores.get("loss", scores.get("rmse", float("inf")))
        better = freeze() if early.is_better(value) else None
        if early.record(self.units_done, value, better) and self.units_done < self.units:
            self.reason = "early"

    def _is_out_of_time(self) -> bool:
        return self.time_limit_s is not None and self.learned_s >= self.time_limit_s

    def _is_checkpoint_due(self) -> bool:
        rule = self.rule
        wait_s = max(
            rule.min_interval_s,
            rule.run_share * self.learned_s,
            rule.cost_factor * self._save_cost_s if rule.min_interval_s else 0.0,
        )
        return self.beat.clock() - self._saved_at >= wait_s

    def _report_progress(self, now: float, units: int, *, force: bool = False) -> None:
        if not force and now - self.beat.progress_at < PROGRESS_EVERY_S:
            return
        self.beat.progress_at = now
        done = self.units_before + units
        eta_s = self.beat.pace.eta_s(self.units_total - done)
        self.beat.hooks.progress(done, self.units_total, eta_s)

    def _report_metrics(self, step: int, model: Callable[[], Any], *, force: bool) -> None:
        curves = self.curves
        if not curves.samples or step == curves.last_step:
            return
        now = self.beat.clock()
        rested = now - self.beat.metrics_at >= PROGRESS_EVERY_S
        if not force and not (rested and curves.is_affordable(self.learned_s)):
            return
        values = curves.measure(step, model())
        self.beat.metrics_at = self.beat.clock()
        if values:
            self.beat.hooks.metrics(step, values)
