"""Model versions of clients of the protocol: sources, numbers, files, deletion, who may do what."""

import json
import threading

import pytest
from django.db import connections

from experiments.models import FrozenFolder, LoggedModelTag
from experiments.tracking.operations import CreateRun
from platform_site.events.models import Event
from registry.models import ModelVersion, RegisteredModel
from registry.services.predictions import PredictionFile, start_batch
from registry.services.versions import register_run
from tests.experiments.protocol_help import ProtocolClient
from tests.experiments.tracking_help import caller, experiment_of, new_run, write
from tests.experiments.training_help import finished_run
from tests.people import project_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_store")]
CREATE = "model-versions/create"
WORKSPACE = "X-MLFLOW-WORKSPACE"


@pytest.fixture
def alice(people):
    client = ProtocolClient(people.alice)
    client.post("registered-models/create", {"name": "stars"})
    return client


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def logged_model(client, people, **more):
    body = {"experiment_id": str(experiment_of(people.project).pk), "name": "net", **more}
    return client.post("logged-models", body).json()["model"]["info"]


def made(client, source, **more):
    answer = client.post(CREATE, {"name": "stars", "source": source, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["model_version"]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.content
    return answer.json()["message"]


def test_a_version_has_what_it_was_given(alice, people, run):
    version = made(
        alice,
        f"runs:/{run.uuid}/model",
        run_id=run.uuid,
        run_link="https://elsewhere/run",
        description="first",
        tags=[{"key": "k", "value": "1"}, {"key": "k", "value": "2"}],
    )
    stamps = version.pop("creation_timestamp"), version.pop("last_updated_timestamp")
    assert stamps[0] == stamps[1]
    assert version == {
        "name": "stars",
        "version": "1",
        "current_stage": "None",
        "description": "first",
        "source": f"runs:/{run.uuid}/model",
        "run_id": run.uuid,
        "run_link": "https://elsewhere/run",
        "status": "READY",
        "tags": [{"key": "k", "value": "2"}],
    }
    got = alice.get("model-versions/get", {"name": "stars", "version": "1"}).json()
    assert got["model_version"]["description"] == "first"
    where = {"name": "stars", "version": "1"}
    uri = alice.get("model-versions/get-download-uri", where).json()["artifact_uri"]
    folder = f"{run.experiment_id}/{run.uuid}/artifacts/model"
    assert uri == f"mlflow-artifacts:/{folder}"
    assert FrozenFolder.objects.get().prefix == folder
    events = Event.objects.values_list("topic__key", "kind", "data")
    told = {(topic, kind): json.loads(data) for topic, kind, data in events}
    assert told[f"run:{run.uuid}", "run.registered"] == {"model": "stars", "version": 1}
    assert told[f"project:{people.project.pk}", "model.version_changed"] == {
        "name": "stars",
        "version": 1,
        "stage": "None",
    }


@pytest.mark.parametrize(
    "source",
    ["s3://bucket/a/b", "gs://bucket/a", "dbfs:/a/b", "wasbs://c@a/b", "https://host/a/b", "ftp://collector/a",
     "dummy-source", "prompt-template", "http://collector/a?x=1"],
)  # fmt: skip
def test_foreign_sources_are_kept_as_text(alice, source):
    assert made(alice, source)["source"] == source
    where = {"name": "stars", "version": "1"}
    assert alice.get("model-versions/get-download-uri", where).json() == {"artifact_uri": source}
    assert not FrozenFolder.objects.exists()


LOCAL = ["file:///etc", "/etc", "etc/passwd", "./x", "file://./etc", "//proc/self/root", "file:etc",
         "FILE:///etc", "C:\\Windows", "c:/windows", "\\\\host\\share", "%66ile:///etc", "%2566ile:///etc",
         "file:///nosuch", "/nosuch", "%2fetc", " file:///etc", "file://host/etc", "..", "../../etc"]  # fmt: skip
CLIMBING = ["s3://b/../../etc", "http://host/a/../b", "https://h/%2e%2e/%2e%2e/etc", "http:///#/../../../../etc/",
            "http:///?/../../../../etc/", "s3://b/a;/../../etc", "mlflow-artifacts:/../../etc",
            "mlflow-artifacts://host:5000/..%2f..%2fetc", "http://host/a%00", "s3://b/%252e%252e/x",
            "s3://b/..%5c..%5cx", "http://host/api/2.0/mlflow-artifacts/artifacts/../../x",
            "dbfs:/a/..", "s3://b/a\\..\\..\\c", "s3://b/./c"]  # fmt: skip


@pytest.mark.parametrize("tags", [[], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]])
@pytest.mark.parametrize("source", LOCAL)
def test_no_place_on_a_disk_is_a_source_whatever_the_tags(alice, run, source, tags):
    for more in ({}, {"run_id": run.uuid}):
        answer = alice.post(CREATE, {"name": "stars", "source": source, "tags": tags, **more})
        message = refused(answer, 400, "INVALID_PARAMETER_VALUE")
        assert "To use a local path as a model version" in message
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize("source", CLIMBING)
def test_no_source_climbs_out_of_its_place(alice, run, source):
    for more in ({}, {"run_id": run.uuid}):
        message = refused(
            alice.post(CREATE, {"name": "stars", "source": source, **more}),
            400,
            "INVALID_PARAMETER_VALUE",
        )
        assert "If supplying a source as an http, https," in message
    assert not ModelVersion.objects.exists()


def test_the_answer_does_not_tell_whether_a_place_exists(alice):
    bodies = [
        alice.post(CREATE, {"name": "stars", "source": f"file://{path}"}).content.replace(
            path.encode(), b"?"
        )
        for path in ("/etc", "/nosuch")
    ]
    assert bodies[0] == bodies[1]


def test_a_local_source_inside_the_runs_own_local_folder_is_text_as_well(alice, people):
    experiment = experiment_of(people.project, "elsewhere")
    experiment.asked_location = "file:///data/runs"
    experiment.save(update_fields=["asked_location"])
    run = write(CreateRun(experiment.pk, caller(people.alice))).row
    root = f"file:///data/runs/{run.uuid}/artifacts"
    inside = made(alice, f"{root}/model", run_id=run.uuid)
    assert inside["source"] == f"{root}/model"
    for source in (
        f"{root}/../../x",
        "file:///data/runs/other/artifacts/model",
        f"{root}x/model",
        f"{root}/%2e%2e/x",
    ):
        answer = alice.post(CREATE, {"name": "stars", "source": source, "run_id": run.uuid})
        refused(answer, 400, "INVALID_PARAMETER_VALUE")


def test_a_source_in_our_store_lies_inside_the_run_that_is_named(alice, people, run):
    other = new_run(people.alice, people.project)
    root = f"mlflow-artifacts:/{run.experiment_id}/{run.uuid}/artifacts"
    assert made(alice, f"{root}/model", run_id=run.uuid)["run_id"] == run.uuid
    refusals = [
        (f"{root}/model", {}),
        (f"{root}/model", {"run_id": other.uuid}),
        (f"{root}/model", {"run_id": "0" * 32}),
        (f"{root}x/model", {"run_id": run.uuid}),
        (f"mlflow-artifacts:/{run.experiment_id}", {"run_id": run.uuid}),
        (f"mlflow-artifacts://host/{run.experiment_id}/{run.uuid}/artifacts", {"run_id": run.uuid}),
        (f"{root}/model?x=1", {"run_id": run.uuid}),
        ("http://h/api/2.0/mlflow-artifacts/artifacts/x", {"run_id": run.uuid}),
        ("http://collector/API/2.0/../2.0/mlflow-artifacts/artifacts/", {"run_id": run.uuid}),
        (f"runs:/{run.uuid}/model", {}),
        (f"runs:/{run.uuid}/model", {"run_id": other.uuid}),
        (f"runs://host/{run.uuid}/model", {"run_id": run.uuid}),
        ("runs:/", {"run_id": run.uuid}),
        (f"runs:/{run.uuid}/model", {"run_id": run.uuid, "model_id": "m-" + "0" * 32}),
    ]
    for source, more in refusals:
        answer = alice.post(CREATE, {"name": "stars", "source": source, **more})
        message = refused(answer, 400, "INVALID_PARAMETER_VALUE")
        assert "Invalid model version source" in message
    assert ModelVersion.objects.count() == 1


def test_a_logged_model_becomes_a_version_and_says_so(alice, people, run):
    model = logged_model(alice, people, source_run_id=run.uuid)
    first = made(alice, f"models:/{model['model_id']}", model_id=model["model_id"])
    assert (first["run_id"], first["model_id"]) == (run.uuid, model["model_id"])
    where = {"name": "stars", "version": "1"}
    uri = alice.get("model-versions/get-download-uri", where).json()["artifact_uri"]
    assert uri == model["artifact_uri"]
    made(alice, f"{model['artifact_uri']}", model_id=model["model_id"])

    def mentions():
        tag = LoggedModelTag.objects.filter(key="mlflow.modelVersions").first()
        return None if tag is None else json.loads(tag.value)

    assert mentions() == [{"name": "stars", "version": 1}, {"name": "stars", "version": 2}]
    # Clients add the same entry once more, the number as a text.
    tag = LoggedModelTag.objects.get(key="mlflow.modelVersions")
    tag.value = json.dumps([*mentions(), {"name": "stars", "version": "1"}, "odd"])
    tag.save()
    alice.post("registered-models/rename", {"name": "stars", "new_name": "suns"})
    assert mentions() == ["odd", {"name": "suns", "version": 1}, {"name": "suns", "version": 2}]
    assert FrozenFolder.objects.count() == 2
    alice.delete("model-versions/delete", {"name": "suns", "version": "1"})
    assert mentions() == ["odd", {"name": "suns", "version": 2}]
    assert FrozenFolder.objects.count() == 1
    alice.delete("registered-models/delete", {"name": "suns"})
    assert mentions() == ["odd"]
    assert not FrozenFolder.objects.exists()


def test_a_source_of_another_logged_model_is_refused(alice, people):
    one, two = logged_model(alice, people), logged_model(alice, people)
    gone = logged_model(alice, people)
    alice.delete(f"logged-models/{gone['model_id']}")
    for source, model_id in (
        (f"models:/{one['model_id']}", two["model_id"]),
        (f"models:/{gone['model_id']}", gone["model_id"]),
        ("models:/m-" + "0" * 32, ""),
        (one["artifact_uri"], two["model_id"]),
        (one["artifact_uri"], ""),
        (f"models://host/{one['model_id']}", one["model_id"]),
        ("models:/stars", ""),
        ("models:/stars/1/2", ""),
        ("models:/", ""),
    ):
        body = {"name": "stars", "source": source, "model_id": model_id}
        refused(alice.post(CREATE, body), 400, "INVALID_PARAMETER_VALUE")


def test_a_version_is_copied_by_number_alias_and_latest(alice, people, run):
    made(alice, f"runs:/{run.uuid}/model", run_id=run.uuid)
    alice.post("registered-models/alias", {"name": "stars", "alias": "best", "version": "1"})
    alice.post("registered-models/create", {"name": "copies"})
    for number, source in enumerate(
        ("models:/stars/1", "models:/stars@best", "models:/stars/latest"), 1
    ):
        answer = alice.post(CREATE, {"name": "copies", "source": source})
        version = answer.json()["model_version"]
        assert (version["version"], version["source"]) == (str(number), "models:/stars/1")
        assert version["run_id"] == run.uuid
    for source in ("models:/stars/9", "models:/none/1", "models:/stars/Archived"):
        answer = alice.post(CREATE, {"name": "copies", "source": source})
        refused(answer, 404, "RESOURCE_DOES_NOT_EXIST")
    wrong = {"name": "copies", "source": "models:/stars/1", "run_id": "0" * 32}
    refused(alice.post(CREATE, wrong), 400, "INVALID_PARAMETER_VALUE")
    alice.post(
        "registered-models/set-tag",
        {"name": "stars", "key": "mlflow.prompt.is_prompt", "value": "true"},
    )
    prompt = alice.post(CREATE, {"name": "copies", "source": "models:/stars/1"})
    refused(prompt, 400, "INVALID_PARAMETER_VALUE")


def test_a_run_that_the_project_does_not_have_is_a_name_and_no_more(alice, people):
    elsewhere = new_run(people.alice, project_of((people.alice, "editor"), name="Moons"))
    for run_id in (elsewhere.uuid, "0" * 32, "some_run"):
        source = f"runs:/{run_id}/model"
        version = made(alice, source, run_id=run_id)
        assert version["run_id"] == run_id
        where = {"name": "stars", "version": version["version"]}
        uri = alice.get("model-versions/get-download-uri", where).json()["artifact_uri"]
        assert uri == source
    assert not ModelVersion.objects.exclude(run=None).exists()
    assert not FrozenFolder.objects.exists()
    root = f"mlflow-artifacts:/{elsewhere.experiment_id}/{elsewhere.uuid}/artifacts"
    body = {"name": "stars", "source": root, "run_id": elsewhere.uuid}
    refused(alice.post(CREATE, body), 400, "INVALID_PARAMETER_VALUE")


def test_a_number_is_never_given_twice(alice):
    for _ in range(3):
        made(alice, "s3://b/m")
    alice.delete("model-versions/delete", {"name": "stars", "version": "3"})
    assert made(alice, "s3://b/m")["version"] == "4"
    gone = {"name": "stars", "version": "3"}
    refused(alice.get("model-versions/get", gone), 404, "RESOURCE_DOES_NOT_EXIST")
    refused(alice.delete("model-versions/delete", gone), 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("x", 400),
        ("1.0", 400),
        ("\u0661", 400),
        ("9" * 40, 400),
        ("0", 404),
        ("-1", 404),
        ("2", 404),
        (str(2**40), 404),
    ],
)
def test_versions_that_are_none_are_told_from_those_that_are_not_there(alice, number, status):
    made(alice, "s3://b/m")
    for method, path, more in (
        (alice.get, "get", {}),
        (alice.get, "get-download-uri", {}),
        (alice.patch, "update", {}),
        (alice.post, "transition-stage", {"stage": "Staging"}),
        (alice.post, "set-tag", {"key": "k", "value": "v"}),
        (alice.delete, "delete-tag", {"key": "k"}),
        (alice.delete, "delete", {}),
    ):
        answer = method(f"model-versions/{path}", {"name": "stars", "version": number, **more})
        assert answer.status_code == status, (path, answer.content)
    typed = alice.post("model-versions/set-tag", {"name": "stars", "version": 1, "key": "k"})
    assert "Invalid value 1 for parameter 'version' supplied" in typed.json()["message"]


