"""What a group of writes stores, refuses and answers."""

import math

import pytest

from experiments.models import (
    Key,
    LoggedModel,
    LoggedModelMetric,
    MetricTail,
    Run,
    RunParam,
    RunTag,
)
from experiments.tracking.operations import (
    CreateRun,
    DeleteTag,
    LogBatch,
    ModelPoint,
    SetRunLifecycle,
    UpdateRun,
)
from platform_site.core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.experiments.tracking_help import (
    caller,
    experiment_of,
    new_run,
    tail_points,
    write,
    write_all,
)

GREATEST = 1.7976931348623157e308
MAX_INT64 = 2**63 - 1

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project, name="first")


def params_of(run):
    return dict(RunParam.objects.filter(run=run).values_list("key__name", "value"))


def tags_of(run):
    return dict(RunTag.objects.filter(run=run).values_list("key__name", "value"))


def test_a_new_run_runs_under_its_name_with_its_tags(people, alice):
    tags = [("team", "sky"), ("mlflow.runName", "dawn")]
    made = write(
        CreateRun(experiment_of(people.project).pk, alice, user_name="ann", start_ms=-5, tags=tags)
    )
    run = Run.objects.get(uuid=made.row.uuid)
    assert (run.name, run.status, run.kind, run.user_name) == ("dawn", "running", "tracked", "ann")
    assert (run.start_ms, run.end_ms, run.created_by) == (-5, None, people.alice)
    assert tags_of(run) == {"team": "sky"}
    assert made.row.artifact_uri == f"mlflow-artifacts:/{run.experiment_id}/{run.uuid}/artifacts"
    assert run.spec == {}
    assert run.notes == []
    assert run.environment == {}


def test_a_run_without_a_name_gets_one(people, alice):
    made = write(CreateRun(experiment_of(people.project).pk, alice))
    adjective, noun, number = made.row.name.split("-")
    assert adjective.isalpha()
    assert noun.isalpha()
    assert number.isdigit()


def test_two_different_names_for_a_new_run_are_refused(people, alice):
    tags = [("mlflow.runName", "dusk")]
    with pytest.raises(Invalid, match=r"'dawn'.*'dusk'"):
        write(CreateRun(experiment_of(people.project).pk, alice, name="dawn", tags=tags))
    assert not Run.objects.exists()


def test_a_deleted_experiment_takes_no_runs(people, alice):
    experiment = experiment_of(people.project)
    experiment.lifecycle = "deleted"
    experiment.save()
    with pytest.raises(Invalid, match=f"The experiment {experiment.pk} must be in"):
        write(CreateRun(experiment.pk, alice))


def test_an_unknown_experiment_and_a_hidden_one_look_the_same(people):
    experiment = experiment_of(people.project)
    for number in (experiment.pk, experiment.pk + 1):
        with pytest.raises(NotFound, match=f"No Experiment with id={number} exists"):
            write(CreateRun(number, caller(people.charlie)))


def test_a_batch_stores_points_params_and_tags(alice, run):
    write(
        LogBatch(
            run.uuid,
            alice,
            metrics=[("loss", 1, 10, 0.5), ("loss", -2, 11, math.inf), ("acc", 0, 12, -math.inf)],
            params=[("lr", "0.1"), ("note", "")],
            tags=[("team", "sky"), ("team", "sea")],
        )
    )
    assert tail_points(run) == [
        ("loss", 1, 10, 0.5),
        ("loss", -2, 11, GREATEST),
        ("acc", 0, 12, -GREATEST),
    ]
    assert params_of(run) == {"lr": "0.1", "note": ""}
    assert tags_of(run) == {"team": "sea"}
    changed = Run.objects.get(pk=run.pk)
    assert changed.version == run.version + 1
    assert changed.dirty == Run.Dirty.CREATED | Run.Dirty.METRICS | Run.Dirty.LABELS


def test_nan_and_the_ends_of_64_bits_are_kept(alice, run):
    ends = [("m", -MAX_INT64 - 1, MAX_INT64, math.nan), ("m", MAX_INT64, -MAX_INT64 - 1, 1.0)]
    write(LogBatch(run.uuid, alice, metrics=ends))
    first, second = tail_points(run)
    assert first[:3] == ends[0][:3]
    assert math.isnan(first[3])
    assert second == ends[1]


@pytest.mark.parametrize(
    "point", [("m", MAX_INT64 + 1, 0, 1.0), ("m", 0, -MAX_INT64 - 2, 1.0), ("m", 0, 0, 10**400)]
)
def test_numbers_beyond_64_bits_are_refused(alice, run, point):
    with pytest.raises(Invalid, match="64 bits"):
        write(LogBatch(run.uuid, alice, metrics=[point]))


