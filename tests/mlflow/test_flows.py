"""Real clients against a running product: all that a user of MLflow does in a day."""

import json
import subprocess

import pytest

from tests.mlflow.conftest import SCRIPTS, Client, Server

pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(400)]


def test_ordinary_calls_of_a_user(client: Client, server: Server) -> None:
    done = client.run("flows.py")
    run = server.call("GET", f"runs/get?run_id={done['run']}")["run"]
    assert run["info"]["run_name"] == "renamed"


def test_models_are_logged_registered_and_loaded(client: Client) -> None:
    client.run("models.py")


def test_autologged_grid_search(client: Client) -> None:
    assert client.run("sklearn_grid.py")["children"] == 4


def test_loop_of_fifty_thousand_steps(client3: Client) -> None:
    client3.run("long_loop.py", "50000")


def test_traces_and_assessments(client3: Client) -> None:
    client3.run("traces.py")


def test_basic_password_works_as_well_as_a_token(client: Client) -> None:
    client.token = ""
    done = client.run(
        "long_loop.py", "20", MLFLOW_TRACKING_USERNAME="alice",
        MLFLOW_TRACKING_PASSWORD="correct horse battery",
    )  # fmt: skip
    assert done["run"]


def test_wrong_token_is_refused_at_once(client: Client) -> None:
    client.token = "0" * 64
    with pytest.raises(AssertionError, match=r"401|UNAUTHENTICATED|[Uu]nauthor"):
        client.run("long_loop.py", "1")


def test_running_loop_stops_when_it_is_asked_to(client: Client, server: Server) -> None:
    process = subprocess.Popen(
        [client.python, "-W", "ignore", str(SCRIPTS / "stop_wish.py")],
        cwd=client.folder, env=client.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    run_id = process.stdout.readline().strip()
    wish = {"run_id": run_id, "key": "assay.stop", "value": "true"}
    server.call("POST", "runs/set-tag", wish)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(out.strip().rpartition("\n")[2])["run"] == run_id
    assert server.call("GET", f"runs/get?run_id={run_id}")["run"]["info"]["status"] == "FINISHED"


def test_unknown_calls_are_answered_and_remembered(client3: Client, server: Server) -> None:
    with pytest.raises(RuntimeError, match="404.*ENDPOINT_NOT_FOUND"):
        server.call("POST", "no/such/call", {})
