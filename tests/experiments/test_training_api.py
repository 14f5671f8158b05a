"""API of training jobs through HTTP: start, list, look, control, logs, result, predictions."""

import json

import pytest

from experiments.models import Run
from experiments.training.specs import CATALOGUE
from tests.experiments.dataset_help import do_job, ready_version
from tests.experiments.training_help import finished_run, queued_run, stars_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

JOBS = "/api/v1/ml-platform/training-jobs/"


def send(client, method, path, body):
    return getattr(client, method)(path, body, content_type="application/json")


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


def wanted(data, **changes):
    return {
        "dataset": data.dataset_id, "target": "kind", "model_type": "decision_tree",
        "hyperparameters": {"max_depth": 3}, "exclude": ["mass"], **changes,
    }  # fmt: skip


def test_the_catalogue_lists_every_model_type_with_its_schema(people, as_user):
    answer = as_user(people.bob).get("/api/v1/ml-platform/model-types/").json()
    assert {row["name"] for row in answer["results"]} == set(CATALOGUE)
    tree = next(row for row in answer["results"] if row["name"] == "decision_tree")
    assert "max_depth" in json.dumps(tree)


def test_a_training_is_started_followed_and_read_to_its_end(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    client = as_user(people.alice)
    started = send(client, "post", JOBS, wanted(version, name="first", seed=3))
    assert (started.status_code, started.json()["status"]) == (202, "queued")
    path = f"{JOBS}{started.json()['id']}/"
    run = Run.objects.get(uuid=started.json()["run"])
    for part in ("result/", "predictions/"):
        early = client.get(path + part)
        assert early.status_code == 409
        assert "queued" in early.content.decode()
    do_job(run.job)
    state = client.get(path).json()
    assert (state["status"], state["error"]) == ("completed", None)
    assert (state["name"], state["seed"], state["task"]) == ("first", 3, "classification")
    assert 0.5 < state["metrics"]["accuracy"] <= 1
    result = client.get(f"{path}result/").json()
    assert result["metrics"]["accuracy"]["value"] == state["metrics"]["accuracy"]
    assert {"low", "high", "baseline", "higher_is_better"} < set(result["metrics"]["accuracy"])
    lines = client.get(f"{path}logs/?limit=2").json()
    assert [line["n"] for line in lines["lines"]] == [1, 2]
    more = client.get(f"{path}logs/?after={lines['next']}").json()
    assert more["lines"][0]["n"] == 3
    assert client.get(f"{path}curves/").json()["curves"] is not None
    listing = client.get(f"{JOBS}?search=first&status=completed").json()
    assert [row["id"] for row in listing["results"]] == [run.job_id]
    assert client.get(f"{JOBS}?status=failed").json()["results"] == []


def test_predictions_are_filtered_sorted_and_downloaded(people, as_user):
    run = finished_run(people)
    client = as_user(people.bob)
    path = f"{JOBS}{run.job_id}/predictions/"
    page = client.get(f"{path}?limit=3&sort=-confidence").json()
    assert page["count"] == 30
    confidences = [row["confidence"] for row in page["results"]]
    assert len(confidences) == 3
    assert confidences == sorted(confidences, reverse=True)
    assert page["results"][0]["reasons"][0].keys() >= {"feature", "value", "contribution", "text"}
    wrong = client.get(f"{path}?correct=false&has_reasons=true").json()["results"]
    assert all(row["actual"] != row["prediction"] for row in wrong)
    assert client.get(f"{path}?sort=secret").status_code == 422
    assert client.get(f"{path}?min_confidence=x").status_code == 422
    lines = read(client.get(f"{path}file/?as=csv&row={page['results'][0]['row']}")).splitlines()
    assert len(lines) == 2
    assert as_user(people.charlie).get(f"{path}file/").status_code == 404


def test_what_cannot_work_is_refused_by_field(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    client = as_user(people.alice)
    for changes, status, says in (
        ({"target": "nothing"}, 400, "nothing"),
        ({"model_type": "oracle"}, 400, "model_type"),
        ({"hyperparameters": {"max_depth": "deep"}}, 400, "max_depth"),
        ({"dataset": 2**62}, 404, "No such dataset"),
        ({"version": 9}, 400, "no version 9"),
        ({"seed": -1}, 400, "seed"),
        ({"colour": "red"}, 400, "colour"),
        ({"time_limit_s": 0}, 400, "time_limit_s"),
    ):
        answer = send(client, "post", JOBS, wanted(version, **changes))
        assert answer.status_code == status, (changes, answer.content)
        assert says in answer.content.decode(), changes
    assert not Run.objects.exists()


def test_strangers_find_nothing_and_viewers_control_nothing(people, as_user):
    run = queued_run(people)
    path = f"{JOBS}{run.job_id}/"
    bob, charlie = as_user(people.bob), as_user(people.charlie)
    for part in ("", "logs/", "result/", "curves/", "predictions/", "predictions/file/"):
        assert charlie.get(path + part).status_code == 404, part
    assert charlie.get(JOBS).json()["results"] == []
    assert bob.get(path).status_code == 200
    for client, status in ((bob, 403), (charlie, 404)):
        assert send(client, "post", f"{path}control/", {"action": "stop"}).status_code == status
        assert send(client, "patch", path, {"name": "mine"}).status_code == status
        body = wanted(run.dataset_version)
        assert send(client, "post", JOBS, body).status_code == status
    assert Run.objects.get().status == "queued"


def test_a_job_is_renamed_moved_paused_resumed_and_stopped(people, as_user):
    run = queued_run(people)
    client = as_user(people.alice)
    path = f"{JOBS}{run.job_id}/"
    changed = send(client, "patch", path, {"name": "new", "priority": 7}).json()
    assert (changed["name"], changed["priority"]) == ("new", 7)
    for action, status in (("pause", "paused"), ("resume", "queued"), ("stop", "stopped")):
        answer = send(client, "post", f"{path}control/", {"action": action})
        assert (answer.status_code, answer.json()["status"]) == (202, status)
    refused = send(client, "post", f"{path}control/", {"action": "pause"})
    assert refused.status_code == 409
    assert send(client, "post", f"{path}control/", {"action": "explode"}).status_code == 400
    assert send(client, "patch", path, {"name": ""}).status_code == 400