def test_a_repeated_request_is_stored_once(alice, run):
    batch = LogBatch(run.uuid, alice, metrics=[("m", 1, 1, 1.0)], params=[("a", "b")])
    write(batch)
    write_all(batch, batch)
    assert tail_points(run) == [("m", 1, 1, 1.0)]
    assert params_of(run) == {"a": "b"}


def test_a_param_keeps_its_value(alice, run):
    write(LogBatch(run.uuid, alice, params=[("lr", "0.1")]))
    write(LogBatch(run.uuid, alice, params=[("lr", "0.1"), ("depth", "3")]))
    with pytest.raises(Invalid, match="Changing param values is not allowed") as refused:
        write(
            LogBatch(
                run.uuid,
                alice,
                metrics=[("m", 0, 0, 1.0)],
                params=[("new", "1"), ("lr", "0.2")],
                tags=[("t", "1")],
            )
        )
    assert all(part in refused.value.message for part in ("lr", "0.1", "0.2"))
    assert params_of(run) == {"lr": "0.1", "depth": "3"}
    assert tags_of(run) == {}
    assert tail_points(run) == []


def test_a_batch_that_contradicts_itself_is_refused(alice, run):
    with pytest.raises(Invalid, match="Changing param values is not allowed"):
        write(LogBatch(run.uuid, alice, params=[("lr", "1"), ("lr", "2")]))
    assert params_of(run) == {}


def test_operations_of_a_group_see_the_earlier_ones(alice, run):
    results = write_all(
        LogBatch(run.uuid, alice, params=[("lr", "1")], tags=[("t", "1")]),
        LogBatch(run.uuid, alice, params=[("lr", "2"), ("other", "x")], tags=[("u", "1")]),
        LogBatch(run.uuid, alice, params=[("lr", "1")]),
        DeleteTag(run.uuid, alice, "t"),
        DeleteTag(run.uuid, alice, "t"),
        SetRunLifecycle(run.uuid, alice, "deleted"),
        LogBatch(run.uuid, alice, tags=[("v", "1")]),
    )
    assert [type(result) for result in results] == [
        type(None),
        Invalid,
        type(None),
        type(None),
        NotFound,
        type(None),
        Invalid,
    ]
    assert params_of(run) == {"lr": "1"}
    assert tags_of(run) == {}
    assert not Key.objects.filter(name__in=["other", "u", "v"]).exists()


def test_only_active_runs_are_written_to_and_a_restored_one_again(alice, run):
    for _ in range(2):
        write(SetRunLifecycle(run.uuid, alice, "deleted"))
    assert Run.objects.get(pk=run.pk).deleted_ms is not None
    for operation in (
        LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]),
        UpdateRun(run.uuid, alice, name="x"),
        DeleteTag(run.uuid, alice, "t"),
    ):
        with pytest.raises(Invalid, match=f"The run {run.uuid} must be in"):
            write(operation)
    for _ in range(2):
        write(SetRunLifecycle(run.uuid, alice, "active"))
    assert Run.objects.get(pk=run.pk).deleted_ms is None
    write(LogBatch(run.uuid, alice, tags=[("t", "1")]))


def test_strangers_learn_nothing_and_viewers_change_nothing(people, run):
    stranger, viewer = caller(people.charlie), caller(people.bob)
    for operation in (LogBatch, UpdateRun):
        for uuid in (run.uuid, "0" * 32):
            with pytest.raises(NotFound, match=f"Run {uuid} not found"):
                write(operation(uuid, stranger))
        with pytest.raises(Forbidden):
            write(operation(run.uuid, viewer))
    with pytest.raises(Forbidden):
        write(CreateRun(run.experiment_id, viewer))
    assert Run.objects.count() == 1


def test_an_update_sets_what_is_given(alice, run):
    row = write(UpdateRun(run.uuid, alice, status="completed", end_ms=77))
    assert (row.status, row.end_ms, row.name) == ("completed", 77, "first")
    row = write(UpdateRun(run.uuid, alice, name="second"))
    assert (row.status, row.end_ms, row.name) == ("completed", 77, "second")
    row = write(UpdateRun(run.uuid, alice, name=""))
    assert row.name == "second"
    with pytest.raises(Invalid):
        write(UpdateRun(run.uuid, alice, status="pausing"))


