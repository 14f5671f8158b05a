"""Experiments over the protocol: create, find, rename, delete with all runs, label, search."""

import pytest

from experiments.models import Experiment, Run
from platform_site.accounts.models import Membership
from tests.experiments.protocol_help import ProtocolClient
from tests.people import project_of


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


def create(client: ProtocolClient, name: str = "stars", **more) -> str:
    answer = client.post("experiments/create", {"name": name, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["experiment_id"]


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_a_new_experiment_is_found_by_id_and_by_name(alice):
    number = create(alice, tags=[{"key": "team", "value": "red"}])
    by_id = alice.get("experiments/get", {"experiment_id": number}).json()
    assert by_id == alice.get("experiments/get-by-name", {"experiment_name": "stars"}).json()
    experiment = by_id["experiment"]
    assert experiment.pop("creation_time") == experiment.pop("last_update_time") > 1.7e12
    assert experiment == {
        "experiment_id": number,
        "name": "stars",
        "artifact_location": f"mlflow-artifacts:/{number}",
        "lifecycle_stage": "active",
        "tags": [{"key": "team", "value": "red"}],
    }


def test_a_name_is_taken_even_by_a_deleted_experiment(alice):
    number = create(alice)
    assert code_of(alice.post("experiments/create", {"name": "stars"})) == (
        400,
        "RESOURCE_ALREADY_EXISTS",
    )
    alice.post("experiments/delete", {"experiment_id": number})
    taken = alice.post("experiments/create", {"name": "stars"})
    assert code_of(taken) == (400, "RESOURCE_ALREADY_EXISTS")
    found = alice.get("experiments/get-by-name", {"experiment_name": "stars"}).json()
    assert found["experiment"]["lifecycle_stage"] == "deleted"


def test_two_spellings_of_one_name_are_one_name(alice):
    number = create(alice, "caf\u00e9")
    assert alice.post("experiments/create", {"name": "cafe\u0301"}).status_code == 400
    found = alice.get("experiments/get-by-name", {"experiment_name": "cafe\u0301"}).json()
    assert found["experiment"]["experiment_id"] == number


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing value for required parameter 'name'"),
        ({"name": ""}, "Missing value for required parameter 'name'"),
        ({"name": None}, "Missing value for required parameter 'name'"),
        ({"name": 123}, "Invalid value 123 for parameter 'name' supplied"),
        ({"name": "x", "artifact_location": 9.0}, "Invalid value 9.0 for parameter 'artifact_loc"),
        ({"name": "x", "tags": "5"}, "Invalid value \"5\" for parameter 'tags' supplied"),
        ({"name": "x", "tags": [{"key": 1}]}, "Invalid value 1 for parameter 'tags[0].key'"),
        ({"name": "   "}, "must not be empty"),
        ({"name": "x" * 501}, "exceeds the maximum length"),
        ({"name": "a\u0000b"}, "NUL"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": "x", "artifact_location": "runs:/1/a"}, "artifact location"),
        ({"name": "x", "artifact_location": "http://h/a?b"}, "artifact location"),
        ({"name": "x", "tags": [{"key": "a//b", "value": "1"}]}, "clean path"),
        ({"name": "x", "tags": [{"key": "a", "value": "v" * 20_001}]}, "20,000"),
    ],
)
def test_a_bad_experiment_is_refused_with_its_field(alice, body, message):
    answer = alice.post("experiments/create", body)
    assert code_of(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert message in answer.json()["message"]
    assert not Experiment.objects.exists()


def test_the_id_0_is_the_default_experiment_of_the_project(people):
    for who in (people.bob, people.alice):
        client = ProtocolClient(who)
        found = client.get("experiments/get", {"experiment_id": "0"}).json()["experiment"]
        assert (found["name"], found["experiment_id"]) == ("Default", "0")
        by_name = client.get("experiments/get-by-name", {"experiment_name": "Default"}).json()
        assert by_name["experiment"] == found


def test_a_second_project_has_its_own_default_under_the_same_id(people):
    ProtocolClient(people.alice).get("experiments/get", {"experiment_id": "0"})
    project_of((people.charlie, "editor"), name="Moons")
    charlie = ProtocolClient(people.charlie)
    found = charlie.get("experiments/get", {"experiment_id": "0"}).json()["experiment"]
    assert (found["name"], found["experiment_id"] != "0") == ("Default", True)


def test_a_workspace_header_names_the_project(people):
    moons = project_of((people.alice, "editor"), name="Moons")
    there = ProtocolClient(people.alice, **{"X-MLFLOW-WORKSPACE": "moons"})
    number = create(there)
    assert Experiment.objects.get(pk=number).project_id == moons.pk
    here = ProtocolClient(people.alice)
    assert here.get("experiments/get-by-name", {"experiment_name": "stars"}).status_code == 404
    assert here.get("experiments/get", {"experiment_id": number}).status_code == 200
    assert "experiments" not in here.get("experiments/search", {"max_results": 5}).json()
    strange = ProtocolClient(people.bob, **{"X-MLFLOW-WORKSPACE": "moons"})
    assert strange.post("experiments/create", {"name": "x"}).status_code == 404


def test_what_is_not_there_is_404_and_what_is_no_number_400(alice, people):
    for text in ("17", "-1", "99999999999999999999", str(2**63)):
        answer = alice.get("experiments/get", {"experiment_id": text})
        assert code_of(answer)[0] in (400, 404)
        assert answer.status_code == 404 or len(text) > 19
    assert (
        "No Experiment with id=17 exists"
        in (alice.get("experiments/get", {"experiment_id": "17"}).json()["message"])
    )
    assert alice.get("experiments/get", {"experiment_id": "x"}).status_code == 400
    assert alice.get("experiments/get").status_code == 400
    missing = alice.get("experiments/get-by-name", {"experiment_name": "nothing"})
    assert code_of(missing) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_deleting_takes_the_runs_along_and_restoring_brings_them_back(alice, people):
    number = create(alice)
    run = Run.objects.create(
        project=people.project,
        experiment_id=number,
        name="r",
        kind="tracked",
        status="running",
        created_by=people.alice,
        created_at=Experiment.objects.get().created_at,
    )
    assert alice.post("experiments/delete", {"experiment_id": number}).json() == {}
    run.refresh_from_db()
    assert (run.lifecycle, run.deleted_ms is not None, run.version) == ("deleted", True, 1)
    assert alice.post("experiments/delete", {"experiment_id": number}).status_code == 404
    renamed = alice.post("experiments/update", {"experiment_id": number, "new_name": "n"})
    assert renamed.status_code == 400
    tagged = alice.post(
        "experiments/set-experiment-tag", {"experiment_id": number, "key": "a", "value": "b"}
    )
    assert tagged.status_code == 400
    assert alice.post("experiments/restore", {"experiment_id": number}).json() == {}
    run.refresh_from_db()
    assert (run.lifecycle, run.deleted_ms) == ("active", None)
    assert alice.post("experiments/restore", {"experiment_id": number}).status_code == 404


def test_an_experiment_with_a_training_that_goes_on_is_not_deleted(alice, people):
    number = create(alice)
    Run.objects.create(
        project=people.project,
        experiment_id=number,
        name="r",
        status="running",
        created_by=people.alice,
        created_at=Experiment.objects.get().created_at,
    )
    assert alice.post("experiments/delete", {"experiment_id": number}).status_code == 409


def test_renaming_keeps_names_unique(alice):
    number = create(alice)
    create(alice, "other")
    assert alice.post("experiments/update", {"experiment_id": number, "new_name": "x"}).json() == {}
    taken = alice.post("experiments/update", {"experiment_id": number, "new_name": "other"})
    assert code_of(taken) == (400, "RESOURCE_ALREADY_EXISTS")
    found = alice.get("experiments/get", {"experiment_id": number}).json()["experiment"]
    assert found["name"] == "x"
    assert found["last_update_time"] >= found["creation_time"]


def test_tags_are_set_replaced_and_removed(alice):
    number = create(alice)
    for value in ("one", ""):
        alice.post(
            "experiments/set-experiment-tag", {"experiment_id": number, "key": "a", "value": value}
        )
    found = alice.get("experiments/get", {"experiment_id": number}).json()["experiment"]
    assert found["tags"] == [{"key": "a", "value": ""}]
    gone = {"experiment_id": number, "key": "a"}
    assert alice.post("experiments/delete-experiment-tag", gone).json() == {}
    again = alice.post("experiments/delete-experiment-tag", gone)
    assert code_of(again) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_search_pages_through_the_projects_experiments(alice):
    numbers = [create(alice, f"e{n}") for n in range(3)]
    first = alice.post("experiments/search", {"max_results": 2}).json()
    assert [one["experiment_id"] for one in first["experiments"]] == numbers[:0:-1]
    params = {"max_results": "2", "page_token": first["next_page_token"]}
    second = alice.get("experiments/search", params).json()
    assert [one["experiment_id"] for one in second["experiments"]] == numbers[:1]
    assert "next_page_token" not in second
    for bad in ({"max_results": 0}, {"max_results": 50_001}, {"page_token": "x"}, {"filter": "("}):
        assert alice.post("experiments/search", bad).status_code == 400
    alice.post("experiments/delete", {"experiment_id": numbers[0]})
    for view in (2, "2", "DELETED_ONLY"):
        found = alice.post("experiments/search", {"max_results": 9, "view_type": view}).json()
        assert [one["experiment_id"] for one in found["experiments"]] == numbers[:1]
    assert len(alice.get("experiments/search", {"view_type": "ALL"}).json()["experiments"]) == 3


CHANGES = {
    "experiments/update": {"new_name": "y"},
    "experiments/delete": {},
    "experiments/restore": {},
    "experiments/set-experiment-tag": {"key": "a", "value": "b"},
    "experiments/delete-experiment-tag": {"key": "a"},
}


@pytest.mark.parametrize("path", CHANGES)
def test_only_editors_change_and_strangers_see_nothing(alice, people, path):
    number = create(alice)
    body = {"experiment_id": number, **CHANGES[path]}
    assert ProtocolClient(people.bob).post(path, body).status_code == 403
    assert ProtocolClient(people.alice, scope="read").post(path, body).status_code == 403
    stranger = ProtocolClient(people.charlie).post(path, body)
    assert code_of(stranger) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert ProtocolClient().post(path, body).status_code == 401
    Membership.objects.filter(user=people.alice).delete()
    assert alice.post(path, body).status_code == 404


def test_readers_read_and_strangers_do_not(alice, people):
    number = create(alice)
    reads = [
        ("experiments/get", {"experiment_id": number}),
        ("experiments/get-by-name", {"experiment_name": "stars"}),
    ]
    for path, params in reads:
        assert ProtocolClient(people.bob).get(path, params).status_code == 200
        assert ProtocolClient(people.alice, scope="read").get(path, params).status_code == 200
        assert ProtocolClient(people.charlie).get(path, params).status_code in (403, 404)
    assert ProtocolClient(people.bob).post("experiments/create", {"name": "x"}).status_code == 403
    reader = ProtocolClient(people.alice, scope="read")
    assert reader.post("experiments/search", {"max_results": 5}).status_code == 200
