"""The beat of a training: how often it speaks, how much curves may cost, when it halts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments.training.control import Beat, CheckpointRule, Control
from experiments.training.metrics_live import Curves, Sample
from experiments.training.stopping import EarlyStopping
from tests.experiments.training_samples import Recorder


class Clock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class SlowModel:
    """Predicts the same number for every row, taking its time."""

    def __init__(self, clock: Clock, cost_s: float, answer: float = 0.0) -> None:
        self.clock, self.cost_s, self.answer = clock, cost_s, answer

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Take the time and answer."""
        self.clock.now += self.cost_s
        return np.full(len(inputs), self.answer)


def make_control(hooks: Recorder, clock: Clock, units: int = 1000, **values: Any) -> Control:
    """Return a started control with one sample to measure."""
    sample = Sample("validation", np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]))
    fields: dict[str, Any] = {
        "beat": Beat(hooks, clock=clock),
        "units": units,
        "units_before": 0,
        "units_total": units,
        "curves": Curves([sample], classification=False, clock=clock),
        "save": lambda units_done, frozen: None,
    }
    control = Control(**(fields | values))
    control.start()
    return control


def run(control: Control, clock: Clock, model: Callable[[], Any], unit_s: float) -> None:
    """Learn one unit after the other until done or halted."""
    for unit in range(1, control.units + 1):
        clock.now += unit_s
        if control.tick(unit, model):
            return


def test_progress_and_curves_come_at_most_ten_times_a_second() -> None:
    hooks, clock = Recorder(), Clock()
    control = make_control(hooks, clock)
    model = SlowModel(clock, 0.0)
    run(control, clock, lambda: model, 0.01)
    assert 90 <= len(hooks.progressed) <= 102
    assert 90 <= len(hooks.points) <= 102
    assert hooks.questions <= 202
    assert hooks.progressed[-1][:2] == (1000, 1000)


@pytest.mark.parametrize("cost_s", [0.001, 0.05, 0.3])
def test_curves_cost_at_most_a_tenth_of_a_run(cost_s: float) -> None:
    hooks, clock = Recorder(), Clock()
    control = make_control(hooks, clock)
    model = SlowModel(clock, cost_s)
    run(control, clock, lambda: model, 0.02)
    learned_s = 1000 * 0.02
    assert control.curves.spent_s <= 0.1 * learned_s
    assert len(hooks.points) >= 3
    assert hooks.points[-1][0] == 1000


def test_eta_follows_the_pace() -> None:
    hooks, clock = Recorder(), Clock()
    control = make_control(hooks, clock, units=100)
    model = SlowModel(clock, 0.0)
    assert hooks.progressed[0][2] is None
    run(control, clock, lambda: model, 2.0)
    done, total, eta_s = hooks.progressed[50]
    assert eta_s == pytest.approx(2.0 * (total - done))


def test_increments_grow_to_the_target_and_never_past_the_end() -> None:
    clock = Clock()
    control = make_control(Recorder(), clock, units=1000)
    sizes = []
    while control.units_done < 1000:
        target = control.next_target(0.4)
        sizes.append(target - control.units_done)
        clock.now += 0.01 * sizes[-1]
        control.tick(target, lambda: SlowModel(clock, 0.0))
    assert sizes[:5] == [1, 2, 4, 8, 16]
    assert max(sizes) <= 41
    assert sum(sizes) == 1000


def test_wish_is_heard_within_one_increment() -> None:
    clock = Clock()
    hooks = Recorder(lambda n: "stop" if n > 3 else None)
    control = make_control(hooks, clock)
    run(control, clock, lambda: SlowModel(clock, 0.0), 0.2)
    assert (control.reason, control.units_done) == ("stop", 4)


def test_time_limit_counts_earlier_sittings() -> None:
    clock = Clock()
    control = make_control(Recorder(), clock, time_limit_s=10.0, learned_before_s=6.0)
    run(control, clock, lambda: SlowModel(clock, 0.0), 1.0)
    assert (control.reason, control.units_done) == ("time", 4)


def test_checkpoints_are_rare_and_never_cost_much() -> None:
    clock = Clock()
    saved: list[int] = []

    def save(units_done: int, frozen: object) -> None:
        saved.append(units_done)
        clock.now += 1.0

    control = make_control(Recorder(), clock, save=save, rule=CheckpointRule())
    run(control, clock, lambda: SlowModel(clock, 0.0), 1.0)
    assert saved[0] == 10
    assert np.diff(saved).min() >= 40
    assert len(saved) <= 26


def test_early_stopping_waits_and_keeps_the_best() -> None:
    early = EarlyStopping(units_total=100, patience=3)
    assert early.every == 2
    values = [1.0, 0.8, 0.7, 0.75, 0.71, 0.72]
    stopped = [
        early.record(2 * n, value, f"state {n}" if early.is_better(value) else None)
        for n, value in enumerate(values, start=1)
    ]
    assert stopped == [False, False, False, False, False, True]
    assert (early.best_units, early.best_value, early.best_model) == (6, 0.7, "state 3")


def test_checks_of_early_stopping_lie_at_fixed_units() -> None:
    early = EarlyStopping(units_total=200, patience=3)
    assert [early.next_check(done) for done in (0, 1, 4, 199)] == [4, 4, 8, 200]