def test_the_name_tag_renames_the_run(alice, run):
    write(LogBatch(run.uuid, alice, tags=[("mlflow.runName", "renamed")]))
    assert Run.objects.get(pk=run.pk).name == "renamed"
    assert tags_of(run) == {}
    with pytest.raises(Invalid):
        write(DeleteTag(run.uuid, alice, "mlflow.runName"))


def test_a_tag_is_removed_once(alice, run):
    write(LogBatch(run.uuid, alice, tags=[("t", "1")]))
    write(DeleteTag(run.uuid, alice, "t"))
    assert tags_of(run) == {}
    for key in ("t", "never heard of"):
        with pytest.raises(NotFound, match=f"No tag with name: {key}"):
            write(DeleteTag(run.uuid, alice, key))


def test_a_trainings_state_is_its_jobs_business(alice, run):
    Run.objects.filter(pk=run.pk).update(kind="training", status="running")
    for operation in (
        UpdateRun(run.uuid, alice, status="completed"),
        UpdateRun(run.uuid, alice, end_ms=1),
        SetRunLifecycle(run.uuid, alice, "deleted"),
    ):
        with pytest.raises(Conflict):
            write(operation)
    write(LogBatch(run.uuid, alice, metrics=[("extra", 0, 0, 1.0)], tags=[("t", "1")]))
    write(UpdateRun(run.uuid, alice, name="mine"))
    Run.objects.filter(pk=run.pk).update(status="completed")
    write(SetRunLifecycle(run.uuid, alice, "deleted"))


def test_a_lost_run_that_speaks_again_runs(alice, run):
    Run.objects.filter(pk=run.pk).update(status="lost")
    write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
    assert Run.objects.get(pk=run.pk).status == "running"


@pytest.mark.parametrize("text", ["nul \x00", "half \ud800"])
def test_texts_that_databases_cannot_hold_are_refused(people, alice, run, text):
    for operation in (
        LogBatch(run.uuid, alice, params=[("a", text)]),
        LogBatch(run.uuid, alice, tags=[(text, "a")]),
        LogBatch(run.uuid, alice, metrics=[(text, 0, 0, 1.0)]),
        UpdateRun(run.uuid, alice, name=text),
        CreateRun(run.experiment_id, alice, name=text),
        CreateRun(run.experiment_id, alice, user_name=text),
    ):
        with pytest.raises(Invalid):
            write(operation)


def test_keys_are_1_to_250_characters_long(alice, run):
    for key in ("", "k" * 251):
        with pytest.raises(Invalid):
            write(LogBatch(run.uuid, alice, metrics=[(key, 0, 0, 1.0)]))
    write(LogBatch(run.uuid, alice, metrics=[("k" * 250, 0, 0, 1.0)]))


def test_a_point_about_a_logged_model_is_kept_with_both(people, alice, run):
    model = LoggedModel.objects.create(
        model_id="m-" + "a" * 32,
        experiment_id=run.experiment_id,
        name="net",
        created_by=people.alice,
        created_ms=0,
        updated_ms=0,
    )
    points = [
        ModelPoint(model.model_id, "acc", 1, 5, math.nan),
        ModelPoint(model.model_id, "acc", 2, 5, math.inf, "stars", "d1"),
    ]
    batch = LogBatch(run.uuid, alice, metrics=[("acc", 1, 5, math.nan)], model_metrics=points)
    write(batch)
    write(batch)
    stored = LoggedModelMetric.objects.filter(model=model, run=run).order_by("step")
    assert [(one.value, one.is_nan, one.dataset_name) for one in stored] == [
        (0.0, True, ""),
        (GREATEST, False, "stars"),
    ]
    lost = ModelPoint("m-" + "b" * 32, "acc", 1, 5, 1.0)
    with pytest.raises(NotFound, match="not found"):
        write(LogBatch(run.uuid, alice, metrics=[("x", 0, 0, 1.0)], model_metrics=[lost]))
    assert MetricTail.objects.count() == 1


def test_a_large_group_over_many_runs_is_stored_whole(people, alice):
    experiment = experiment_of(people.project)
    made = write_all(*(CreateRun(experiment.pk, alice) for _ in range(300)))
    runs = [one.row for one in made]
    write_all(
        *(
            LogBatch(
                row.uuid,
                alice,
                metrics=[(f"m{i}", i, n, float(i)) for i in range(3)],
                params=[(f"p{i}", str(n)) for i in range(3)],
            )
            for n, row in enumerate(runs)
        )
    )
    assert MetricTail.objects.count() == 300
    assert RunParam.objects.count() == 900
    assert Run.objects.filter(version=1).count() == 300