@pytest.mark.django_db(transaction=True)
def test_numbers_are_given_once_when_many_register_at_once(alice, people):
    project_id = people.project.pk
    numbers, problems = [], []

    def register():
        try:
            client = ProtocolClient(people.alice)
            for _ in range(5):
                numbers.append(int(made(client, "s3://b/m")["version"]))
                client.post(
                    "model-versions/set-tag",
                    {"name": "stars", "version": "1", "key": "k", "value": "v"},
                )
        except Exception as error:  # noqa: BLE001
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert sorted(numbers) == list(range(1, 21))
    assert RegisteredModel.objects.get(project_id=project_id).last_number == 20


@pytest.mark.django_db(transaction=True)
def test_one_of_many_who_take_a_name_at_once_gets_it(people):
    answers = []

    def create():
        try:
            client = ProtocolClient(people.alice)
            answers.append(client.post("registered-models/create", {"name": "sun"}).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 400, 400, 400]


def test_fields_that_no_client_may_set_are_ignored(alice, people):
    hostile = {
        "id": 99, "pk": 99, "version": "77", "number": 77, "current_stage": "Production", "status": "FAILED",
        "creation_timestamp": 1, "last_updated_timestamp": 1, "user_id": "root", "created_by": 1,
        "model_blob": 1, "manifest": {}, "storage_location": "file:///etc", "aliases": ["best"], "owner": "root",
    }  # fmt: skip
    version = made(alice, "s3://b/m", **hostile)
    assert (version["version"], version["current_stage"], version["status"]) == (
        "1",
        "None",
        "READY",
    )
    stored = ModelVersion.objects.get()
    assert stored.storage_location == "s3://b/m"
    assert (stored.model_blob, stored.manifest, stored.created_by) == (None, None, people.alice)
    assert not stored.aliases.exists()
    alice.post(
        "registered-models/create", {"name": "other", "project": 1, "last_number": 50, **hostile}
    )
    other = RegisteredModel.objects.get(name="other")
    assert (other.last_number, other.created_by, other.project) == (0, people.alice, people.project)


