"""Runs over the protocol: create, find, update, delete, log, tag, search."""

import math

import pytest

from experiments.models import Run, RunParam
from platform_site.accounts.models import Membership
from tests.experiments.protocol_help import ProtocolClient

MS = 1_700_000_000_000


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def experiment(alice) -> str:
    return alice.post("experiments/create", {"name": "stars"}).json()["experiment_id"]


@pytest.fixture
def run(alice, experiment) -> str:
    return new_run(alice, experiment)["info"]["run_id"]


def new_run(client: ProtocolClient, experiment: str, **more) -> dict:
    body = {"experiment_id": experiment, "start_time": MS, **more}
    answer = client.post("runs/create", body)
    assert answer.status_code == 200, answer.content
    return answer.json()["run"]


def get_run(client: ProtocolClient, run: str) -> dict:
    answer = client.get("runs/get", {"run_id": run})
    assert answer.status_code == 200, answer.content
    return answer.json()["run"]


def send(client: ProtocolClient, path: str, **body) -> dict:
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refused(client: ProtocolClient, path: str, body, status: int = 400) -> str:
    answer = client.post(path, body)
    assert answer.status_code == status, answer.content
    codes = {400: "INVALID_PARAMETER_VALUE", 404: "RESOURCE_DOES_NOT_EXIST"}
    assert answer.json()["error_code"] == codes[status]
    return answer.json()["message"]


def labels(pairs: list[dict]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def test_a_new_run_runs_and_has_a_name(alice, experiment):
    run = new_run(alice, experiment, user_id="ann", tags=[{"key": "a", "value": "b"}])
    info = run["info"]
    name = info["run_name"]
    assert info == {
        "run_id": info["run_id"],
        "run_uuid": info["run_id"],
        "run_name": name,
        "experiment_id": experiment,
        "user_id": "ann",
        "status": "RUNNING",
        "start_time": MS,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{info['run_id']}/artifacts",
        "lifecycle_stage": "active",
    }
    assert name
    assert labels(run["data"]["tags"]) == {"a": "b", "mlflow.runName": name}
    found = get_run(alice, info["run_id"])
    assert found["info"] == info
    assert labels(found["data"]["tags"]) == {"a": "b", "mlflow.runName": name}
    assert found["inputs"] == {}


def test_name_and_name_tag_agree_or_are_refused(alice, experiment):
    tag = [{"key": "mlflow.runName", "value": "one"}]
    assert new_run(alice, experiment, tags=tag)["info"]["run_name"] == "one"
    assert new_run(alice, experiment, tags=tag, run_name="one")["info"]["run_name"] == "one"
    body = {"experiment_id": experiment, "run_name": "two", "tags": tag}
    refused(alice, "runs/create", body)


def test_a_run_that_names_no_experiment_goes_to_the_default(alice, people):
    first = alice.post("runs/create", {"start_time": MS}).json()["run"]["info"]
    second = alice.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]
    assert first["experiment_id"] == second["experiment_id"] == "0"
    assert second["user_id"] == "alice"
    assert second["start_time"] > MS


def test_a_run_needs_an_active_experiment(alice, experiment):
    assert "No Experiment with id=77 exists" in refused(
        alice, "runs/create", {"experiment_id": "77"}, 404
    )
    refused(alice, "runs/create", {"experiment_id": 0})
    send(alice, "experiments/delete", experiment_id=experiment)
    assert "must be in the 'active' state" in refused(
        alice, "runs/create", {"experiment_id": experiment}
    )


def test_an_update_sets_what_it_names(alice, run):
    body = {"run_id": run, "status": "FINISHED", "end_time": str(MS + 5), "run_name": "new"}
    info = alice.post("runs/update", body).json()["run_info"]
    assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", MS + 5, "new")
    assert labels(get_run(alice, run)["data"]["tags"])["mlflow.runName"] == "new"
    again = alice.post("runs/update", {"run_id": run, "status": 5, "run_name": ""}).json()
    assert (again["run_info"]["status"], again["run_info"]["run_name"]) == ("KILLED", "new")
    unknown = alice.post("runs/update", {"run_id": run, "status": "SOMETHING"}).json()
    assert unknown["run_info"]["status"] == "KILLED"


