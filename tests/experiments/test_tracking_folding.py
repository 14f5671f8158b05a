"""Folding: the newest points of each metric, and what followers hear."""

import json
import math

import pytest

from experiments.models import LatestMetric, Run
from experiments.tracking.database import Database
from experiments.tracking.folding import fold, fold_dirty, fold_left_over
from experiments.tracking.freshness import ensure_folded
from experiments.tracking.group_commit import GroupCommit
from experiments.tracking.operations import LogBatch, UpdateRun
from experiments.tracking.points import append_points
from platform_site.core.transactions import write_transaction
from platform_site.events.models import Event
from tests.experiments.tracking_help import caller, new_run, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project, name="first")


def fold_now(run, **how) -> None:
    with write_transaction():
        fold(Database.of_django(), [run.pk], **how)


def latest(run) -> dict:
    rows = LatestMetric.objects.filter(run=run).select_related("key")
    return {
        row.key.name: (row.step, row.timestamp_ms, math.nan if row.is_nan else row.value)
        for row in rows
    }


def heard(topic: str, after: int = 0) -> list:
    events = Event.objects.filter(topic__key=topic, seq__gt=after).order_by("seq")
    return [(event.kind, json.loads(event.data)) for event in events]


def test_the_newest_point_has_the_greatest_step_not_the_last_arrival(alice, run):
    write(LogBatch(run.uuid, alice, metrics=[("m", 5, 1, 0.5), ("m", 3, 9, 0.3)]))
    fold_now(run)
    assert latest(run) == {"m": (5, 1, 0.5)}
    write(LogBatch(run.uuid, alice, metrics=[("m", 5, 1, 0.4), ("m", -1, 99, 7.0)]))
    fold_now(run)
    assert latest(run) == {"m": (5, 1, 0.5)}
    write(LogBatch(run.uuid, alice, metrics=[("m", 5, 2, -1.0), ("n", 0, 0, math.nan)]))
    fold_now(run)
    newest = latest(run)
    assert newest["m"] == (5, 2, -1.0)
    assert math.isnan(newest["n"][2])


def test_a_fold_leaves_the_run_clean_and_counts_its_tail(alice, run):
    write(LogBatch(run.uuid, alice, metrics=[("m", 1, 1, 1.0), ("m", 2, 1, 1.0)]))
    fold_now(run)
    fold_now(run)
    folded = Run.objects.get(pk=run.pk)
    assert (folded.dirty, folded.tail_points) == (0, 2)
    assert folded.folded_tail > 0


def test_followers_hear_points_labels_state_and_that_the_list_changed(people, alice, run):
    write(
        LogBatch(
            run.uuid, alice, metrics=[("m", 1, 1, 1.0), ("m", 2, 1, math.nan)], tags=[("t", "1")]
        )
    )
    write(UpdateRun(run.uuid, alice, status="completed", end_ms=0))
    fold_now(run)
    told = dict(heard(f"run:{run.uuid}"))
    assert told["run.metrics"] == {"series": {"m": [[1, 1.0], [2, None]]}, "thinned": False}
    assert told["run.labels"]["name"] == "first"
    assert told["run.status"]["status"] == "completed"
    assert told["run.status"]["ended_at"] == "1970-01-01T00:00:00+00:00"
    assert heard(f"project:{people.project.pk}") == [
        ("runs.changed", {"runs": [run.uuid], "n_runs": 1})
    ]


def test_points_alone_say_nothing_about_labels(alice, run):
    fold_now(run)
    n_events = len(heard(f"run:{run.uuid}"))
    write(LogBatch(run.uuid, alice, metrics=[("m", 1, 1, 1.0)]))
    fold_now(run)
    assert [kind for kind, _ in heard(f"run:{run.uuid}")[n_events:]] == ["run.metrics"]


def test_many_points_are_told_as_the_newest_ones_and_a_hint(alice, run):
    for part in range(3):
        points = [("m", part * 1000 + n, 0, float(n)) for n in range(1000)]
        write(LogBatch(run.uuid, alice, metrics=points))
    fold_now(run)
    told = dict(heard(f"run:{run.uuid}"))
    assert told["run.metrics"] == {"series": {"m": [[2999, 999.0]]}, "thinned": True}


def test_long_names_do_not_make_an_event_too_large(alice, run):
    points = [(f"{'é' * 245}{n:04}", 0, 0, 0.1) for n in range(1000)]
    write(LogBatch(run.uuid, alice, metrics=points))
    fold_now(run)
    told = [data["series"] for kind, data in heard(f"run:{run.uuid}") if kind == "run.metrics"]
    assert len(told) > 1
    assert sum(len(series) for series in told) == 1000


def test_our_own_points_are_folded_but_not_told_twice(alice, run):
    Run.objects.filter(pk=run.pk).update(kind="training")
    fold_now(run)
    n_events = len(heard(f"run:{run.uuid}"))
    with write_transaction():
        append_points(run.pk, [("loss", 1, 1, 0.5)])
    assert latest(run) == {"loss": (1, 1, 0.5)}
    write(LogBatch(run.uuid, alice, metrics=[("extra", 1, 1, 7.0)]))
    with write_transaction():
        append_points(run.pk, [("loss", 2, 2, 0.4)])
    assert heard(f"run:{run.uuid}")[n_events:] == [
        ("run.metrics", {"series": {"extra": [[1, 7.0]]}, "thinned": False})
    ]
    assert latest(run) == {"loss": (2, 2, 0.4), "extra": (1, 1, 7.0)}


def test_a_read_folds_first_only_what_it_needs(alice, run, people):
    other = new_run(people.alice, people.project)
    for one in (run, other):
        write(LogBatch(one.uuid, alice, metrics=[("m", 1, 1, 1.0)]))
    ensure_folded(Database.of_django(), run_ids=[run.pk])
    assert latest(run) == {"m": (1, 1, 1.0)}
    ensure_folded(Database.of_django(), experiment_ids=[run.experiment_id])
    assert latest(other) == {"m": (1, 1, 1.0)}


def test_what_a_crash_left_is_folded_by_others(alice, run, people):
    write(LogBatch(run.uuid, alice, metrics=[("m", 1, 1, 1.0)]))
    fold_left_over()
    assert latest(run) == {}
    Run.objects.filter(pk=run.pk).update(heard_ms=0)
    fold_left_over()
    assert latest(run) == {"m": (1, 1, 1.0)}
    new_run(people.alice, people.project)
    assert fold_dirty(limit=10) == 1
    assert fold_dirty(limit=10) == 0


@pytest.mark.django_db(transaction=True)
def test_the_writers_thread_folds_by_itself(alice, run):
    writer = GroupCommit()
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 1, 1, 1.0)]))
    while not LatestMetric.objects.exists():
        pass
    writer.close()
    assert latest(run) == {"m": (1, 1, 1.0)}
