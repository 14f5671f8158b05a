"""Logged models through the protocol: shapes, params, tags, status, deletion, search, access."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments.models import Experiment, LoggedModel, LoggedModelMetric
from experiments.tracking.operations import LogBatch, ModelPoint
from platform_site.events.models import Event
from tests.experiments.protocol_help import ProtocolClient
from tests.experiments.tracking_help import caller, experiment_of, new_run, write

pytestmark = pytest.mark.django_db
PATH = "logged-models"


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def experiment(people):
    return experiment_of(people.project)


def made(client, experiment, **more):
    answer = client.post(PATH, {"experiment_id": str(experiment.pk), "name": "net", **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["model"]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.content
    return answer.json()["message"]


def test_a_new_model_waits_for_its_files(alice, people, experiment):
    run = new_run(people.alice, people.project)
    model = made(
        alice,
        experiment,
        model_type="sklearn",
        source_run_id=run.uuid,
        params=[{"key": "depth", "value": "3"}],
        tags=[{"key": "team", "value": "stars"}],
    )
    info = model["info"]
    stamps = info.pop("creation_timestamp_ms"), info.pop("last_updated_timestamp_ms")
    assert stamps[0] == stamps[1]
    model_id = info.pop("model_id")
    assert model_id.startswith("m-")
    assert len(model_id) == 34
    assert model == {
        "info": {
            "experiment_id": str(experiment.pk),
            "name": "net",
            "artifact_uri": f"mlflow-artifacts:/{experiment.pk}/models/{model_id}/artifacts",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": "sklearn",
            "source_run_id": run.uuid,
            "tags": [{"key": "team", "value": "stars"}],
        },
        "data": {"params": [{"key": "depth", "value": "3"}]},
    }
    assert LoggedModel.objects.get().source_run_id == run.pk
    told = Event.objects.filter(kind="logged_model.changed").values_list("topic__key", flat=True)
    assert sorted(told) == [f"project:{people.project.pk}", f"run:{run.uuid}"]


def test_a_missing_name_is_made_up_and_names_need_not_differ(alice, experiment):
    for more in ({}, {"name": ""}):
        answer = alice.post(PATH, {"experiment_id": str(experiment.pk), **more})
        assert answer.json()["model"]["info"]["name"].count("-") == 2
    assert (
        made(alice, experiment)["info"]["model_id"] != made(alice, experiment)["info"]["model_id"]
    )


@pytest.mark.parametrize("name", [" ", "a/b", "a:b", "a.b", "a%b", 'a"b', "a'b", "x" * 501])
def test_names_that_would_break_an_address_are_400(alice, experiment, name):
    answer = alice.post(PATH, {"experiment_id": str(experiment.pk), "name": name})
    refused(answer, 400, "INVALID_PARAMETER_VALUE")


def test_the_experiment_must_be_there_and_active(alice, experiment):
    Experiment.objects.filter(pk=experiment.pk).update(lifecycle="deleted")
    for number, status in (
        (str(experiment.pk), 400),
        ("987654", 404),
        ("9" * 30, 404),
        ("x", 400),
        ("", 400),
    ):
        answer = alice.post(PATH, {"experiment_id": number, "name": "net"})
        assert answer.status_code == status, answer.content
    message = refused(alice.post(PATH, {"experiment_id": 5}), 400, "INVALID_PARAMETER_VALUE")
    assert "Invalid value 5 for parameter 'experiment_id' supplied" in message


@pytest.mark.parametrize(("status", "word"), [("LOGGED_MODEL_READY", "READY"), (2, "READY"), (3, "UPLOAD_FAILED"), ("LOGGED_MODEL_UPLOAD_FAILED", "UPLOAD_FAILED")])  # fmt: skip
def test_saving_ends_ready_or_failed_and_may_be_said_again(alice, experiment, status, word):
    model_id = made(alice, experiment)["info"]["model_id"]
    for _ in range(2):
        answer = alice.patch(f"{PATH}/{model_id}", {"model_id": model_id, "status": status})
        assert answer.json()["model"]["info"]["status"] == f"LOGGED_MODEL_{word}"
    for wrong in ("LOGGED_MODEL_PENDING", "READY", 9, 1):
        answer = alice.patch(f"{PATH}/{model_id}", {"model_id": model_id, "status": wrong})
        refused(answer, 400, "INVALID_PARAMETER_VALUE")
    refused(alice.patch(f"{PATH}/{model_id}", {}), 400, "INVALID_PARAMETER_VALUE")


def test_a_deleted_model_is_only_found_when_asked_for(alice, experiment):
    model_id = made(alice, experiment)["info"]["model_id"]
    for _ in range(2):
        assert alice.delete(f"{PATH}/{model_id}").json() == {}
    for method, path, body in (
        (alice.get, "", {}),
        (alice.patch, "", {"status": "LOGGED_MODEL_READY"}),
        (alice.patch, "/tags", {"tags": []}),
        (alice.delete, "/tags/k", {}),
        (alice.post, "/params", {"params": []}),
    ):
        message = refused(method(f"{PATH}/{model_id}{path}", body), 404, "RESOURCE_DOES_NOT_EXIST")
        assert "not found" in message
    for flag in ("true", "True"):
        kept = alice.get(f"{PATH}/{model_id}", {"allow_deleted": flag})
        assert kept.json()["model"]["info"]["model_id"] == model_id
    assert alice.post(f"{PATH}/search", {"experiment_ids": [str(experiment.pk)]}).json() == {}


def test_tags_change_and_an_absent_one_is_404(alice, experiment):
    model_id = made(alice, experiment, tags=[{"key": "a", "value": "1"}])["info"]["model_id"]
    tags = [{"key": "a", "value": "2"}, {"key": "b/c", "value": ""}]
    answer = alice.patch(f"{PATH}/{model_id}/tags", {"tags": tags})
    assert answer.json() == {}
    assert alice.get(f"{PATH}/{model_id}").json()["model"]["info"]["tags"] == tags
    assert alice.delete(f"{PATH}/{model_id}/tags/b%2Fc").json() == {}
    message = refused(alice.delete(f"{PATH}/{model_id}/tags/b%2Fc"), 404, "RESOURCE_DOES_NOT_EXIST")
    assert "No tag with key" in message


def test_params_are_written_once(alice, experiment):
    model_id = made(alice, experiment, params=[{"key": "a", "value": "1"}])["info"]["model_id"]

    def log(*pairs):
        params = [{"key": key, "value": value} for key, value in pairs]
        return alice.post(f"{PATH}/{model_id}/params", {"model_id": model_id, "params": params})

    assert log(("a", "1"), ("b", "2"), ("b", "2"), ("c", "x" * 7000)).json() == {}
    assert log(("b", "2"), ("c", "x" * 7000)).json() == {}
    refused(log(("d", "1"), ("b", "3")), 400, "INVALID_PARAMETER_VALUE")
    refused(log(("e", "1"), ("e", "2")), 400, "INVALID_PARAMETER_VALUE")
    model = alice.get(f"{PATH}/{model_id}").json()["model"]
    found = {one["key"]: one["value"] for one in model["data"]["params"]}
    assert found == {"a": "1", "b": "2", "c": "x" * 6000}


def test_points_about_a_model_are_its_metrics(alice, people, experiment):
    run = new_run(people.alice, people.project)
    model_id = made(alice, experiment)["info"]["model_id"]
    points = [
        ModelPoint(model_id, "loss", 1, 1000, 0.5, "train", "abc"),
        ModelPoint(model_id, "loss", 2, 2000, float("nan")),
    ]
    batch = LogBatch(run.uuid, caller(people.alice), model_metrics=points)
    write(batch)
    write(batch)
    metrics = alice.get(f"{PATH}/{model_id}").json()["model"]["data"]["metrics"]
    assert metrics == [
        {"key": "loss", "value": 0.5, "timestamp": 1000, "step": 1, "model_id": model_id,
         "run_id": run.uuid, "dataset_name": "train", "dataset_digest": "abc"},
        {"key": "loss", "value": "NaN", "timestamp": 2000, "step": 2, "model_id": model_id,
         "run_id": run.uuid},
    ]  # fmt: skip


def test_an_answer_holds_the_newest_thousand_points(alice, people, experiment):
    run = new_run(people.alice, people.project)
    model_id = made(alice, experiment)["info"]["model_id"]
    model = LoggedModel.objects.get(model_id=model_id)
    LoggedModelMetric.objects.bulk_create(
        LoggedModelMetric(model=model, run=run, key="loss", step=step, timestamp_ms=1, value=1.0)
        for step in range(1100)
    )
    metrics = alice.get(f"{PATH}/{model_id}").json()["model"]["data"]["metrics"]
    assert [metrics[0]["step"], metrics[-1]["step"], len(metrics)] == [100, 1099, 1000]


def test_models_are_searched_sorted_and_paged(alice, experiment):
    for name, depth in (("a", "1"), ("b", "2"), ("c", "3")):
        made(alice, experiment, name=name, params=[{"key": "depth", "value": depth}])

    def names(**asked):
        body = {"experiment_ids": [str(experiment.pk)], **asked}
        answer = alice.post(f"{PATH}/search", body)
        assert answer.status_code == 200, answer.content
        return [one["info"]["name"] for one in answer.json().get("models", [])]

    by_name = [{"field_name": "name", "ascending": False}]
    assert names(order_by=by_name) == ["c", "b", "a"]
    assert names(filter="params.depth = '2'") == ["b"]
    assert names(filter="name = 'none'") == []
    body = {"experiment_ids": [str(experiment.pk)], "max_results": 2, "order_by": by_name}
    first = alice.post(f"{PATH}/search", body).json()
    rest = alice.post(f"{PATH}/search", {**body, "page_token": first["next_page_token"]}).json()
    found = [one["info"]["name"] for one in first["models"] + rest["models"]]
    assert found == ["c", "b", "a"]
    assert "next_page_token" not in rest
    for wrong in ({"filter": "bogus = 'x'"}, {"page_token": "x"}, {"max_results": 0}, {"order_by": [{"field_name": "x"}]}, {"experiment_ids": None}, {"experiment_ids": ["x"]}):  # fmt: skip
        answer = alice.post(f"{PATH}/search", {"experiment_ids": [str(experiment.pk)], **wrong})
        refused(answer, 400, "INVALID_PARAMETER_VALUE")


def test_a_search_needs_no_more_queries_for_more_models(alice, experiment):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            answer = alice.post(f"{PATH}/search", {"experiment_ids": [str(experiment.pk)]})
        assert answer.status_code == 200
        return len(seen)

    pairs = [{"key": "k", "value": "v"}]
    for _ in range(2):
        made(alice, experiment, params=pairs, tags=pairs)
    before = queries()
    for _ in range(6):
        made(alice, experiment, params=pairs, tags=pairs)
    assert queries() == before <= 12


def test_fields_that_no_client_may_set_are_ignored(alice, people, experiment):
    body = {"model_id": "m-" + "0" * 32, "status": "LOGGED_MODEL_READY", "created_by": 1, "lifecycle": "deleted",
            "artifact_uri": "file:///etc", "creation_timestamp_ms": 1, "id": 7}  # fmt: skip
    info = made(alice, experiment, **body)["info"]
    assert info["model_id"] != body["model_id"]
    assert info["status"] == "LOGGED_MODEL_PENDING"
    assert info["artifact_uri"].startswith("mlflow-artifacts:/")
    assert LoggedModel.objects.get().created_by == people.alice


def test_every_route_asks_who_is_calling(alice, people, experiment):
    model_id = made(alice, experiment, tags=[{"key": "k", "value": "v"}])["info"]["model_id"]
    number = str(experiment.pk)
    routes = [
        ("get", f"{PATH}/{model_id}", {}, 200),
        ("post", f"{PATH}/search", {"experiment_ids": [number]}, 200),
        ("post", PATH, {"experiment_id": number}, 403),
        ("patch", f"{PATH}/{model_id}", {"status": "LOGGED_MODEL_READY"}, 403),
        ("patch", f"{PATH}/{model_id}/tags", {"tags": [{"key": "x", "value": "y"}]}, 403),
        ("delete", f"{PATH}/{model_id}/tags/k", {}, 403),
        ("post", f"{PATH}/{model_id}/params", {"params": [{"key": "p", "value": "1"}]}, 403),
        ("delete", f"{PATH}/{model_id}", {}, 403),
    ]
    callers = {
        "bob": ProtocolClient(people.bob),
        "reader": ProtocolClient(people.alice, scope="read"),
        "charlie": ProtocolClient(people.charlie),
        "nobody": ProtocolClient(),
    }
    for method, path, body, for_readers in routes:
        for name, client in callers.items():
            answer = getattr(client, method)(path, body)
            expected = {"charlie": 404, "nobody": 401}.get(name, for_readers)
            if name == "charlie" and path.endswith("search"):
                assert answer.json() == {}
                continue
            assert answer.status_code == expected, (name, method, path, answer.content)
        unknown = getattr(callers["charlie"], method)(path.replace(model_id, "m-" + "1" * 32), body)
        same = getattr(callers["charlie"], method)(path, body)
        assert json.dumps(unknown.json()).replace("m-" + "1" * 32, model_id) == json.dumps(
            same.json()
        )
    for method, path, body, _ in routes:
        assert getattr(alice, method)(path, body).status_code == 200, (method, path)
