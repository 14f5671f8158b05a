"""Registered models of clients of the protocol: shapes, messages, names, tags, aliases, stages."""

import html
import re

import pytest

from registry.models import ModelVersion, RegisteredModel
from tests.experiments.protocol_help import ProtocolClient

pytestmark = pytest.mark.django_db
MODELS = "registered-models"
VERSIONS = "model-versions"


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


def new_model(client, name="stars", **more):
    answer = client.post(f"{MODELS}/create", {"name": name, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["registered_model"]


def new_version(client, name="stars", source="s3://bucket/model", **more):
    answer = client.post(f"{VERSIONS}/create", {"name": name, "source": source, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["model_version"]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.content
    return answer.json()["message"]


def test_a_new_model_has_what_it_was_given_and_leaves_out_what_is_empty(alice):
    tags = [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]
    model = new_model(alice, tags=tags, description="Kinds of stars")
    stamps = (model.pop("creation_timestamp"), model.pop("last_updated_timestamp"))
    assert stamps[0] == stamps[1] > 1_600_000_000_000
    assert model == {"name": "stars", "description": "Kinds of stars", "tags": tags}
    bare = new_model(alice, "bare")
    assert set(bare) == {"name", "creation_timestamp", "last_updated_timestamp"}
    assert alice.get(f"{MODELS}/get", {"name": "stars"}).json()["registered_model"]["tags"] == tags


@pytest.mark.parametrize(
    "name", ["stars", " stars ", "STARS", "s%74ars", "\uff53tars", "st%2561rs"]
)
def test_a_name_exists_in_every_spelling_of_it(alice, name):
    new_model(alice, "stars")
    message = refused(
        alice.post(f"{MODELS}/create", {"name": name}), 400, "RESOURCE_ALREADY_EXISTS"
    )
    assert message == "Registered Model (name=stars) already exists." or name == "STARS"
    assert "already exists" in message
    assert alice.get(f"{MODELS}/get", {"name": name}).json()["registered_model"]["name"] == "stars"


@pytest.mark.parametrize(
    "name", ["a/b", "a:b", "a%2fb", "..", "x" * 257, "   ", "a\u200bb", "a\u202eb", "dot."]
)
def test_a_name_that_addresses_cannot_carry_is_400(alice, name):
    refused(alice.post(f"{MODELS}/create", {"name": name}), 400, "INVALID_PARAMETER_VALUE")
    assert not RegisteredModel.objects.exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("post", "create", {}, "Missing value for required parameter 'name'"),
        ("post", "create", {"name": ""}, "Missing value for required parameter 'name'"),
        ("post", "create", {"name": 123}, "Invalid value 123 for parameter 'name' supplied"),
        ("post", "create", {"name": "a", "tags": "5"}, "Invalid value \"5\" for parameter 'tags'"),
        ("get", "get", {}, "Missing value for required parameter 'name'"),
        ("post", "rename", {"name": "a"}, "Missing value for required parameter 'new_name'"),
        ("post", "set-tag", {"name": "a"}, "Missing value for required parameter 'key'"),
        ("post", "alias", {"name": "a", "alias": "b"}, "Missing value for required parameter 'ver"),
    ],
)
def test_missing_and_mistyped_fields_are_named(alice, method, path, body, message):
    answer = getattr(alice, method)(f"{MODELS}/{path}", body)
    assert message in refused(answer, 400, "INVALID_PARAMETER_VALUE")


def test_an_unknown_model_is_404_on_every_route(alice):
    calls = [
        ("get", "get", {}),
        ("patch", "update", {"description": "d"}),
        ("post", "rename", {"new_name": "x"}),
        ("delete", "delete", {}),
        ("get", "get-latest-versions", {}),
        ("post", "get-latest-versions", {}),
        ("post", "set-tag", {"key": "k", "value": "v"}),
        ("delete", "delete-tag", {"key": "k"}),
        ("get", "alias", {"alias": "a"}),
        ("delete", "alias", {"alias": "a"}),
    ]
    for method, path, body in calls:
        answer = getattr(alice, method)(f"{MODELS}/{path}", {"name": "none", **body})
        message = refused(answer, 404, "RESOURCE_DOES_NOT_EXIST")
        assert message == "Registered Model with name=none not found"


def test_descriptions_change_and_are_cleared(alice):
    before = new_model(alice, description="old")
    update = f"{MODELS}/update"
    new = alice.patch(update, {"name": "stars", "description": "new"}).json()["registered_model"]
    assert new["description"] == "new"
    assert new["last_updated_timestamp"] >= before["last_updated_timestamp"]
    assert "description" not in alice.patch(update, {"name": "stars"}).json()["registered_model"]


def test_a_renamed_model_keeps_versions_tags_and_aliases(alice):
    new_model(alice, tags=[{"key": "k", "value": "v"}])
    new_version(alice)
    alice.post(f"{MODELS}/alias", {"name": "stars", "alias": "best", "version": "1"})
    answer = alice.post(f"{MODELS}/rename", {"name": "stars", "new_name": "suns"})
    model = answer.json()["registered_model"]
    assert model["name"] == "suns"
    assert model["aliases"] == [{"alias": "best", "version": "1"}]
    assert model["tags"] == [{"key": "k", "value": "v"}]
    assert [one["name"] for one in model["latest_versions"]] == ["suns"]
    refused(alice.get(f"{MODELS}/get", {"name": "stars"}), 404, "RESOURCE_DOES_NOT_EXIST")
    new_model(alice, "stars")
    again = alice.post(f"{MODELS}/rename", {"name": "stars", "new_name": "SUNS"})
    refused(again, 400, "RESOURCE_ALREADY_EXISTS")
    case = alice.post(f"{MODELS}/rename", {"name": "suns", "new_name": "Suns"})
    assert case.json()["registered_model"]["name"] == "Suns"


def test_a_deleted_model_takes_its_versions_along_and_frees_its_name(alice):
    new_model(alice)
    new_version(alice)
    assert alice.delete(f"{MODELS}/delete", {"name": "stars"}).json() == {}
    assert not ModelVersion.objects.exists()
    refused(alice.delete(f"{MODELS}/delete", {"name": "stars"}), 404, "RESOURCE_DOES_NOT_EXIST")
    new_model(alice)
    assert new_version(alice)["version"] == "1"


def test_tags_are_replaced_and_an_absent_one_may_be_deleted(alice):
    new_model(alice)
    for value in ("1", "two\n\u2603", ""):
        assert (
            alice.post(f"{MODELS}/set-tag", {"name": "stars", "key": "k", "value": value}).json()
            == {}
        )
        model = alice.get(f"{MODELS}/get", {"name": "stars"}).json()["registered_model"]
        assert model["tags"] == [{"key": "k", "value": value}]
    for _ in range(2):
        answer = alice.delete(f"{MODELS}/delete-tag", {"name": "stars", "key": "k"})
        assert answer.json() == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x" * 251, "v"),
        ("a" * 10, "v" * 100_001),
        ("../x", "v"),
        ("/x", "v"),
        ("a//b", "v"),
        ("a;b", "v"),
        ("..", "v"),
    ],
)
def test_tags_that_cannot_be_kept_are_400(alice, key, value):
    new_model(alice)
    for path, more in ((MODELS, {}), (VERSIONS, {"version": new_version(alice)["version"]})):
        body = {"name": "stars", "key": key, "value": value, **more}
        refused(alice.post(f"{path}/set-tag", body), 400, "INVALID_PARAMETER_VALUE")


