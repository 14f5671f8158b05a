"""The table of states, tried exhaustively, and the services over it."""

import itertools

import pytest

from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.transactions import write_transaction
from platform_site.events.models import Event
from platform_site.jobs import control, states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue
from platform_site.jobs.transitions import move

pytestmark = pytest.mark.django_db


def make_job(people, status=states.QUEUED, **fields) -> Job:
    with write_transaction():
        job = enqueue(
            "probe.count",
            payload={"to": 3},
            topic="",
            project_id=people.project.pk,
            by=people.alice,
        )
    if status in states.ON_A_WORKER:
        fields.setdefault("lease_until", job.queued_at)
    Job.objects.filter(pk=job.pk).update(status=status, **fields)
    return Job.objects.get(pk=job.pk)


@pytest.mark.parametrize(("current", "following"), list(itertools.product(states.ALL, states.ALL)))
def test_a_job_moves_only_along_the_table(people, current, following):
    job = make_job(people, current)
    fields = {"lease_until": job.queued_at} if following in states.ON_A_WORKER else {}
    if states.may_follow(current, following):
        with write_transaction():
            assert move(job, following, **fields).status == following
    else:
        with pytest.raises(Conflict), write_transaction():
            move(job, following, **fields)
        assert Job.objects.get(pk=job.pk).status == current


def test_final_states_have_no_way_out_but_trying_again():
    for status in states.FINAL:
        assert states.TRANSITIONS[status] <= {states.QUEUED}
    assert states.TRANSITIONS[states.COMPLETED] == frozenset()


CONTROL = {
    ("pause", "queued"): "paused",
    ("pause", "running"): "pausing",
    ("resume", "paused"): "queued",
    ("stop", "queued"): "stopped",
    ("stop", "paused"): "stopped",
    ("stop", "running"): "stopping",
    ("stop", "pausing"): "stopping",
    ("retry", "failed"): "queued",
    ("retry", "lost"): "queued",
    ("retry", "stopped"): "queued",
}


@pytest.mark.parametrize(
    ("action", "status"), list(itertools.product(["pause", "resume", "stop", "retry"], states.ALL))
)
def test_people_can_do_what_makes_sense_and_hear_why_not(people, action, status):
    job = make_job(people, status)
    expected = CONTROL.get((action, status))
    if expected is not None:
        assert control.control_job(job_id=job.pk, action=action).status == expected
    else:
        with pytest.raises(Conflict) as refused:
            control.control_job(job_id=job.pk, action=action)
        assert status in refused.value.message


def test_an_unknown_action_names_the_field(people):
    with pytest.raises(Invalid) as refused:
        control.control_job(job_id=make_job(people).pk, action="explode")
    assert refused.value.details["field"] == "action"


def test_a_missing_job_is_not_found(db):
    with pytest.raises(NotFound):
        control.control_job(job_id=10**9, action="stop")


def test_a_mover_that_looked_too_long_ago_loses(people):
    seen_before = make_job(people)
    control.control_job(job_id=seen_before.pk, action="pause")
    with pytest.raises(Conflict), write_transaction():
        move(seen_before, states.RUNNING, lease_until=seen_before.queued_at)


def test_trying_again_forgets_the_old_error(people):
    job = make_job(people, states.FAILED, error_code="x", error_message="y", attempts=3)
    again = control.control_job(job_id=job.pk, action="retry")
    assert (again.error_code, again.error_message, again.attempts) == ("", "", 0)


def test_every_change_is_told_to_the_project(people):
    job = make_job(people)
    control.control_job(job_id=job.pk, action="pause")
    kinds = Event.objects.filter(topic__key=f"project:{people.project.pk}").values_list(
        "kind", "data"
    )
    assert [kind for kind, _ in kinds] == ["job.status", "job.status"]
    assert '"status":"paused"' in list(kinds)[-1][1]


def test_priority_is_bounded_and_pointless_for_ended_jobs(people):
    job = make_job(people)
    with write_transaction():
        assert control.set_priority(job_id=job.pk, priority=7).priority == 7
    with pytest.raises(Invalid), write_transaction():
        control.set_priority(job_id=job.pk, priority=101)
    Job.objects.filter(pk=job.pk).update(status=states.COMPLETED)
    with pytest.raises(Conflict), write_transaction():
        control.set_priority(job_id=job.pk, priority=1)


def test_the_buttons_of_a_state_are_exactly_what_its_job_takes():
    offered = {
        (action, status) for status, names in control.ACTIONS_FOR.items() for action in names
    }
    assert offered == set(CONTROL)


def test_a_viewer_sees_jobs_without_buttons(people, as_user):
    make_job(people)
    assert b'value="pause"' in as_user(people.alice).get("/jobs/").content
    seen = as_user(people.bob).get("/jobs/").content
    assert b"data-job=" in seen
    assert b'value="pause"' not in seen
