"""Requests that are sent to MLflow's own server and to ours, whose answers must be the same.

A step is a method, a path below /api/2.0/mlflow/, what is sent, and which parts of the answer later
steps refer to as {name}. Refusals are compared by status and code, answers as whole objects.
"""

from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Step:
    """One request."""

    method: str
    path: str
    body: Any = None
    save: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kind: str | None = JSON
    only_status: bool = False


def get(path: str, **more: Any) -> Step:
    return Step("GET", path, **more)


def post(path: str, body: Any = None, **more: Any) -> Step:
    return Step("POST", path, {} if body is None else body, **more)


def patch(path: str, body: Any) -> Step:
    return Step("PATCH", path, body)


def delete(path: str, body: Any = None) -> Step:
    return Step("DELETE", path, body)


def log(**body: Any) -> Step:
    return post("runs/log-batch", {"run_id": "{run}", **body})


def metric(
    key: Any = "m", value: Any = 1.0, timestamp: Any = 1, step: Any = 0, **more: Any
) -> dict:
    return {"key": key, "value": value, "timestamp": timestamp, "step": step, **more}


def search(filter_text: str, **more: Any) -> Step:
    body = {"experiment_ids": ["{e}"], "filter": filter_text, "max_results": 100, **more}
    return post("runs/search", body)


E = {"experiment_id": "{e}"}
R = {"run_id": "{run}"}

EXPERIMENTS = [
    post("experiments/create", {"name": "{u}-one", "tags": [{"key": "k", "value": "v"}]},
         save={"e": ("experiment_id",)}),
    post("experiments/create", {"name": "{u}-one"}),
    post("experiments/create", {}),
    post("experiments/create", {"name": ""}),
    post("experiments/create", {"name": None}),
    post("experiments/create", {"name": 123}),
    post("experiments/create", {"name": "x" * 501}),
    post("experiments/create", {"name": "{u}-x", "artifact_location": 9.0}),
    post("experiments/create", {"name": "{u}-x", "tags": "5"}),
    post("experiments/create", '{"name": ', kind=JSON),
    post("experiments/create", '{"name": "{u}-plain"}', kind="text/plain"),
    post("experiments/create", '{"name": "{u}-none"}', kind=None),
    get("experiments/get?experiment_id={e}"),
    get("experiments/get?experiment_id=999999"),
    get("experiments/get?experiment_id=abc"),
    get("experiments/get"),
    get("experiments/get-by-name?experiment_name={u}-one"),
    get("experiments/get-by-name?experiment_name={u}-none-such"),
    get("experiments/get-by-name"),
    post("experiments/search", {"max_results": 5, "filter": "name = '{u}-one'"}),
    get("experiments/search?max_results=5&filter=name%20%3D%20'{u}-one'"),
    post("experiments/search", {"max_results": 0}),
    post("experiments/search", {"max_results": 50001}),
    post("experiments/search", {"max_results": 5, "filter": "name LIKE '{u}-O%'"}),
    post("experiments/search", {"max_results": 5, "filter": "name ILIKE '{u}-O%'"}),
    post("experiments/search", {"max_results": 5, "filter": "tags.k = 'v' AND name LIKE '{u}%'"}),
    post("experiments/search", {"max_results": 5, "filter": "banana = 1"}),
    post("experiments/search", {"max_results": 5, "filter": "name = 'a' OR name = 'b'"}),
    post("experiments/search", {"max_results": 5, "page_token": "nonsense!"}, only_status=True),
    post("experiments/update", {**E, "new_name": "{u}-two"}),
    post("experiments/update", {"experiment_id": "{e}"}),
    post("experiments/set-experiment-tag", {**E, "key": "a", "value": "b\nc"}),
    post("experiments/set-experiment-tag", {**E, "key": "a" * 251, "value": "b"}),
    post("experiments/set-experiment-tag", {**E, "key": "", "value": "b"}),
    post("experiments/delete-experiment-tag", {**E, "key": "a"}),
    post("experiments/delete-experiment-tag", {**E, "key": "a"}),
    get("experiments/get?experiment_id={e}"),
    post("experiments/restore", E),
    post("experiments/delete", {"experiment_id": "999999"}),
]  # fmt: skip