def test_a_deleted_run_can_be_read_and_restored_but_not_written(alice, run):
    for _ in range(2):
        assert send(alice, "runs/delete", run_id=run) == {}
    assert get_run(alice, run)["info"]["lifecycle_stage"] == "deleted"
    point = {"run_id": run, "key": "a", "value": 1, "timestamp": MS}
    assert "must be in the 'active' state" in refused(alice, "runs/log-metric", point)
    refused(alice, "runs/update", {"run_id": run, "status": "FAILED"})
    for _ in range(2):
        assert send(alice, "runs/restore", run_id=run) == {}
    assert get_run(alice, run)["info"]["lifecycle_stage"] == "active"


def test_the_latest_metric_is_the_one_of_the_greatest_step(alice, run):
    for step, value in ((2, 20), (1, 10), (2, 5)):
        send(alice, "runs/log-metric", run_id=run, key="m", value=value, timestamp=MS, step=step)
    (metric,) = get_run(alice, run)["data"]["metrics"]
    assert metric == {"key": "m", "value": 20.0, "timestamp": MS, "step": 2}


@pytest.mark.parametrize(
    ("value", "answered"),
    [
        ("NaN", "NaN"),
        ("Infinity", 1.7976931348623157e308),
        ("-Infinity", -1.7976931348623157e308),
        ("12", 12.0),
        ("-1.5e3", -1500.0),
        (7, 7.0),
    ],
)
def test_numbers_come_as_numbers_or_as_texts(alice, run, value, answered):
    send(alice, "runs/log-metric", run_id=run, key="m", value=value, timestamp=f"{MS}", step="3")
    (metric,) = get_run(alice, run)["data"]["metrics"]
    assert metric == {"key": "m", "value": answered, "timestamp": MS, "step": 3}


def test_a_batch_is_stored_whole(alice, run):
    send(
        alice,
        "runs/log-batch",
        run_id=run,
        metrics=[{"key": "a", "value": 0.5, "timestamp": MS, "step": n} for n in range(3)],
        params=[{"key": "lr", "value": "1"}, {"key": "empty"}],
        tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}],
    )
    data = get_run(alice, run)["data"]
    assert [metric["step"] for metric in data["metrics"]] == [2]
    assert labels(data["params"]) == {"lr": "1", "empty": ""}
    assert labels(data["tags"])["t"] == "2"