@pytest.mark.django_db(transaction=True)
def test_a_version_on_which_predictions_rest_stays(alice, people):
    version = register_run(run=finished_run(people), name="stars", by=people.alice)
    assert FrozenFolder.objects.filter(
        prefix__endswith=f"{version.run.uuid}/artifacts/model"
    ).exists()
    start_batch(version=version, file=PredictionFile([b"size\n1\n"], "rows.csv"), by=people.alice)
    for path, body in (
        ("model-versions/delete", {"name": "stars", "version": "1"}),
        ("registered-models/delete", {"name": "stars"}),
    ):
        message = refused(alice.delete(path, body), 409, "RESOURCE_CONFLICT")
        assert "Version 1 of stars cannot be deleted: 1 file of predictions" in message
    assert FrozenFolder.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_training_of_ours_can_be_registered_and_copied_through_the_protocol(alice, people):
    run = finished_run(people)
    made(alice, f"runs:/{run.uuid}/model", run_id=run.uuid)
    mine = ModelVersion.objects.get()
    assert mine.model_blob_id == run.model_blob_id
    assert mine.manifest["target"] == "kind"
    assert mine.metrics["accuracy"]["value"] == run.headline_value
    again = alice.post(
        CREATE, {"name": "stars", "source": f"runs:/{run.uuid}/model", "run_id": run.uuid}
    )
    refused(again, 400, "RESOURCE_ALREADY_EXISTS")
    alice.post("registered-models/create", {"name": "copies"})
    alice.post(CREATE, {"name": "copies", "source": "models:/stars/1"})
    copy = ModelVersion.objects.get(model__name="copies")
    assert (copy.model_blob_id, copy.manifest, copy.card) == (
        mine.model_blob_id,
        mine.manifest,
        mine.card,
    )