RUNS = [
    post("runs/create", {**E, "user_id": "carol", "start_time": 5, "run_name": "first",
                         "tags": [{"key": "t", "value": "1"}]},
         save={"run": ("run", "info", "run_id")}),
    post("runs/create", {**E, "start_time": 6, "tags": [{"key": "mlflow.runName", "value": "by tag"}]},
         save={"run2": ("run", "info", "run_id")}),
    post("runs/create", {**E, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}),
    post("runs/create", {"experiment_id": "999999"}),
    post("runs/create", {"experiment_id": 0}),
    post("runs/create", {**E, "start_time": "soon"}),
    get("runs/get?run_id={run}"),
    get("runs/get?run_uuid={run}"),
    get("runs/get?run_id=" + "0" * 32),
    get("runs/get"),
    post("runs/update", {**R, "status": "FINISHED", "end_time": 9, "run_name": "renamed"}),
    post("runs/update", {**R, "status": "RUNNING", "run_name": ""}),
    post("runs/update", {"status": "RUNNING"}),
    post("runs/log-metric", {**R, **metric()}),
    post("runs/log-metric", {**R, "key": "m", "timestamp": 1}),
    post("runs/log-metric", {**R, "key": "m", "value": 1.0}),
    post("runs/log-metric", {**R, **metric(step="foo")}),
    post("runs/log-metric", {**R, **metric(timestamp="foo")}),
    post("runs/log-metric", {**R, **metric(key=31)}),
    post("runs/log-metric", {**R, **metric(key="")}),
    post("runs/log-metric", {**R, **metric(key="a//b")}),
    post("runs/log-metric", {**R, **metric(key="../a")}),
    post("runs/log-metric", {**R, **metric(key="a?b")}),
    post("runs/log-metric", {**R, **metric(key="k" * 251)}),
    post("runs/log-metric", {**R, **metric(key="text", value="12")}),
    post("runs/log-metric", {**R, **metric(key="nan", value="NaN")}),
    post("runs/log-metric", {**R, **metric(key="inf", value="Infinity")}),
    post("runs/log-metric", {**R, **metric(key="many", value="many")}),
    post("runs/log-metric", {**R, **metric(key="big", step=2**53 + 1)}),
    post("runs/log-metric", {**R, **metric(key="neg", step=-5)}),
    post("runs/log-metric", {**R, **metric(key="early", timestamp=-1)}),
    post("runs/log-metric", {"run_id": 31, **metric()}),
    post("runs/log-metric", {"run_id": "0" * 32, **metric()}),
    post("runs/log-parameter", {**R, "key": "p", "value": "1"}),
    post("runs/log-parameter", {**R, "key": "p", "value": "1"}),
    post("runs/log-parameter", {**R, "key": "p", "value": "2"}),
    post("runs/log-parameter", {**R, "key": "empty", "value": ""}),
    post("runs/log-parameter", {**R, "key": "missing"}),
    post("runs/log-parameter", {**R, "key": "long", "value": "x" * 7000}),
    post("runs/log-parameter", {**R, "key": 31, "value": "x"}),
    post("runs/set-tag", {**R, "key": "t", "value": "2"}),
    post("runs/set-tag", {"run_uuid": "{run}", "key": "u", "value": "3"}),
    post("runs/set-tag", {**R, "key": "long", "value": "x" * 9000}),
    post("runs/set-tag", {**R, "key": "v", "value": 41}),
    post("runs/set-tag", {**R, "key": "", "value": "x"}),
    post("runs/set-tag", {**R, "key": "mlflow.runName", "value": "tagged"}),
    post("runs/delete-tag", {**R, "key": "u"}),
    post("runs/delete-tag", {**R, "key": "u"}),
    get("runs/get?run_id={run}"),
    log(metrics=[metric("b", 2.0, 3, 1), metric("b", 2.0, 3, 1), metric("b", 1.0, 4, 9), metric("b", 5.0, 5, 2)]),
    log(metrics=[{"key": "k"}]),
    log(metrics="foo"),
    log(params=[{"key": "q", "value": "1"}, {"key": "q", "value": "1"}]),
    log(params=[{"key": "p", "value": "9"}], metrics=[metric("never")], tags=[{"key": "never", "value": "x"}]),
    log(params=[{"key": f"k{i}", "value": ""} for i in range(101)]),
    log(tags=[{"key": f"k{i}", "value": ""} for i in range(101)]),
    log(metrics=[metric(f"k{i}") for i in range(1001)]),
    log(metrics=[metric(f"k{i}") for i in range(950)], params=[{"key": f"z{i}", "value": ""} for i in range(51)]),
    log(tags=[{"key": "last", "value": "1"}, {"key": "last", "value": "2"}]),
    log(),
    post("runs/log-batch", {"metrics": []}),
    post("runs/log-batch", {"run_id": "0" * 32}),
    post("runs/log-batch", '"{\\"run_id\\": \\"{run}\\"}"'),
    get("runs/get?run_id={run}"),
    get("metrics/get-history?run_id={run}&metric_key=b"),
    get("metrics/get-history?run_id={run}&metric_key=b&max_results=2", only_status=True),
    get("metrics/get-history?run_id={run}&metric_key=nan"),
    get("metrics/get-history?run_id={run}&metric_key=none"),
    get("metrics/get-history?run_id={run}"),
    get("metrics/get-history?run_id={run}&metric_key=b&max_results=0", only_status=True),
    post("runs/log-inputs", {**R, "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "train"}],
         "dataset": {"name": "d", "digest": "x1", "source_type": "t", "source": "s"}}]}),
    post("runs/log-inputs", {"datasets": []}),
    get("runs/get?run_id={run}"),
    get("artifacts/list?run_id={run}"),
    get("artifacts/list?run_id={run}&path=none"),
    get("artifacts/list?run_id={run}&path=../x"),
    get("artifacts/list?run_id={run}&path=%2Fetc"),
    get("artifacts/list?run_id={run}&path=%252e%252e%252f"),
    get("artifacts/list"),
]  # fmt: skip

