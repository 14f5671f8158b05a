"""API of registered models: list, register, look, change, predict rows and files, download."""

import hashlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry.models import PredictionBatch
from registry.services.versions import register_run
from tests.experiments.dataset_help import do_job
from tests.experiments.training_help import finished_run, stars_csv
from tests.people import project_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

MODELS = "/api/v1/ml-platform/models/"
VERSION = f"{MODELS}stars/versions/1/"
ROW = {"size": 9.0, "depth": 1.5, "colour": "red", "hot": True}


def send(client, method, path, body):
    return getattr(client, method)(path, body, content_type="application/json")


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


def registered(people):
    return register_run(run=finished_run(people), name="stars", by=people.alice)


def test_a_run_is_registered_listed_shown_and_changed(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    made = send(client, "post", MODELS, {"run": run.uuid, "name": "stars", "description": "d"})
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["version"], body["run"]) == ("stars", 1, run.uuid)
    assert (body["dataset"], body["dataset_version"]) == (run.dataset_version.dataset_id, 1)
    assert {column["name"] for column in body["input_schema"]} == set(ROW)
    listing = client.get(f"{MODELS}?search=sta").json()
    assert [model["name"] for model in listing["results"]] == ["stars"]
    assert [one["version"] for one in listing["results"][0]["versions"]] == [1]
    assert client.get(f"{MODELS}?search=moon").json()["results"] == []
    assert client.get(f"{MODELS}stars/versions/").json()["results"][0]["sha256"] == body["sha256"]
    changed = send(client, "patch", f"{MODELS}stars/", {"description": "new"})
    assert changed.json()["description"] == "new"
    assert send(client, "patch", VERSION, {"card": "# x"}).json()["card"] == "# x"
    assert send(client, "patch", VERSION, {"sha256": "0" * 64}).status_code == 400
    file = client.get(f"{VERSION}file/")
    assert hashlib.sha256(read(file)).hexdigest() == body["sha256"]


def test_strangers_find_nothing_and_viewers_change_nothing(people, as_user):
    version = registered(people)
    bob, charlie = as_user(people.bob), as_user(people.charlie)
    for path in (f"{MODELS}stars/", f"{MODELS}stars/versions/", VERSION, f"{VERSION}file/",
                 f"{VERSION}predictions/"):  # fmt: skip
        assert bob.get(path).status_code == 200, path
        assert charlie.get(path).status_code == 404, path
    assert charlie.get(MODELS).json()["results"] == []
    assert send(charlie, "post", f"{VERSION}predict/", {"rows": [ROW]}).status_code == 404
    assert send(bob, "patch", f"{MODELS}stars/", {"description": "x"}).status_code == 403
    assert send(bob, "patch", VERSION, {"card": "x"}).status_code == 403
    body = {"run": version.run.uuid, "name": "mine"}
    assert send(bob, "post", MODELS, body).status_code == 403
    assert send(charlie, "post", MODELS, body).status_code == 404
    upload = {"file": SimpleUploadedFile("a.csv", stars_csv(3))}
    assert bob.post(f"{VERSION}predict/", upload).status_code == 403


def test_a_name_in_two_of_ones_projects_must_be_told_apart(people, as_user):
    registered(people)
    other = project_of((people.alice, "editor"), name="Moons")
    from types import SimpleNamespace

    there = SimpleNamespace(alice=people.alice, project=other)
    register_run(run=finished_run(there, name="Moon stars"), name="stars", by=people.alice)
    client = as_user(people.alice)
    ambiguous = client.get(f"{MODELS}stars/")
    assert ambiguous.status_code == 409
    assert "several of your projects" in ambiguous.content.decode().lower()
    for project in (people.project, other):
        answer = client.get(f"{MODELS}stars/?project={project.pk}")
        assert answer.json()["project"] == project.pk


def test_typed_rows_are_predicted_at_once_with_reasons_on_wish(people, as_user):
    registered(people)
    client = as_user(people.bob)
    answer = send(client, "post", f"{VERSION}predict/", {"rows": [ROW, {**ROW, "size": 0.2}]})
    assert answer.status_code == 200
    assert [one["prediction"] for one in answer.json()["predictions"]] == ["giant", "=dwarf"]
    assert "reasons" not in answer.json()["predictions"][0]
    why = send(client, "post", f"{VERSION}predict/", {"rows": [ROW], "explain": True}).json()
    assert why["predictions"][0]["reasons"][0]["feature"] == "size"
    shuffled = dict(reversed(ROW.items()))
    again = send(client, "post", f"{VERSION}predict/", {"rows": [shuffled]}).json()
    assert again["predictions"][0]["prediction"] == "giant"


MISFITS = [
    ({"rows": []}, 400, "rows"),
    ({"rows": [{"size": 1}]}, 422, "Missing columns: depth, colour, hot"),
    ({"rows": [{**ROW, "mas": 1}]}, 422, "Unknown columns: mas"),
    ({"rows": [{**ROW, "size": "big"}]}, 422, "'big' is not a number"),
    ({"rows": [7]}, 400, "rows"),
    ({"rows": [ROW], "reasons": True}, 400, "reasons"),
    ({"rows": [ROW] * 21, "explain": True}, 400, "1 to 20 rows"),
    ({"rows": [ROW] * 1001}, 400, "rows"),
]


def test_rows_that_do_not_fit_are_refused_by_name(people, as_user):
    registered(people)
    client = as_user(people.alice)
    for body, status, says in MISFITS:
        answer = send(client, "post", f"{VERSION}predict/", body)
        assert answer.status_code == status, answer.content
        assert says in answer.content.decode()


def test_a_file_is_predicted_as_a_job_and_downloaded(people, as_user):
    registered(people)
    client = as_user(people.alice)
    upload = {"file": SimpleUploadedFile("new.csv", stars_csv(12, seed=2))}
    started = client.post(f"{VERSION}predict/", upload)
    assert (started.status_code, started.json()["status"]) == (202, "queued")
    batch = PredictionBatch.objects.get(pk=started.json()["id"])
    path = f"/api/v1/ml-platform/predictions/{batch.pk}/"
    assert client.get(f"{path}result/").status_code == 409
    do_job(batch.job)
    state = client.get(path).json()
    assert (state["status"], state["n_rows"], state["progress"]) == ("completed", 12, 100.0)
    assert read(client.get(f"{path}result/"))[:4] == b"PAR1"
    assert read(client.get(f"{path}result/?as=csv")).startswith(b'"row","prediction"')
    assert [one["id"] for one in client.get(f"{VERSION}predictions/").json()["results"]] == [
        batch.pk
    ]
    assert as_user(people.charlie).get(path).status_code == 404
    two = {"file": [SimpleUploadedFile("a.csv", b"a"), SimpleUploadedFile("b.csv", b"b")]}
    assert client.post(f"{VERSION}predict/", two).status_code == 400
