"""Chores of tracking: runs that fell silent, compaction that is due."""

import pytest

from experiments.models import MetricBlock, MetricTail, Run
from experiments.services.compaction import COMPACT, compact_when_due
from experiments.tasks.tracking import compact
from experiments.tracking import compacting
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.operations import LogBatch
from experiments.tracking.silence import note_lost_runs
from monitoring import periodic
from platform_site.core.clock import now_ms
from platform_site.events.models import Event
from platform_site.jobs import kinds
from platform_site.jobs.models import Job
from tests.experiments.tracking_help import caller, new_run, write

pytestmark = pytest.mark.django_db

HOUR_MS = 3_600_000


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def silent_for(run, hours: float, **changes) -> None:
    Run.objects.filter(pk=run.pk).update(heard_ms=now_ms() - int(hours * HOUR_MS), **changes)


def status_of(run) -> str:
    return Run.objects.get(pk=run.pk).status


def test_a_run_that_is_silent_for_six_hours_is_lost_until_it_speaks(alice, run):
    silent_for(run, 5.9)
    assert note_lost_runs() == 0
    silent_for(run, 6.1)
    version = Run.objects.get(pk=run.pk).version
    assert note_lost_runs() == 1
    assert note_lost_runs() == 0
    assert status_of(run) == "lost"
    assert Run.objects.get(pk=run.pk).version > version
    told = Event.objects.filter(topic__key=f"run:{run.uuid}", kind="run.status").last()
    assert '"lost"' in told.data
    write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
    assert status_of(run) == "running"
    assert note_lost_runs() == 0


@pytest.mark.parametrize(
    ("agreed", "hours", "is_lost"),
    [
        ("60", 0.1, True),
        ("60", 0.01, False),
        ("1", 0.005, False),
        ("86400", 20, False),
        ("86400", 25, True),
        ("nonsense", 7, True),
        ("nan", 7, True),
        ("-5", 5, False),
        ("inf", 7, False),
    ],
)
def test_a_run_may_agree_on_another_silence(alice, run, agreed, hours, is_lost):
    write(LogBatch(run.uuid, alice, tags=[("assay.heartbeat_s", agreed)]))
    silent_for(run, hours)
    assert note_lost_runs() == is_lost


@pytest.mark.parametrize(
    "changes",
    [{"kind": "training"}, {"status": "completed"}, {"lifecycle": "deleted"}],
)
def test_trainings_ended_and_deleted_runs_are_never_lost(run, changes):
    silent_for(run, 1000, **changes)
    assert note_lost_runs() == 0


def test_one_compaction_waits_in_line_when_a_run_is_due(alice, run):
    assert not compact_when_due()
    Run.objects.filter(pk=run.pk).update(tail_points=compacting.DUE_POINTS)
    assert compact_when_due()
    assert not compact_when_due()
    assert Job.objects.filter(kind=COMPACT).count() == 1


class Context:
    """What the task needs of a job's context."""

    def should_stop(self) -> None:
        return None

    def report(self, stage: str, fraction: float) -> None:
        assert 0 <= fraction <= 1

    def write(self, step):
        return step()


def test_the_job_works_until_nothing_is_due(alice, people, monkeypatch):
    monkeypatch.setattr(compacting, "DUE_POINTS", 5)
    runs = [new_run(people.alice, people.project) for _ in range(3)]
    for one in runs:
        write(LogBatch(one.uuid, alice, metrics=[("m", n, n, 1.0) for n in range(6)]))
    fold(Database.of_django(), [one.pk for one in runs])
    # A count that has drifted must not keep the job busy for ever.
    stray = new_run(people.alice, people.project)
    Run.objects.filter(pk=stray.pk).update(tail_points=9)
    assert compact(Context()) == {"runs": 4, "points": 18}
    assert not MetricTail.objects.exists()
    assert MetricBlock.objects.count() == 3
    assert not Run.objects.filter(tail_points__gt=0).exists()


def test_job_and_chores_are_registered():
    assert kinds.resolve(kinds.get(COMPACT).task) is compact
    chores = {chore.name: chore for chore in periodic.registered()}
    for name in ("fold what is left over", "note lost runs", "compact metric points"):
        assert callable(chores[name].function())