def test_pages_and_api_show_versions_of_clients_and_say_why_they_cannot_predict(
    alice, people, as_user, run
):
    model = logged_model(alice, people, source_run_id=run.uuid, model_type="sklearn")
    made(alice, f"models:/{model['model_id']}", model_id=model["model_id"])
    made(
        alice,
        "javascript:alert(1)",
        run_id="f" * 32,
        tags=[{"key": "note", "value": "<i>{{7}}</i>"}],
    )
    alice.post("registered-models/alias", {"name": "stars", "alias": "best", "version": "2"})
    alice.post(
        "model-versions/transition-stage", {"name": "stars", "version": "2", "stage": "Staging"}
    )
    client = as_user(people.bob)
    page = client.get("/models/stars/").content.decode()
    assert "@best" in page
    assert "Staging" in page
    assert "sklearn" in page
    first = client.get("/models/stars/versions/1/").content.decode()
    assert f"/runs/{run.uuid}/" in first
    assert model["model_id"] in first
    second = client.get("/models/stars/versions/2/").content.decode()
    assert "&lt;i&gt;{{7}}&lt;/i&gt;" in second
    assert 'href="javascript' not in second
    for part in ("", "try/", "files/", "programs/"):
        answer = client.get(f"/models/stars/versions/1/{part}")
        assert answer.status_code == 200
        assert "Registered by a client" in answer.content.decode()
        assert "mlflow.pyfunc.load_model(&#x27;models:/stars/1&#x27;)" in answer.content.decode()
    assert client.get("/models/stars/versions/1/card/").status_code == 200
    assert client.get("/models/stars/versions/1/file/").status_code == 409
    rows = {
        row["version"]: row
        for row in client.get("/api/v1/ml-platform/models/stars/").json()["versions"]
    }
    assert (rows[1]["run"], rows[1]["logged_model"], rows[1]["sha256"]) == (
        run.uuid,
        model["model_id"],
        None,
    )
    assert (rows[2]["aliases"], rows[2]["stage"], rows[2]["tags"]) == (
        ["best"],
        "Staging",
        {"note": "<i>{{7}}</i>"},
    )
    address = "/api/v1/ml-platform/models/stars/versions/1/"
    assert client.get(address).json()["input_schema"] == []
    asked = client.post(f"{address}predict/", {"rows": [{"a": 1}]}, content_type="application/json")
    assert (asked.status_code, asked.json()["error_code"]) == (409, "not_ours")
    assert client.get(f"{address}file/").status_code == 409