def test_an_alias_moves_from_version_to_version(alice):
    new_model(alice)
    for number in ("1", "2"):
        new_version(alice)
        body = {"name": "stars", "alias": "best", "version": number}
        assert alice.post(f"{MODELS}/alias", body).json() == {}
        got = alice.get(f"{MODELS}/alias", {"name": "stars", "alias": "best"}).json()
        assert got["model_version"]["version"] == number
        assert got["model_version"]["aliases"] == ["best"]
    model = alice.get(f"{MODELS}/get", {"name": "stars"}).json()["registered_model"]
    assert model["aliases"] == [{"alias": "best", "version": "2"}]
    for _ in range(2):
        assert alice.delete(f"{MODELS}/alias", {"name": "stars", "alias": "best"}).json() == {}
    gone = alice.get(f"{MODELS}/alias", {"name": "stars", "alias": "best"})
    assert "alias best not found" in refused(gone, 400, "INVALID_PARAMETER_VALUE")


def test_the_alias_latest_is_the_newest_version(alice):
    new_model(alice)
    asked = {"name": "stars", "alias": "latest"}
    refused(alice.get(f"{MODELS}/alias", asked), 404, "RESOURCE_DOES_NOT_EXIST")
    for _number in range(1, 12):
        new_version(alice)
    assert alice.get(f"{MODELS}/alias", asked).json()["model_version"]["version"] == "11"


@pytest.mark.parametrize(
    "alias", ["latest", "LATEST", "v1", "V23", "a b", "a/b", "a@b", "x" * 256, "\u00e9!"]
)
def test_aliases_that_could_be_misread_are_400(alice, alias):
    new_model(alice)
    new_version(alice)
    body = {"name": "stars", "alias": alias, "version": "1"}
    refused(alice.post(f"{MODELS}/alias", body), 400, "INVALID_PARAMETER_VALUE")


def test_an_alias_of_a_version_that_is_not_there_is_404(alice):
    new_model(alice)
    body = {"name": "stars", "alias": "best", "version": "7"}
    message = refused(alice.post(f"{MODELS}/alias", body), 404, "RESOURCE_DOES_NOT_EXIST")
    assert message == "Model Version (name=stars, version=7) not found"


