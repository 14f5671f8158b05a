"""Starting trainings, what their jobs leave behind, and what is refused before any job is made."""

import hashlib

import pytest
from django.db.models.functions import Now

from assets.storage import blob_path
from experiments.models import Run, RunReport
from experiments.services.run_control import control_run, edit_run
from experiments.services.runs import require_report, start_training
from experiments.tasks.training import train
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.events.models import Event
from platform_site.jobs.models import Job
from tests.experiments.dataset_help import do_job, ready_version, upload
from tests.experiments.training_help import (
    finished_run,
    queued_run,
    regression_run,
    request_for,
    stars_csv,
)
from tests.people import project_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


def kinds_of(run: Run) -> list[str]:
    events = Event.objects.filter(topic__key=f"run:{run.uuid}").order_by("seq")
    return list(events.values_list("kind", flat=True))


def test_a_training_records_everything_that_made_its_model(people):
    run = finished_run(people)
    assert (run.status, run.job.status) == ("completed", "completed")
    assert run.spec["features"] == ["size", "depth", "colour", "hot"]
    assert [item["column"] for item in run.spec["excluded"]] == ["mass"]
    assert len(run.spec_digest) == 64
    assert run.environment["packages"]["scikit-learn"]
    assert run.host
    assert run.code_version
    assert run.params.get(key__name="max_depth").value == "3"
    assert run.headline_metric == "accuracy"
    assert run.headline_value > 0.7
    report = RunReport.objects.get(run=run)
    assert report.result["n_test"] == 30
    assert report.result["metrics"]["accuracy"]["value"] == run.headline_value
    assert run.model_manifest["dataset_sha256"] == run.dataset_version.blob.sha256
    path = blob_path(run.model_blob.sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == run.model_blob.sha256
    kinds = kinds_of(run)
    assert kinds[0] == "run.status"
    assert "run.evaluated" in kinds
    assert kinds[-1] == "run.status"


def test_the_same_specification_again_gives_the_very_same_model_and_figures(people):
    first = finished_run(people)
    again = start_training(
        project=people.project, by=people.alice, request=request_for(first.dataset_version)
    )
    do_job(again.job)
    again.refresh_from_db()
    assert again.spec_digest == first.spec_digest
    assert again.model_blob_id == first.model_blob_id
    reports = [RunReport.objects.get(run=run) for run in (first, again)]
    assert reports[0].result == reports[1].result
    assert reports[0].predictions_blob_id == reports[1].predictions_blob_id


def test_a_regression_is_guessed_from_the_column_and_judged_by_r2(people):
    run = regression_run(people)
    assert (run.task, run.headline_metric) == ("regression", "r2")
    assert run.headline_value > 0.9


def test_an_own_test_dataset_is_what_the_figures_come_from(people):
    other = ready_version(people.project, people.alice, stars_csv(40, seed=9), name="Test stars")
    run = finished_run(people, test_version=other, validation={"kind": "test_dataset"})
    assert RunReport.objects.get(run=run).result["n_test"] == 40
    assert run.test_version == other


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"target": "nothing"}, "target"),
        ({"model_type": "oracle"}, "model_type"),
        ({"hyperparameters": {"max_depth": 0}}, "hyperparameters.max_depth"),
        ({"hyperparameters": {"depth": 3}}, "hyperparameters.depth"),
        ({"exclude": ["nothing"]}, "exclude"),
        ({"exclude": ["size", "depth", "colour", "hot", "mass"]}, "features"),
        ({"validation": {"kind": "guess"}}, "validation"),
        ({"validation": {"kind": "group"}}, "validation"),
        ({"task": "regression"}, "t"),
    ],
)
def test_what_cannot_work_is_refused_by_field_before_any_job(people, changes, field):
    version = ready_version(people.project, people.alice, stars_csv())
    jobs = Job.objects.count()
    with pytest.raises(Invalid) as refusal:
        start_training(
            project=people.project, by=people.alice, request=request_for(version, **changes)
        )
    assert str(refusal.value.details["field"]).startswith(field)
    assert (Run.objects.count(), Job.objects.count()) == (0, jobs)


def test_a_version_that_is_not_ready_or_of_another_project_is_refused(people):
    waiting = upload(people.project, people.alice, stars_csv()).version
    with pytest.raises(Conflict, match="still being validated"):
        start_training(project=people.project, by=people.alice, request=request_for(waiting))
    do_job(waiting.job)
    waiting.refresh_from_db()
    elsewhere = project_of((people.alice, "editor"), name="Moons")
    with pytest.raises(NotFound):
        start_training(project=elsewhere, by=people.alice, request=request_for(waiting))


def test_a_run_in_line_is_paused_resumed_moved_up_and_stopped(people):
    run = queued_run(people)
    assert control_run(run=run, action="pause").status == "paused"
    assert Run.objects.get(pk=run.pk).status == "paused"
    assert control_run(run=run, action="resume").status == "queued"
    edit_run(run=run, priority=5)
    assert Job.objects.get(pk=run.job_id).priority == 5
    assert control_run(run=run, action="stop").status == "stopped"
    run.refresh_from_db()
    assert run.status == "stopped"
    assert run.evaluation_job is None, "nothing was learned, so nothing is evaluated"
    with pytest.raises(Conflict):
        control_run(run=run, action="pause")
    with pytest.raises(Invalid):
        control_run(run=run, action="explode")
    assert control_run(run=run, action="retry").status == "queued"
    do_job(run.job)
    assert Run.objects.get(pk=run.pk).status == "completed"


def test_names_are_changed_and_bounded(people):
    run = queued_run(people)
    assert edit_run(run=run, name="  best  ").name == "best"
    for name in ("", "   ", "x" * 251):
        with pytest.raises(Invalid):
            edit_run(run=run, name=name)


def test_why_there_is_no_report_is_said(people):
    run = queued_run(people)
    with pytest.raises(Conflict, match="the run is queued|The run is queued"):
        require_report(run)
    control_run(run=run, action="stop")
    run.refresh_from_db()
    with pytest.raises(Conflict, match="stopped without a model"):
        require_report(run)


def test_another_worker_having_taken_over_nothing_of_the_old_one_is_recorded(people):
    from platform_site.core.transactions import write_transaction
    from platform_site.jobs import states
    from platform_site.jobs.child_process import work_dir_of
    from platform_site.jobs.context import Fenced, JobContext
    from platform_site.jobs.transitions import move

    run = queued_run(people)
    with write_transaction():
        job = move(
            Job.objects.get(pk=run.job_id), states.RUNNING, bump_fence=True, lease_until=Now(),
            attempts=1,
        )  # fmt: skip
    context = JobContext(job, work_dir_of(job.pk))
    Job.objects.filter(pk=job.pk).update(fence=job.fence + 1)
    with pytest.raises(Fenced):
        train(context)
    context._closing.set()  # the flusher may not write for this worker any more
    context._flusher.join()
    assert not RunReport.objects.filter(run=run).exists()
    assert Run.objects.get(pk=run.pk).model_blob is None