def test_searches_find_models_and_versions_and_leave_prompts_out(alice):
    alice.post("registered-models/create", {"name": "moons", "tags": [{"key": "k", "value": "v"}]})
    alice.post(
        "registered-models/create",
        {"name": "hello", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]},
    )
    prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    alice.post(CREATE, {"name": "hello", "source": "dummy-source", "tags": [prompt]})
    for _ in range(11):
        made(alice, "s3://b/m")

    def names(**asked):
        found = alice.get("registered-models/search", asked).json()
        return [one["name"] for one in found.get("registered_models", [])]

    assert names() == ["moons", "stars"]
    assert names(filter="tags.k = 'v'") == ["moons"]
    assert names(filter="tags.`mlflow.prompt.is_prompt` = 'true'") == ["hello"]
    assert names(order_by=["name DESC"]) == ["stars", "moons"]
    assert names(filter="name = 'none'") == []
    page = alice.get("registered-models/search", {"max_results": "1"}).json()
    rest = {"max_results": "1", "page_token": page["next_page_token"]}
    last = alice.get("registered-models/search", rest).json()
    assert [one["name"] for one in last["registered_models"]] == ["stars"]
    assert "next_page_token" not in last
    found = alice.get(
        "model-versions/search", {"filter": "name = 'stars'", "order_by": ["version_number ASC"]}
    )
    assert [one["version"] for one in found.json()["model_versions"]] == [
        str(n) for n in range(1, 12)
    ]
    everything = alice.get("model-versions/search").json()["model_versions"]
    assert {one["name"] for one in everything} == {"stars"}
    for path in ("registered-models/search", "model-versions/search"):
        for wrong in (
            {"filter": "bogus = 'x'"},
            {"max_results": "0"},
            {"page_token": "x"},
            {"order_by": ["name; --"]},
        ):
            refused(alice.get(path, wrong), 400, "INVALID_PARAMETER_VALUE")


