"""What runs read and made, over the protocol."""

import json

import pytest

from experiments.models import DatasetInput, LoggedDataset, LoggedModel, Run, RunModel, RunTag
from experiments.tracking.database import Database
from experiments.tracking.inputs import inputs_and_outputs
from platform_site.core.clock import now_ms
from tests.experiments.protocol_help import ProtocolClient
from tests.experiments.tracking_help import experiment_of, new_run
from tests.people import project_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def dataset(name="stars", digest="abc", *, context="training", **more):
    return {
        "dataset": {
            "name": name, "digest": digest, "source_type": "local", "source": "{}", **more,
        },
        "tags": [{"key": "mlflow.data.context", "value": context}],
    }  # fmt: skip


def logged_model(people, project, digits="1"):
    return LoggedModel.objects.create(
        model_id=f"m-{digits * 32}",
        experiment=experiment_of(project),
        name="forest",
        created_by=people.alice,
        created_ms=now_ms(),
        updated_ms=now_ms(),
    )


def known(run):
    return inputs_and_outputs(Database.of_django(), [run.pk]).get(run.pk, ({}, {}))


def log(client, run, **content):
    return client.post("runs/log-inputs", {"run_id": run.uuid, **content})


def test_a_dataset_is_described_once_and_its_first_tags_stay(people, alice, run):
    assert log(alice, run, datasets=[dataset(schema='{"a": "b"}', profile="{}")]).json() == {}
    assert log(alice, run, datasets=[dataset(context="test")]).json() == {}
    other = new_run(people.alice, people.project)
    log(alice, other, datasets=[dataset(context="test")])
    assert LoggedDataset.objects.count() == 1
    inputs, outputs = known(run)
    assert outputs == {}
    (edge,) = inputs["dataset_inputs"]
    assert edge["tags"] == [{"key": "mlflow.data.context", "value": "training"}]
    assert edge["dataset"] == {
        "name": "stars", "digest": "abc", "source_type": "local", "source": "{}",
        "schema": '{"a": "b"}', "profile": "{}",
    }  # fmt: skip
    assert known(other)[0]["dataset_inputs"][0]["tags"][0]["value"] == "test"


def test_of_the_same_dataset_twice_in_a_request_the_first_counts(alice, run):
    log(alice, run, datasets=[dataset(), dataset(context="test"), dataset(digest="def")])
    contexts = DatasetInput.objects.order_by("id").values_list("dataset__digest", "context")
    assert list(contexts) == [("abc", "training"), ("def", "training")]


def test_models_that_a_run_read_and_made_are_edges_that_exist_once(people, alice, run):
    first = logged_model(people, people.project, "1")
    second = logged_model(people, people.project, "2")
    for step in (3, 4):
        log(alice, run, models=[{"model_id": first.model_id}])
        content = {"run_id": run.uuid, "models": [{"model_id": second.model_id, "step": step}]}
        assert alice.post("runs/outputs", content).json() == {}
    assert known(run) == (
        {"model_inputs": [{"model_id": first.model_id}]},
        {"model_outputs": [{"model_id": second.model_id, "step": 4}]},
    )
    assert RunModel.objects.count() == 2


def test_every_change_makes_the_run_newer_and_due_for_its_followers(people, alice, run):
    before = Run.objects.get(pk=run.pk).version
    Run.objects.filter(pk=run.pk).update(dirty=0)
    log(alice, run, datasets=[dataset()])
    after = Run.objects.get(pk=run.pk)
    assert after.version == before + 1
    assert after.dirty & Run.Dirty.LABELS


def test_saved_models_are_added_to_the_history_that_older_clients_read(alice, run):
    model = {
        "artifact_path": "model",
        "flavors": {"sklearn": {"config": {"secret": 1}, "version": "1"}, "python_function": {}},
        "utc_time_created": "2024-01-01",
        "run_id": run.uuid,
        "signature": "large",
    }
    for name in ("model", "other", "other"):
        content = {"run_id": run.uuid, "model_json": json.dumps({**model, "artifact_path": name})}
        assert alice.post("runs/log-model", content).json() == {}
    tag = RunTag.objects.get(run=run, key__name="mlflow.log-model.history")
    history = json.loads(tag.value)
    assert [one["artifact_path"] for one in history] == ["model", "other"]
    assert history[0]["flavors"] == {"sklearn": {"version": "1"}, "python_function": {}}
    assert "signature" not in history[0]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"artifact_path": "a"}', "[" * 10_000, 5])
def test_a_saved_model_that_cannot_be_read_is_refused(alice, run, text):
    answer = alice.post("runs/log-model", {"run_id": run.uuid, "model_json": text})
    assert answer.status_code == 400, answer.content
    assert not RunTag.objects.filter(run=run).exists()