def test_a_refused_batch_leaves_nothing(alice, run):
    send(alice, "runs/log-parameter", run_id=run, key="lr", value="1")
    body = {
        "run_id": run,
        "metrics": [{"key": "a", "value": 1, "timestamp": MS}],
        "params": [{"key": "new", "value": "1"}, {"key": "lr", "value": "2"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    assert "Changing param values is not allowed" in refused(alice, "runs/log-batch", body)
    data = get_run(alice, run)["data"]
    assert "metrics" not in data
    assert labels(data["params"]) == {"lr": "1"}
    assert "t" not in labels(data["tags"])


def test_the_same_param_again_is_fine(alice, run):
    for _ in range(2):
        send(alice, "runs/log-parameter", run_id=run, key="lr", value="1")
    assert RunParam.objects.count() == 1


def test_long_values_are_cut(alice, run):
    send(alice, "runs/log-parameter", run_id=run, key="p", value="x" * 6001)
    send(alice, "runs/set-tag", run_id=run, key="t", value="y" * 8001)
    data = get_run(alice, run)["data"]
    assert labels(data["params"])["p"] == "x" * 6000
    assert labels(data["tags"])["t"] == "y" * 8000


@pytest.mark.parametrize("name", ["a b", "a/b", "a.b-c:d_e", "größe", "量", "x" * 250, "1"])
def test_names_may_hold_letters_of_all_languages_and_slashes(alice, run, name):
    send(alice, "runs/log-metric", run_id=run, key=name, value=1, timestamp=MS)
    send(alice, "runs/set-tag", run_id=run, key=name, value="v")
    send(alice, "runs/log-parameter", run_id=run, key=name, value="v")
    data = get_run(alice, run)["data"]
    assert [one["key"] for one in data["metrics"]] == [name]


@pytest.mark.parametrize(
    "name",
    [
        "a//b",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "./a",
        ".",
        "..",
        "a\nb",
        "a#b",
        "a\\b",
        "x" * 251,
        "é!",
    ],
)
def test_names_that_are_no_clean_paths_are_refused(alice, run, name):
    point = {"key": name, "value": 1, "timestamp": MS}
    label = {"key": name, "value": "v"}
    refused(alice, "runs/log-metric", {"run_id": run, **point})
    refused(alice, "runs/log-parameter", {"run_id": run, **label})
    refused(alice, "runs/set-tag", {"run_id": run, **label})
    for field, item in (("metrics", point), ("params", label), ("tags", label)):
        assert field in refused(alice, "runs/log-batch", {"run_id": run, field: [item]})
    assert list(get_run(alice, run)["data"]) == ["tags"]


def points(n: int) -> list[dict]:
    return [{"key": f"m{i}", "value": i, "timestamp": MS} for i in range(n)]


def pairs(n: int) -> list[dict]:
    return [{"key": f"p{i}", "value": "v"} for i in range(n)]


@pytest.mark.parametrize(
    ("body", "is_fine"),
    [
        ({"metrics": points(1000)}, True),
        ({"metrics": points(1001)}, False),
        ({"params": pairs(100)}, True),
        ({"params": pairs(101)}, False),
        ({"tags": pairs(100)}, True),
        ({"tags": pairs(101)}, False),
        ({"metrics": points(801), "params": pairs(100), "tags": pairs(100)}, False),
        ({"metrics": points(800), "params": pairs(100), "tags": pairs(100)}, True),
        ({"params": pairs(2) + pairs(1)}, False),
    ],
)
def test_a_batch_has_limits(alice, run, body, is_fine):
    answer = alice.post("runs/log-batch", {"run_id": run, **body})
    assert answer.status_code == (200 if is_fine else 400)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("log-metric", {}, "Missing value for required parameter 'run_id'"),
        ("log-metric", {"run_id": None}, "Missing value for required parameter 'run_id'"),
        ("log-metric", {"run_id": ""}, "Missing value for required parameter 'run_id'"),
        ("log-metric", {"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
        ("log-metric", {"run_id": "R"}, "Missing value for required parameter 'key'"),
        ("log-metric", {"run_id": "R", "key": 31}, "Invalid value 31 for parameter 'key' supplied"),
        ("log-metric", {"run_id": "R", "key": "k", "value": 1}, "parameter 'timestamp'"),
        (
            "log-metric",
            {"run_id": "R", "key": "k", "value": 1, "timestamp": "foo"},
            "Invalid value \"foo\" for parameter 'timestamp' supplied",
        ),
        (
            "log-metric",
            {"run_id": "R", "key": "k", "value": "foo", "timestamp": 1},
            "Invalid value \"foo\" for parameter 'value' supplied",
        ),
        (
            "log-metric",
            {"run_id": "R", "key": "k", "value": 1, "timestamp": -1},
            "Invalid value -1 for parameter 'timestamp' supplied",
        ),
        (
            "log-metric",
            {"run_id": "R", "key": "k", "value": 1, "timestamp": 1, "step": "foo"},
            "Invalid value \"foo\" for parameter 'step' supplied",
        ),
        (
            "log-metric",
            {"run_id": "R", "key": "k", "value": 1, "timestamp": 1, "step": 2**63},
            "parameter 'step' supplied",
        ),
        ("log-parameter", {"run_id": "R", "key": "k", "value": 41}, "Invalid value 41"),
        ("set-tag", {"run_id": "R", "key": "k", "value": 41}, "Invalid value 41 for parameter"),
        ("set-tag", {"key": "k"}, "Missing value for required parameter 'run_id'"),
        ("delete-tag", {"run_id": "R"}, "Missing value for required parameter 'key'"),
        (
            "log-batch",
            {"run_id": "R", "metrics": "foo"},
            'Invalid value "foo" for parameter \'metr',
        ),
        (
            "log-batch",
            {"run_id": "R", "metrics": [{"key": "a", "value": 1, "timestamp": "foo"}]},
            "Invalid value \"foo\" for parameter 'metrics[0].timestamp' supplied",
        ),
        (
            "log-batch",
            {"run_id": "R", "metrics": [{"key": "a", "value": 1}]},
            "Missing value for required parameter 'metrics[0].timestamp'",
        ),
        (
            "log-batch",
            {"run_id": "R", "params": [{"key": "a"}, {"key": "b"}, {"value": "x"}]},
            "Missing value for required parameter 'params[2].key'",
        ),
        (
            "log-batch",
            {"run_id": "R", "tags": [{"key": ""}]},
            "Missing value for required parameter 'tags[0].key'",
        ),
        ("create", {"experiment_id": 0}, "Invalid value 0 for parameter 'experiment_id' supplied"),
        ("create", {"experiment_id": "0", "run_name": 4}, "parameter 'run_name' supplied"),
        ("update", {}, "Missing value for required parameter 'run_id'"),
        ("update", {"run_id": "R", "end_time": "x"}, "parameter 'end_time' supplied"),
        ("search", {"experiment_ids": "0"}, "parameter 'experiment_ids' supplied"),
        ("search", {"experiment_ids": [0]}, "parameter 'experiment_ids[0]' supplied"),
        ("search", {"experiment_ids": ["x"]}, "parameter 'experiment_ids[0]' supplied"),
        ("search", {"max_results": 0}, "parameter 'max_results' supplied"),
        ("search", {"max_results": 50_001}, "parameter 'max_results' supplied"),
    ],
)
def test_a_bad_field_is_named(alice, run, path, body, message):
    body = {name: run if value == "R" else value for name, value in body.items()}
    assert message in refused(alice, f"runs/{path}", body)


def test_tags_are_replaced_and_removed(alice, run):
    send(alice, "runs/set-tag", run_id=run, key="a", value="1")
    send(alice, "runs/set-tag", run_uuid=run, key="a", value="")
    assert labels(get_run(alice, run)["data"]["tags"])["a"] == ""
    send(alice, "runs/delete-tag", run_id=run, key="a")
    assert "a" not in labels(get_run(alice, run)["data"]["tags"])
    gone = {"run_id": run, "key": "a"}
    assert "No tag with name: a" in refused(alice, "runs/delete-tag", gone, 404)
    send(alice, "runs/set-tag", run_id=run, key="mlflow.runName", value="renamed")
    assert get_run(alice, run)["info"]["run_name"] == "renamed"


def test_unknown_runs_are_404_and_impossible_ids_400(alice):
    unknown = {"run_id": "f" * 32, "key": "a", "value": "1", "timestamp": MS}
    for path in ("log-metric", "log-parameter", "set-tag", "delete-tag"):
        body = {
            name: unknown[name] for name in unknown if path == "log-metric" or name != "timestamp"
        }
        assert "not found" in refused(alice, f"runs/{path}", body, 404)
    for path in ("update", "delete", "restore"):
        refused(alice, f"runs/{path}", {"run_id": "f" * 32}, 404)
    assert alice.get("runs/get", {"run_id": "f" * 32}).status_code == 404
    for bad in ("a b", "-a", "a/b", "x" * 257, "é"):
        assert alice.get("runs/get", {"run_id": bad}).status_code == 400
        refused(alice, "runs/log-batch", {"run_id": bad})


def test_search_finds_runs_of_visible_experiments_only(alice, people, experiment):
    ids = [new_run(alice, experiment, start_time=MS + n)["info"]["run_id"] for n in range(3)]
    for n, run in enumerate(ids):
        send(alice, "runs/log-metric", run_id=run, key="loss", value=n, timestamp=MS)
        send(alice, "runs/set-tag", run_id=run, key="mlflow.parentRunId", value=ids[0])
    body = {"experiment_ids": [experiment], "max_results": 2}
    first = send(alice, "runs/search", **body)
    assert [run["info"]["run_id"] for run in first["runs"]] == ids[:0:-1]
    second = send(alice, "runs/search", **body, page_token=first["next_page_token"])
    assert [run["info"]["run_id"] for run in second["runs"]] == ids[:1]
    assert "next_page_token" not in second
    body = {
        "experiment_ids": [experiment, "99"],
        "filter": f"metrics.loss < 1.5 and tags.mlflow.parentRunId = '{ids[0]}'",
        "order_by": ["metrics.loss DESC"],
    }
    found = send(alice, "runs/search", **body)["runs"]
    assert [run["data"]["metrics"][0]["value"] for run in found] == [1.0, 0.0]
    assert send(alice, "runs/search") == {}
    assert send(ProtocolClient(people.charlie), "runs/search", **body) == {}
    assert len(send(ProtocolClient(people.bob), "runs/search", **body)["runs"]) == 2
    send(alice, "runs/delete", run_id=ids[2])
    deleted = {"experiment_ids": [experiment], "run_view_type": "DELETED_ONLY"}
    assert len(send(alice, "runs/search", **deleted)["runs"]) == 1
    refused(alice, "runs/search", {"experiment_ids": [experiment], "filter": "x ; drop"})
    refused(alice, "runs/search", {"experiment_ids": [experiment], "page_token": "forged"})


WRITES = {
    "runs/update": {"status": "FINISHED"},
    "runs/delete": {},
    "runs/restore": {},
    "runs/log-metric": {"key": "a", "value": 1, "timestamp": MS},
    "runs/log-parameter": {"key": "a", "value": "1"},
    "runs/log-batch": {"tags": [{"key": "a", "value": "1"}]},
    "runs/set-tag": {"key": "a", "value": "1"},
    "runs/delete-tag": {"key": "mlflow.user"},
}


@pytest.mark.parametrize("path", WRITES)
def test_only_editors_write_and_strangers_learn_nothing(alice, people, experiment, path):
    tags = [{"key": "mlflow.user", "value": "a"}]
    run = new_run(alice, experiment, tags=tags)["info"]["run_id"]
    body = {"run_id": run, **WRITES[path]}
    before = Run.objects.values().get(uuid=run)
    assert ProtocolClient(people.bob).post(path, body).status_code == 403
    assert ProtocolClient(people.alice, scope="read").post(path, body).status_code == 403
    stranger = ProtocolClient(people.charlie).post(path, body)
    unknown = ProtocolClient(people.charlie).post(path, {**body, "run_id": "f" * 32})
    assert stranger.status_code == unknown.status_code == 404
    assert stranger.json()["message"].replace(run, "f" * 32) == unknown.json()["message"]
    assert ProtocolClient().post(path, body).status_code == 401
    assert Run.objects.values().get(uuid=run) == before
    assert alice.post(path, body).status_code == 200
    Membership.objects.filter(user=people.alice).delete()
    assert alice.post(path, body).status_code == 404


def test_runs_are_read_by_members_only(alice, people, run):
    assert get_run(ProtocolClient(people.bob), run)
    assert get_run(ProtocolClient(people.alice, scope="read"), run)
    assert ProtocolClient(people.charlie).get("runs/get", {"run_id": run}).status_code == 404
    assert ProtocolClient(people.root).get("runs/get", {"run_id": run}).status_code == 200


def test_a_number_that_is_no_number_is_stored_as_none(alice, run):
    send(alice, "runs/log-metric", run_id=run, key="m", value="NaN", timestamp=MS)
    body = {"experiment_ids": [get_run(alice, run)["info"]["experiment_id"]]}
    assert send(alice, "runs/search", **body, filter="metrics.m > 0") == {}
    assert len(send(alice, "runs/search", **body, filter="metrics.m != 0")["runs"]) == 1
    assert math.isnan(float(get_run(alice, run)["data"]["metrics"][0]["value"]))


def history(client: ProtocolClient, run: str, **params) -> dict:
    answer = client.get("metrics/get-history", {"run_id": run, "metric_key": "m", **params})
    assert answer.status_code == 200, answer.content
    return answer.json()


def log_series(client: ProtocolClient, run: str, n_points: int) -> None:
    points = [{"key": "m", "value": n, "timestamp": MS + n, "step": n} for n in range(n_points)]
    send(client, "runs/log-batch", run_id=run, metrics=points)


def test_history_is_ordered_and_without_repeats(alice, run):
    for at, value in ((MS + 1, 3), (MS, "NaN"), (MS, 2), (MS, 1), (MS + 1, 3)):
        send(alice, "runs/log-metric", run_id=run, key="m", value=value, timestamp=at)
    found = history(alice, run)
    assert [one["value"] for one in found["metrics"]] == [1.0, 2.0, "NaN", 3.0]
    assert found["metrics"][0] == {"key": "m", "value": 1.0, "timestamp": MS, "step": 0}
    assert "next_page_token" not in found


def test_history_comes_in_pages(alice, run):
    log_series(alice, run, 5)
    steps, token = [], ""
    for _ in range(3):
        page = history(alice, run, max_results=2, page_token=token)
        steps += [one["step"] for one in page["metrics"]]
        token = page.get("next_page_token", "")
    assert (steps, token) == ([0, 1, 2, 3, 4], "")
    for bad in ({"max_results": 0}, {"max_results": -1}, {"page_token": "x"}, {"max_results": "a"}):
        params = {"run_id": run, "metric_key": "m", **bad}
        assert alice.get("metrics/get-history", params).status_code == 400


def test_history_of_what_is_not_there_or_not_ones_own_is_empty(alice, people, run):
    log_series(alice, run, 2)
    assert history(alice, "f" * 32) == {}
    assert history(ProtocolClient(people.charlie), run) == {}
    assert len(history(ProtocolClient(people.bob), run)["metrics"]) == 2
    other = alice.get("metrics/get-history", {"run_id": run, "metric_key": "other"})
    assert other.json() == {}
    assert alice.get("metrics/get-history", {"run_id": run}).status_code == 400


def test_bulk_history_names_the_run_of_each_point(alice, people, experiment):
    runs = sorted(new_run(alice, experiment)["info"]["run_id"] for _ in range(2))
    for run in runs:
        log_series(alice, run, 3)
    address = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    params = {"run_id": [*runs, "f" * 32], "metric_key": "m"}
    found = alice.get(address, params).json()["metrics"]
    assert [(one["run_id"], one["step"]) for one in found] == [
        (run, step) for run in runs for step in range(3)
    ]
    assert len(alice.get(address, {**params, "max_results": 4}).json()["metrics"]) == 4
    assert ProtocolClient(people.charlie).get(address, params).json() == {"metrics": []}
    assert alice.get(address, {"metric_key": "m"}).status_code == 400
    assert alice.get(address, {**params, "run_id": [f"{n}" for n in range(101)]}).status_code == 400


def test_an_interval_is_thinned_but_keeps_its_ends(alice, run):
    log_series(alice, run, 100)
    address = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    params = {"run_ids": [run], "metric_key": "m", "max_results": 10}
    steps = [one["step"] for one in alice.get(address, params).json()["metrics"]]
    assert (steps[0], steps[-1]) == (0, 99)
    assert 10 <= len(steps) <= 12
    inside = {**params, "start_step": 20, "end_step": 24}
    steps = [one["step"] for one in alice.get(address, inside).json()["metrics"]]
    assert steps == [20, 21, 22, 23, 24]
    for bad in ({"start_step": 1}, {"start_step": 2, "end_step": 1}, {"max_results": 2501}):
        assert alice.get(address, {**params, **bad}).status_code == 400