FILTERS = [
    "metrics.b > 0.5", "metrics.b = 1", "metrics.b != 1", "metrics.`b` <= 1.0", "metrics.none > 1",
    "metrics.nan != 3", "metrics.nan > 0", "metrics.b > '1'", "metrics.b > nan", "metrics.b == 1",
    "params.p = '1'", "params.p = 1", "params.p != '2'", "params.none != '2'", "params.p LIKE '%1%'",
    "params.p IN ('1')", "params.none IS NULL", "params.p IS NOT NULL", 'params."p" = "1"',
    "parameter.p = '1'", "tags.t = '2'", "tags.T = '2'", "tag.t ILIKE '2'", "tags.mlflow.runName = 'tagged'",
    "attributes.run_name = 'tagged'", "run_name = 'tagged'", "attributes.status = 'RUNNING'",
    "status != 'FINISHED'", "attributes.start_time > 4", "start_time = '5'", "created > 4",
    "attributes.user_id = 'carol'", "run_id = '{run}'", "run_id IN ('{run}', 'x')", "run_id NOT IN ('{run}')",
    "run_name IN ('tagged')", "attributes.experiment_id = '1'", "artifact_uri LIKE '%{run}%'",
    "dataset.name = 'd'", "datasets.context = 'train'", "dataset.digest IN ('x1')", "dataset.none = 'd'",
    "metrics.b > 0 AND params.p = '1' and tags.t = '2'", "metrics.b > 0 OR params.p = '1'",
    "(metrics.b > 0)", "metrics.b > 0;", "metrics.b", "> 1", "banana.b = 1", "''",
    "tags.mlflow.runName LIKE 'TAG%'", "tags.mlflow.runName ILIKE 'TAG%'", "NOT metrics.b > 1",
    "metrics.b > 1e-3", "metrics.b > -1.5", "metrics.b BETWEEN 1 AND 2", "tags.t = tags.t",
]  # fmt: skip
ORDERS = [
    ["metrics.b DESC"], ["metrics.b ASC"], ["params.p"], ["tags.t DESC"], ["attributes.start_time ASC"],
    ["start_time"], ["attributes.run_name"], ["metrics.nan DESC"], ["dataset.name"], ["banana"],
    ["metrics.b SIDEWAYS"], ["end_time DESC"], ["attribute.status"], ["metrics.`b`"],
]  # fmt: skip

SEARCHES = [
    *[search(text) for text in FILTERS],
    *[search("", order_by=order) for order in ORDERS],
    search("", max_results=1, run_view_type="ALL"),
    search("", max_results=0),
    search("", max_results=50001),
    search("", run_view_type="DELETED_ONLY"),
    post("runs/search", {"experiment_ids": []}),
    post("runs/search", {}),
    post("runs/search", {"experiment_ids": "{e}"}),
]