def test_lists_need_no_more_queries_for_more_rows(alice, django_assert_max_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries(path):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert alice.get(path).status_code == 200
        return len(seen)

    def grow(n):
        for _number in range(n):
            name = f"m{RegisteredModel.objects.count()}"
            alice.post(
                "registered-models/create", {"name": name, "tags": [{"key": "k", "value": "v"}]}
            )
            for _ in range(2):
                alice.post(
                    CREATE,
                    {"name": name, "source": "s3://b/m", "tags": [{"key": "k", "value": "v"}]},
                )
            alice.post("registered-models/alias", {"name": name, "alias": "best", "version": "1"})

    grow(2)
    paths = (
        "registered-models/search",
        "model-versions/search",
        "registered-models/get-latest-versions?name=m1",
    )
    before = [queries(path) for path in paths]
    grow(6)
    assert [queries(path) for path in paths] == before
    assert max(before) <= 14


ROUTES = [
    ("get", "registered-models/get", {}, 200),
    ("get", "registered-models/search", {}, 200),
    ("get", "registered-models/get-latest-versions", {}, 200),
    ("post", "registered-models/get-latest-versions", {}, 200),
    ("get", "registered-models/alias", {"alias": "best"}, 200),
    ("get", "model-versions/get", {"version": "1"}, 200),
    ("get", "model-versions/get-download-uri", {"version": "1"}, 200),
    ("get", "model-versions/search", {}, 200),
    ("post", "registered-models/create", {"name": "new"}, 403),
    ("patch", "registered-models/update", {"description": "d"}, 403),
    ("post", "registered-models/set-tag", {"key": "k", "value": "v"}, 403),
    ("delete", "registered-models/delete-tag", {"key": "k"}, 403),
    ("post", "registered-models/alias", {"alias": "new", "version": "1"}, 403),
    ("delete", "registered-models/alias", {"alias": "new"}, 403),
    ("post", "model-versions/create", {"source": "s3://b/m"}, 403),
    ("patch", "model-versions/update", {"version": "1", "description": "d"}, 403),
    ("post", "model-versions/transition-stage", {"version": "1", "stage": "Staging"}, 403),
    ("post", "model-versions/set-tag", {"version": "1", "key": "k", "value": "v"}, 403),
    ("delete", "model-versions/delete-tag", {"version": "1", "key": "k"}, 403),
    ("delete", "model-versions/delete", {"version": "2"}, 403),
    ("post", "registered-models/rename", {"new_name": "Stars"}, 403),
    ("delete", "registered-models/delete", {}, 403),
]


def test_every_route_asks_who_is_calling(alice, people):
    for _ in range(2):
        made(alice, "s3://b/m")
    alice.post("registered-models/alias", {"name": "stars", "alias": "best", "version": "1"})
    callers = {
        "bob": ProtocolClient(people.bob),
        "reader": ProtocolClient(people.alice, scope="read"),
        "charlie": ProtocolClient(people.charlie),
        "nobody": ProtocolClient(),
    }
    slug = people.project.slug
    for method, path, more, for_readers in ROUTES:
        body = more if "search" in path else {"name": "stars", **more}
        for name, client in callers.items():
            answer = getattr(client, method)(path, body)
            expected = {"charlie": (403, 404), "nobody": (401,)}.get(name, (for_readers,))
            assert answer.status_code in expected, (name, method, path, answer.content)
        named = getattr(callers["charlie"], method)(path, body, headers={WORKSPACE: slug})
        assert named.status_code == 404, (method, path, named.content)
    for method, path, more, _ in ROUTES:
        body = more if "search" in path else {"name": "stars", **more}
        answer = getattr(alice, method)(path, body)
        assert answer.status_code == 200, (method, path, answer.content)


def test_a_workspace_scopes_names(alice, people):
    moons = project_of((people.alice, "editor"), name="Moons")
    there = {"headers": {WORKSPACE: moons.slug}}
    alice.post("registered-models/create", {"name": "stars"}, **there)
    alice.post("registered-models/create", {"name": "tides"}, **there)
    made(alice, "s3://here/m")
    empty = alice.get("registered-models/get", {"name": "stars"}, **there).json()
    assert "latest_versions" not in empty["registered_model"]
    found = alice.get("registered-models/search", **there).json()["registered_models"]
    assert [one["name"] for one in found] == ["stars", "tides"]
    assert [
        one["name"] for one in alice.get("registered-models/search").json()["registered_models"]
    ] == ["stars"]
    # A name that only one other project has is found without naming the project.
    assert alice.get("registered-models/get", {"name": "tides"}).status_code == 200
    other = {"headers": {WORKSPACE: people.project.slug}}
    assert alice.get("registered-models/get", {"name": "tides"}, **other).status_code == 404
    assert RegisteredModel.objects.filter(name="stars").count() == 2