@pytest.mark.parametrize(
    "content",
    [
        {"datasets": "x"},
        {"datasets": [{}]},
        {"datasets": [{"dataset": {"name": "a"}}]},
        {"datasets": [dataset(name=5)]},
        {"datasets": [dataset(name="x" * 501)]},
        {"datasets": [dataset(digest="x" * 37)]},
        {"datasets": [dataset(source="x" * 65_536)]},
        {"datasets": [dataset(schema="x" * 1_048_576)]},
        {"datasets": [dataset(context="x" * 501)]},
        {"datasets": [dataset(name="a\0b")]},
        {"datasets": [{**dataset(), "tags": [{"key": "x" * 256, "value": ""}]}]},
        {"datasets": [{**dataset(), "tags": [{"value": "x"}]}]},
        {"datasets": [dataset(digest=str(number)) for number in range(1_001)]},
        {"models": [{}]},
    ],
)
def test_inputs_that_cannot_be_are_refused_and_nothing_is_kept(alice, run, content):
    good = [dataset(name="good")] if isinstance(content.get("datasets"), list) else []
    content = {**content, "datasets": good + content["datasets"]} if good else content
    answer = log(alice, run, **content)
    assert answer.status_code == 400, answer.content
    assert LoggedDataset.objects.count() == 0


def test_a_model_that_is_not_here_or_of_another_project_is_not_found(people, alice, run):
    elsewhere = project_of((people.alice, "editor"), name="Moons")
    theirs = logged_model(people, elsewhere)
    for model_id in (theirs.model_id, "m-unknown"):
        answer = log(alice, run, datasets=[dataset()], models=[{"model_id": model_id}])
        assert (answer.status_code, "not found" in answer.json()["message"]) == (404, True)
    assert DatasetInput.objects.count() == 0
    answer = alice.post("runs/outputs", {"run_id": run.uuid, "models": []})
    assert answer.status_code == 400


def calls(client, run):
    model = {"artifact_path": "a", "flavors": {}, "utc_time_created": "", "run_id": ""}
    return [
        log(client, run, datasets=[dataset()]).status_code,
        client.post(
            "runs/outputs", {"run_id": run.uuid, "models": [{"model_id": "m-0"}]}
        ).status_code,
        client.post(
            "runs/log-model", {"run_id": run.uuid, "model_json": json.dumps(model)}
        ).status_code,
    ]


def test_roles_hold_for_what_runs_read_and_made(people, run):
    assert calls(ProtocolClient(people.alice), run) == [200, 404, 200]
    assert calls(ProtocolClient(people.bob), run) == [403, 403, 403]
    assert calls(ProtocolClient(people.charlie), run) == [404, 404, 404]
    assert calls(ProtocolClient(people.alice, scope="read"), run) == [403, 403, 403]
    assert calls(ProtocolClient(), run) == [401, 401, 401]


def test_a_deleted_run_takes_nothing(alice, run):
    Run.objects.filter(pk=run.pk).update(lifecycle="deleted")
    answer = log(alice, run, datasets=[dataset()])
    assert answer.status_code == 400
    assert f"The run {run.uuid} must be in" in answer.json()["message"]
    answer = log(alice, Run(uuid="f" * 32), datasets=[dataset()])
    assert (answer.status_code, "not found" in answer.json()["message"]) == (404, True)


def test_datasets_of_experiments_are_listed_with_their_roles(people, alice, run):
    log(alice, run, datasets=[dataset(), dataset(digest="def", context="test")])
    other = new_run(people.alice, people.project)
    log(alice, other, datasets=[dataset(), dataset(digest="def", context="")])
    number = str(run.experiment_id)
    address = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    listed = alice.post(address, {"experiment_ids": [number, "99999"]}).json()["dataset_summaries"]
    shown = [(one["digest"], one.get("context")) for one in listed]
    assert shown == [("abc", "training"), ("def", None), ("def", "test")]
    assert listed[0] == {
        "experiment_id": number, "name": "stars", "digest": "abc", "context": "training",
    }  # fmt: skip
    assert ProtocolClient(people.bob).post(address, {"experiment_ids": [number]}).json() != {}
    assert ProtocolClient(people.charlie).post(address, {"experiment_ids": [number]}).json() == {}
    for bad in ([], ["x"], [number] * 21, "5", [5]):
        assert alice.post(address, {"experiment_ids": bad}).status_code == 400


def test_edges_of_many_runs_cost_two_queries(people, alice, django_assert_num_queries):
    runs = [new_run(people.alice, people.project) for _ in range(6)]
    for number, one in enumerate(runs):
        log(alice, one, datasets=[dataset(digest=str(number % 2))])
    with django_assert_num_queries(0):
        found = inputs_and_outputs(Database.of_django(), [one.pk for one in runs])
    assert len(found) == 6