LIFECYCLE = [
    post("runs/delete", {"run_id": "{run2}"}),
    post("runs/delete", {"run_id": "{run2}"}),
    post("runs/log-metric", {"run_id": "{run2}", **metric()}),
    post("runs/set-tag", {"run_id": "{run2}", "key": "a", "value": "b"}),
    post("runs/update", {"run_id": "{run2}", "status": "FINISHED"}),
    get("runs/get?run_id={run2}"),
    search("", run_view_type="DELETED_ONLY"),
    post("runs/restore", {"run_id": "{run2}"}),
    post("runs/restore", {"run_id": "{run2}"}),
    post("runs/delete", {}),
    post("runs/delete", {"run_id": "0" * 32}),
    post("experiments/delete", E),
    post("experiments/delete", E),
    get("experiments/get?experiment_id={e}"),
    post("runs/create", E),
    post("experiments/set-experiment-tag", {**E, "key": "a", "value": "b"}),
    search("", run_view_type="ALL"),
    post("experiments/restore", E),
    get("runs/get?run_id={run2}"),
]

MODELS = [
    post("logged-models", {**E, "name": "net", "source_run_id": "{run}", "params": [{"key": "a", "value": "1"}],
                           "tags": [{"key": "t", "value": "u"}]},
         save={"m": ("model", "info", "model_id")}),
    post("logged-models", {**E, "name": "a/b"}),
    post("logged-models", {"name": "net"}),
    post("logged-models", {"experiment_id": "999999", "name": "net"}),
    get("logged-models/{m}"),
    get("logged-models/m-" + "0" * 32),
    patch("logged-models/{m}", {"model_id": "{m}", "status": "LOGGED_MODEL_READY"}),
    patch("logged-models/{m}/tags", {"tags": [{"key": "x", "value": "y"}]}),
    delete("logged-models/{m}/tags/x"),
    delete("logged-models/{m}/tags/x"),
    post("runs/outputs", {**R, "models": [{"model_id": "{m}", "step": 3}]}),
    post("runs/log-metric", {**R, **metric("mm", 0.5, model_id="{m}")}),
    get("logged-models/{m}"),
    post("logged-models/search", {"experiment_ids": ["{e}"], "filter": "metrics.mm > 0.1"}),
    post("logged-models/search", {"experiment_ids": ["{e}"], "filter": "name = 'net' AND params.a = '1'"}),
    post("logged-models/search", {"experiment_ids": ["{e}"], "filter": "tags.t LIKE 'U%'"}),
    post("logged-models/search", {"experiment_ids": ["{e}"], "filter": "name = "}),
    post("logged-models/search", {}),
    get("runs/get?run_id={run}"),
]  # fmt: skip

