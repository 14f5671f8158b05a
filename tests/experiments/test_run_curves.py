"""Curves of the run page: whole below 2,000 points, above with every extreme."""

import pytest

from experiments.models import Run
from experiments.selectors.runs import MAX_CURVE_POINTS, curves, latest_values, thinned
from experiments.tracking.operations import LogBatch
from tests.experiments.tracking_help import caller, new_run, write


@pytest.mark.parametrize("spike_at", [0, 1, 777, 4_999, 5_000, 9_998, 9_999])
@pytest.mark.parametrize("spike", [5.0, -5.0])
def test_no_spike_is_hidden(spike_at, spike):
    line = [(step, 0.5 if step % 3 else None) for step in range(10_000)]
    line[spike_at] = (spike_at, spike)
    shown = thinned(line)
    assert (spike_at, spike) in shown
    assert shown == sorted(shown, key=lambda point: point[0])
    assert len(shown) <= MAX_CURVE_POINTS
    assert {line[0], line[-1]} <= set(shown)


def test_a_short_line_stays_whole():
    line = [(step, None) for step in range(MAX_CURVE_POINTS)]
    assert thinned(line) == line


@pytest.mark.django_db
def test_of_a_repeated_step_the_newest_value_is_drawn(people):
    run = new_run(people.alice, people.project)
    points = [("loss", 2, 20, 0.2), ("loss", 1, 10, 0.9), ("loss", 2, 30, 0.1)]
    write(LogBatch(run.uuid, caller(people.alice), metrics=points))
    run = Run.objects.get(pk=run.pk)
    assert curves(run) == {"loss": [(1, 0.9), (2, 0.1)]}
    assert latest_values(run) == {"loss": 0.1}
