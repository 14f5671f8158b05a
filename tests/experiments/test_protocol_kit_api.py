"""The protocol's frame: who gets in, how requests are read, how refusals look."""

from tests.experiments.protocol_help import ProtocolClient, basic


def test_the_version_needs_no_sign_in(db):
    answer = ProtocolClient().get("/version")
    assert (answer.status_code, answer.content) == (200, b"3.17.2")


def test_without_a_credential_the_answer_asks_for_one(db):
    answer = ProtocolClient().get("/api/3.0/mlflow/workspaces")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_projects_are_the_workspaces_of_their_members(people):
    address = "/api/3.0/mlflow/workspaces"
    listed = ProtocolClient(people.alice).get(address).json()
    assert listed == {"workspaces": [{"name": "stars", "description": "Stars"}]}
    assert ProtocolClient(people.alice).get(f"/ajax-{address[1:]}").json() == listed
    assert ProtocolClient(people.charlie).get(address).json() == {"workspaces": []}
    assert ProtocolClient(people.charlie).get(f"{address}/stars").status_code == 404
    found = ProtocolClient(people.bob).get(f"{address}/stars/").json()
    assert found["workspace"]["name"] == "stars"


def test_a_user_name_and_a_password_sign_in(people):
    client = ProtocolClient(Authorization=basic("alice"))
    assert client.get("/api/3.0/mlflow/workspaces").status_code == 200
    client = ProtocolClient(Authorization=basic("alice", "wrong"))
    assert client.get("/api/3.0/mlflow/workspaces").status_code == 401
    token = ProtocolClient(people.alice).secret
    client = ProtocolClient(Authorization=basic("whoever", token))
    assert client.get("/api/3.0/mlflow/workspaces").status_code == 200