N = {"name": "{u}-model"}
V1 = {**N, "version": "1"}
REGISTRY = [
    post("registered-models/create", {**N, "description": "d", "tags": [{"key": "a", "value": "b"}]}),
    post("registered-models/create", N),
    post("registered-models/create", {"name": ""}),
    post("registered-models/create", {"name": "a/b"}),
    post("registered-models/create", {}),
    get("registered-models/get?name={u}-model"),
    get("registered-models/get?name={u}-none"),
    get("registered-models/get"),
    patch("registered-models/update", {**N, "description": "new"}),
    patch("registered-models/update", {"name": "{u}-none", "description": "new"}),
    post("registered-models/set-tag", {**N, "key": "k", "value": "v"}),
    delete("registered-models/delete-tag", {**N, "key": "k"}),
    delete("registered-models/delete-tag", {**N, "key": "k"}),
    post("model-versions/create", {**N, "source": "models:/{m}", "model_id": "{m}"}),
    post("model-versions/create", {**N, "source": "runs:/{run}/model", "run_id": "{run}"}),
    post("model-versions/create", {**N, "source": "s3://bucket/x", "tags": [{"key": "a", "value": "b"}]}),
    post("model-versions/create", {**N}),
    post("model-versions/create", {"name": "{u}-none", "source": "s3://bucket/x"}),
    post("model-versions/create", {**N, "source": "/etc/passwd"}),
    post("model-versions/create", {**N, "source": "file:///etc"}),
    post("model-versions/create", {**N, "source": "https://example.org/a/../b"}),
    post("model-versions/create", {**N, "source": "mlflow-artifacts:/../x"}),
    post("model-versions/create", {**N, "source": "s3://bucket/%2e%2e/x"}),
    get("model-versions/get?name={u}-model&version=1"),
    get("model-versions/get?name={u}-model&version=3"),
    get("model-versions/get?name={u}-model&version=99"),
    get("model-versions/get?name={u}-model&version=abc"),
    Step("GET", "model-versions/get?name={u}-model"),
    patch("model-versions/update", {**V1, "description": "first"}),
    patch("model-versions/update", {**N, "version": 1, "description": "x"}),
    post("model-versions/set-tag", {**V1, "key": "k", "value": "v"}),
    post("model-versions/set-tag", {**V1, "key": "k2", "value": ""}),
    delete("model-versions/delete-tag", {**V1, "key": "k2"}),
    delete("model-versions/delete-tag", {**V1, "key": "k2"}),
    get("model-versions/get-download-uri?name={u}-model&version=3"),
    post("registered-models/alias", {**V1, "alias": "champion"}),
    post("registered-models/alias", {**N, "version": "99", "alias": "champion"}),
    post("registered-models/alias", {**V1, "alias": "latest"}),
    post("registered-models/alias", {**V1, "alias": "v7"}),
    post("registered-models/alias", {**V1, "alias": "a b"}),
    get("registered-models/alias?name={u}-model&alias=champion"),
    get("registered-models/alias?name={u}-model&alias=none"),
    get("registered-models/alias?name={u}-none&alias=none"),
    get("registered-models/alias?name={u}-model&alias=latest"),
    post("model-versions/transition-stage", {**V1, "stage": "production", "archive_existing_versions": False}),
    post("model-versions/transition-stage", {**V1, "stage": "Nowhere", "archive_existing_versions": False}),
    post("model-versions/transition-stage",
         {**N, "version": "2", "stage": "Production", "archive_existing_versions": True}),
    post("registered-models/get-latest-versions", {**N, "stages": ["Production"]}),
    post("registered-models/get-latest-versions", {**N, "stages": ["Nowhere"]}),
    get("registered-models/get-latest-versions?name={u}-model"),
    get("registered-models/get?name={u}-model"),
    get("registered-models/search?filter=name%20%3D%20'{u}-model'"),
    get("registered-models/search?filter=name%20LIKE%20'{u}%25'&max_results=1"),
    get("registered-models/search?filter=banana"),
    get("registered-models/search?max_results=1001"),
    get("model-versions/search?filter=name%3D'{u}-model'"),
    get("model-versions/search?filter=name%3D'{u}-model'%20AND%20version_number%20%3E%201"),
    get("model-versions/search?filter=run_id%3D'{run}'"),
    get("model-versions/search?filter=name%3D'{u}-model'&order_by=version_number%20ASC"),
    get("model-versions/search?filter=source_path%20LIKE%20's3%25'%20and%20name%3D'{u}-model'"),
    get("model-versions/search?filter=tags.a%20%3D%20'b'%20and%20name%3D'{u}-model'"),
    get("model-versions/search?filter=size%20%3D%201"),
    delete("registered-models/alias", {**N, "alias": "champion"}),
    delete("registered-models/alias", {**N, "alias": "champion"}),
    post("registered-models/rename", {**N, "new_name": "{u}-renamed"}),
    post("registered-models/rename", {"name": "{u}-renamed", "new_name": "{u}-renamed"}, only_status=True),
    post("registered-models/rename", {"name": "{u}-none", "new_name": "x"}),
    delete("model-versions/delete", {"name": "{u}-renamed", "version": "3"}),
    delete("model-versions/delete", {"name": "{u}-renamed", "version": "3"}),
    post("model-versions/create", {"name": "{u}-renamed", "source": "s3://bucket/y"}, only_status=True),
    delete("registered-models/delete", {"name": "{u}-renamed"}),
    delete("registered-models/delete", {"name": "{u}-renamed"}),
]  # fmt: skip

STEPS = [*EXPERIMENTS, *RUNS, *SEARCHES, *LIFECYCLE, *MODELS, *REGISTRY]