def test_the_newest_version_of_each_stage_is_listed(alice):
    new_model(alice)
    for _ in range(4):
        new_version(alice)
    move = f"{VERSIONS}/transition-stage"
    for number, stage in (("1", "staging"), ("2", "PRODUCTION"), ("3", "Production")):
        answer = alice.post(move, {"name": "stars", "version": number, "stage": stage})
        assert answer.json()["model_version"]["current_stage"] == stage.capitalize()
    model = alice.get(f"{MODELS}/get", {"name": "stars"}).json()["registered_model"]
    found = {one["current_stage"]: one["version"] for one in model["latest_versions"]}
    assert found == {"Staging": "1", "Production": "3", "None": "4"}
    for call in (alice.get, alice.post):
        rows = call(f"{MODELS}/get-latest-versions", {"name": "stars", "stages": ["production"]})
        assert [one["version"] for one in rows.json()["model_versions"]] == ["3"]
        everything = call(f"{MODELS}/get-latest-versions", {"name": "stars"}).json()
        assert len(everything["model_versions"]) == 3
        none = call(f"{MODELS}/get-latest-versions", {"name": "stars", "stages": ["Archived"]})
        assert none.json() == {}
        wrong = call(f"{MODELS}/get-latest-versions", {"name": "stars", "stages": ["Prod"]})
        refused(wrong, 400, "INVALID_PARAMETER_VALUE")


def test_moving_to_a_stage_archives_others_if_wanted(alice):
    new_model(alice)
    for _ in range(3):
        new_version(alice)
    move = f"{VERSIONS}/transition-stage"
    for number in ("1", "2", "3"):
        body = {"name": "stars", "version": number, "stage": "Production"}
        assert (
            alice.post(move, {**body, "archive_existing_versions": number == "3"}).status_code
            == 200
        )
    stages = dict(ModelVersion.objects.values_list("number", "stage"))
    assert stages == {1: "Archived", 2: "Archived", 3: "Production"}
    for stage in ("None", "Archived"):
        body = {"name": "stars", "version": "1", "stage": stage, "archive_existing_versions": True}
        refused(alice.post(move, body), 400, "INVALID_PARAMETER_VALUE")
    bad = alice.post(move, {"name": "stars", "version": "1", "stage": "Live"})
    assert "Live" in refused(bad, 400, "INVALID_PARAMETER_VALUE")


def test_the_models_time_moves_with_versions_stages_and_descriptions_only(alice, monkeypatch):
    new_model(alice)
    new_version(alice)

    def stamp():
        return RegisteredModel.objects.get().updated_at

    seen = stamp()
    alice.post(f"{MODELS}/set-tag", {"name": "stars", "key": "k", "value": "v"})
    alice.post(f"{MODELS}/alias", {"name": "stars", "alias": "best", "version": "1"})
    alice.post(f"{VERSIONS}/set-tag", {"name": "stars", "version": "1", "key": "k", "value": "v"})
    assert stamp() == seen
    for call, path, body in (
        (alice.post, f"{VERSIONS}/transition-stage", {"version": "1", "stage": "Staging"}),
        (alice.patch, f"{MODELS}/update", {"description": "d"}),
        (alice.post, f"{VERSIONS}/create", {"source": "s3://b/m"}),
    ):
        assert call(path, {"name": "stars", **body}).status_code == 200
        assert stamp() > seen
        seen = stamp()


def test_both_address_prefixes_answer_alike(alice):
    new_model(alice)
    address = "/ajax-api/2.0/mlflow/registered-models/get"
    assert alice.get(address, {"name": "stars"}).json()["registered_model"]["name"] == "stars"


@pytest.mark.parametrize(
    "name", ["a b", "50%", "a?b#c", '"><b>', "\u0646\u062c\u0648\u0645", "it's & co", "x@y", "\\x"]
)
def test_every_accepted_name_has_working_pages(alice, people, as_user, name):
    new_model(alice, name, description="{{ 7|add:7 }} {% now 'Y' %}")
    new_version(alice, name)
    client = as_user(people.alice)
    listed = client.get("/models/")
    assert listed.status_code == 200
    addresses = [html.unescape(link) for link in _links(listed.content.decode())]
    assert len(addresses) == 2
    for address in addresses:
        page = client.get(address)
        assert page.status_code == 200, address
    assert "{{ 7|add:7 }} {% now &#x27;Y&#x27; %}" in client.get(addresses[0]).content.decode()
    for part in ("card/", "try/", "files/", "programs/"):
        assert client.get(addresses[1] + part).status_code == 200


def _links(page):
    return list(dict.fromkeys(re.findall(r'href="(/models/[^"]+)"', page)))
