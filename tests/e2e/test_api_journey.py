"""The main job by API alone, line by line of the pinned routes, against a running product."""

import gzip
import time

import psutil
import pytest

from tests.e2e.api_client import (
    STATUSES,
    Client,
    child_of,
    csv,
    hills,
    koi_file,
    passengers,
    start,
    until,
    whole,
)

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
STOP_WITHIN_S = 2.0
RESUMED_WITHIN_S = 30.0
LONG = {"max_iter": 3000, "early_stopping": False}


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("journey") / "data")
    yield running
    running.stop()
    running.close()


@pytest.fixture(scope="module")
def api(product):
    return Client(product)


@pytest.fixture(scope="module")
def ship(api):
    """A ready dataset of passengers."""
    return api.ready("ship", passengers())


@pytest.fixture(scope="module")
def koi(api):
    """The real table of Kepler objects, or the passengers often enough to learn for a while."""
    content = koi_file()
    if content is None:
        pytest.skip("no Kepler table here")
    return api.ready("koi", content, "nasa_kepler_koi.csv")


@pytest.fixture(scope="module")
def finished(api, ship):
    """A completed training of the passengers, registered as `ship-model`."""
    job = api.train(
        dataset=ship, target="survived", model_type="hist_gradient_boosting", seed=7,
        hyperparameters={"max_iter": 30}, register_as="ship-model", name="first",
    )  # fmt: skip
    return api.wait(job, "completed")


def test_health_needs_no_sign_in_and_the_rest_does(product, api):
    anonymous = {"Authorization": ""}
    assert product.get("/health") == 200
    for path in ("/datasets/", "/ml-platform/training-jobs/", "/ml-platform/models/"):
        refused = api.http.get(path, headers=anonymous)
        assert refused.status_code == 401
        assert refused.json()["error_code"] == "unauthenticated"
    wrong = api.http.post(
        "/auth/token/", json={"username": "root", "password": "wrong"}, headers=anonymous
    )
    assert wrong.status_code == 401


def test_an_upload_answers_as_pinned_and_the_same_bytes_are_the_same_version(api):
    table = csv(["a", "b", "kind"], [[n, n * n, "xy"[n % 2]] for n in range(12)])
    first = api.upload("tiny", table)
    assert first["version"] == 1
    assert first["status"] in ("validating", "ready")
    ready = api.validated(first["id"])
    assert {"id", "name", "version", "status"} <= set(ready)
    assert (ready["name"], ready["version"], ready["status"]) == ("tiny", 1, "ready")
    again = api.upload("tiny", table)
    assert (again["id"], again["version"]) == (first["id"], 1)

    changed = api.upload("tiny", table.replace(b"3,9,y", b"3,10,y") + b"12,144,x\n")
    assert (changed["id"], changed["version"]) == (first["id"], 2)
    assert api.validated(first["id"])["version"] == 2
    difference = api.get(f"/datasets/{first['id']}/versions/2/")["difference"]
    assert (difference["rows_added"], difference["rows_removed"]) == (1, 0)
    assert difference["rows_changed"] == 1


def test_profile_and_rows_have_the_pinned_shape(api, ship):
    profile = api.get(f"/datasets/{ship}/versions/1/profile/")
    assert (profile["n_rows"], profile["n_columns"]) == (300, 8)
    assert all({"name", "type"} <= set(column) for column in profile["columns"])
    assert all({"code", "column", "message"} <= set(one) for one in profile["warnings"])
    assert {("identifier_column", "id"), ("identifier_column", "name")} <= {
        (one["code"], one["column"]) for one in profile["warnings"]
    }
    page = api.get(f"/datasets/{ship}/versions/1/rows/?limit=2&offset=298")
    assert len(page["rows"]) == 2
    assert page["total"] == 300
    assert api.get(f"/datasets/{ship}/versions/1/rows/?limit=2&offset=300")["rows"] == []


def test_model_types_come_with_json_schemas(api):
    types = {one["name"]: one for one in api.get("/ml-platform/model-types/")["results"]}
    assert {
        "hist_gradient_boosting", "random_forest", "logistic_regression", "mlp", "svm", "knn",
        "dummy",
    } <= set(types)  # fmt: skip
    for one in types.values():
        assert one["hyperparameters"]["type"] == "object"
        assert isinstance(one["hyperparameters"]["properties"], dict)


def test_a_finished_training_has_result_predictions_and_logs(api, finished):
    job = finished["id"]
    assert {"id", "run", "status", "progress", "stage", "eta_s", "metrics"} <= set(finished)
    assert finished["progress"] == 100
    result = api.get(f"/ml-platform/training-jobs/{job}/result/")
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "pr_auc", "log_loss"):
        metric = result["metrics"][name]
        assert metric["low"] <= metric["value"] <= metric["high"], name
        assert metric["baseline"] is not None
    keys = {"confusion_matrix", "roc_curve", "pr_curve", "calibration", "feature_importance"}
    assert keys <= set(result)
    page = api.get(f"/ml-platform/training-jobs/{job}/predictions/?limit=3&offset=1")
    assert len(page["results"]) == 3
    assert page["count"] == sum(map(sum, result["confusion_matrix"]["counts"]))
    for one in page["results"]:
        pinned = {"row", "prediction", "confidence", "probabilities", "actual", "reasons"}
        assert pinned <= set(one)
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=0.001)
        for reason in one["reasons"]:
            assert {"feature", "value", "contribution", "text"} <= set(reason)
    assert api.get(f"/ml-platform/training-jobs/{job}/logs/")["lines"]


@pytest.mark.parametrize("action", ["pause", "resume", "stop", "retry"])
def test_nothing_can_be_done_to_a_completed_training(api, finished, action):
    refused = api.control(finished["id"], action, expect=409)
    assert "completed" in refused["message"]


def test_polling_stream_and_socket_tell_the_same_without_a_gap(api, finished):
    polled = api.events(finished["id"])
    assert whole(polled)
    assert polled[-1]["seq"] >= 10
    statuses = [one["data"]["status"] for one in polled if one["kind"] == "run.status"]
    assert (statuses[0], statuses[-1]) == ("queued", "completed")
    assert api.get(f"/ml-platform/training-jobs/{finished['id']}/events/?after=3")["events"][0][
        "seq"
    ] == 4  # fmt: skip

    streamed = []
    for name, _, frame in api.stream(finished["id"]):
        if name == "events":
            streamed += frame["events"]
            if streamed[-1]["seq"] >= polled[-1]["seq"]:
                break
    assert streamed == polled

    for last_id in (f"run:{finished['run']}:5", "5"):
        resumed = []
        for name, _, frame in api.stream(finished["id"], last_id):
            if name == "events":
                resumed += frame["events"]
                if resumed[-1]["seq"] >= polled[-1]["seq"]:
                    break
        assert resumed == polled[5:]

    run, end = finished["run"], polled[-1]["seq"]
    for protocol in (None, f"assay.token.{api.token}", api.token):
        heard = api.socket_frames(run, after=0, until_seq=end, as_protocol=protocol)
        assert heard == polled
    assert api.socket_frames(run, after=6, until_seq=end, as_protocol=None) == polled[6:]


def test_the_registered_version_knows_its_origin_and_predicts(api, ship, finished):
    models = {one["name"]: one for one in api.get("/ml-platform/models/")["results"]}
    version = models["ship-model"]["versions"][0]
    assert (version["version"], version["run"]) == (1, finished["run"])
    assert (version["dataset"], version["dataset_version"]) == (ship, 1)

    path = "/ml-platform/models/ship-model/versions/1/predict/"
    row = {"class": 1, "sex": "female", "age": None, "fare": 80.0, "cabin": "C1"}
    answer = api.post(path, {"rows": [row, {**row, "sex": "male"}]}, 200)
    assert len(answer["predictions"]) == 2
    assert all({"prediction", "confidence"} <= set(one) for one in answer["predictions"])

    refused = api.post(path, {"rows": [{"class": 1, "sex": "female"}]}, 422)
    assert refused["error_code"] == "input_schema_mismatch"
    assert {"age", "fare", "cabin"} <= set(refused["details"]["missing"])
    refused = api.post(path, {"rows": [{**row, "fare": "dear"}]}, 422)
    assert "fare" in refused["message"]
    assert api.post(path, {"rows": [row] * 1001}, 400)["error_code"] == "invalid"
    assert len(api.post(path, {"rows": [row] * 1000}, 200)["predictions"]) == 1000

    sent = api.http.post(path, files={"file": ("new.csv", passengers(40, seed=9))})
    assert sent.status_code == 202, sent.text
    batch = f"/ml-platform/predictions/{sent.json()['id']}/"
    done = until(lambda: (now := api.get(batch))["status"] in ("completed", "failed") and now)
    assert (done["status"], done["n_rows"]) == ("completed", 40)
    assert api.http.get(f"{batch}result/").content[:4] == b"PAR1"

    sent = api.http.post(path, files={"file": ("other.csv", b"a,b\n1,2\n")})
    batch = f"/ml-platform/predictions/{sent.json()['id']}/"
    failed = until(lambda: (now := api.get(batch))["status"] in ("completed", "failed") and now)
    assert failed["error"]["code"] == "input_schema_mismatch"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": "nothing"}, "target"),
        ({"model_type": "oracle"}, "model_type"),
        ({"hyperparameters": {"depth": 3}}, "hyperparameters.depth"),
        ({"hyperparameters": {"max_iter": 10**9}}, "hyperparameters.max_iter"),
        ({"exclude": ["nothing"]}, "exclude"),
        ({"validation": "horoscope"}, "validation.kind"),
        ({"validation": {"kind": "group", "group_column": "nothing"}}, "validation.group_column"),
        ({"seed": -1}, "seed"),
        ({"version": 9}, "version"),
        ({"register_as": "../../x"}, "register_as"),
        ({"target": "name"}, "target"),
        ({"extra": 1}, "extra"),
    ],
)
def test_an_impossible_specification_is_refused_by_field_and_makes_no_job(api, ship, change, field):
    before = api.get("/ml-platform/training-jobs/?limit=1")["results"]
    good = {"dataset": ship, "target": "survived", "model_type": "hist_gradient_boosting"}
    refused = api.post("/ml-platform/training-jobs/", {**good, **change}, 400)
    details = refused["details"]
    assert field in (details.get("field"), *details.get("fields", {}))
    assert api.get("/ml-platform/training-jobs/?limit=1")["results"] == before


def test_pause_resume_stop_and_retry_from_every_state(api, koi):
    job = api.train(
        dataset=koi, target="koi_disposition", model_type="hist_gradient_boosting",
        hyperparameters=LONG, seed=3,
    )  # fmt: skip
    before = api.learning(job)
    for action in ("resume", "retry"):
        assert "running" in api.control(job, action, expect=409)["message"]
    assert api.post(f"/ml-platform/training-jobs/{job}/control/", {"action": "fly"}, 400)
    assert api.control(job, "pause")["status"] in ("pausing", "paused")
    paused = api.wait(job, "paused")
    assert paused["progress"] >= before["progress"]
    for action in ("pause", "retry"):
        assert "paus" in api.control(job, action, expect=409)["message"]
    assert api.control(job, "resume")["status"] in STATUSES
    api.learning(job, above=paused["progress"])
    asked_at = time.monotonic()
    assert api.control(job, "stop")["status"] in ("stopping", "stopped")
    api.wait(job, "stopped", within_s=20)
    assert time.monotonic() - asked_at < STOP_WITHIN_S + 1  # the question itself takes its time
    for action in ("pause", "resume", "stop"):
        assert "stop" in api.control(job, action, expect=409)["message"]

    # What was learned so far gets its report, and only then can it be registered.
    path = f"/ml-platform/training-jobs/{job}/result/"
    answer = until(lambda: (now := api.http.get(path)).status_code == 200 and now, 120)
    assert answer.json()["status"] == "stopped"
    assert api.post("/ml-platform/models/", {"name": "halfway", "run": before["run"]}, 201)

    assert api.control(job, "retry")["status"] in STATUSES
    api.wait(job, "running")
    api.control(job, "stop")
    api.wait(job, "stopped")
    assert whole(api.events(job))


@pytest.mark.parametrize(
    ("model_type", "hyperparameters"),
    [("svm", {"C": 1000.0}), ("random_forest", {"n_estimators": 2000}), ("mlp", {"max_iter": 500}),
     ("gradient_boosting", {"n_estimators": 2000}), ("knn", {})],
)  # fmt: skip
def test_stop_takes_effect_within_two_seconds(api, koi, model_type, hyperparameters):
    job = api.train(
        dataset=koi, target="koi_disposition", model_type=model_type,
        hyperparameters=hyperparameters, validation={"kind": "kfold", "n_folds": 20},
    )  # fmt: skip
    until(lambda: api.job(job)["stage"] not in ("", "loading"))
    asked_at = time.monotonic()
    api.control(job, "stop")
    ended = api.wait(job, "stopped", within_s=20)
    assert time.monotonic() - asked_at < STOP_WITHIN_S + 1, ended["stage"]
    api.control(job, "retry")
    api.control(job, "stop")


def test_killed_child_and_killed_worker_change_nothing_about_the_result(api, product, koi):
    wanted = {
        "dataset": koi, "target": "koi_disposition", "model_type": "hist_gradient_boosting",
        "seed": 11, "hyperparameters": {"max_iter": 250, "early_stopping": False},
    }  # fmt: skip
    undisturbed = api.wait(api.train(**wanted), "completed")["metrics"]

    job = api.train(**wanted)
    api.learning(job, above=10)
    child_of(product, job).kill()
    killed_at = time.monotonic()
    until(lambda: _attempts(api, job) >= 2, RESUMED_WITHIN_S)
    api.learning(job)
    assert time.monotonic() - killed_at < RESUMED_WITHIN_S

    api.learning(job, above=api.job(job)["progress"] + 5)
    worker = psutil.Process(child_of(product, job).pid).parent()
    worker.kill()
    killed_at = time.monotonic()
    until(lambda: _attempts(api, job) >= 3, RESUMED_WITHIN_S)
    assert time.monotonic() - killed_at < RESUMED_WITHIN_S
    assert api.wait(job, "completed")["metrics"] == undisturbed
    assert whole(api.events(job))


def _attempts(api, job):
    return max(
        (one["data"]["attempt"] for one in api.events(job) if one["kind"] == "run.status"),
        default=0,
    )


def test_a_killed_web_server_comes_back_and_no_event_is_missing(api, product, koi):
    job = api.train(
        dataset=koi, target="koi_disposition", model_type="hist_gradient_boosting",
        hyperparameters=LONG, seed=5,
    )  # fmt: skip
    api.learning(job)
    seen = api.events(job)
    psutil.Process(product.children()["web"]).kill()
    until(lambda: _healthy(product), 60)
    during = api.events(job, after=seen[-1]["seq"])
    api.learning(job, above=api.job(job)["progress"])
    api.control(job, "stop")
    api.wait(job, "stopped")
    later = api.events(job, after=(seen + during)[-1]["seq"])
    assert whole(seen + during + later)
    assert api.events(job)[: len(seen + during + later)] == seen + during + later


def _healthy(product):
    try:
        return product.get("/health") == 200
    except OSError:
        return False


def test_a_regression_is_measured_as_one(api):
    dataset = api.ready("hills", hills())
    job = api.train(dataset=dataset, target="height", model_type="ridge", seed=1)
    api.wait(job, "completed")
    result = api.get(f"/ml-platform/training-jobs/{job}/result/")
    assert result["task"] == "regression"
    assert result["metrics"]["r2"]["value"] > 0.9 > result["metrics"]["r2"]["baseline"]
    assert {"mae", "rmse"} <= set(result["metrics"])
    assert result["residuals"]


def test_a_table_of_two_thousand_columns_is_read_and_learned(api):
    names = [f"f{number}" for number in range(1999)]
    # Every tenth column tells the classes apart, the others are noise.
    rows = [
        [row % 2, *((row * n) % 7 + (9 * (row % 2) if n % 10 == 0 else 0) for n in range(1999))]
        for row in range(60)
    ]
    dataset = api.ready("wide", csv(["y", *names], rows))
    assert api.get(f"/datasets/{dataset}/versions/1/profile/")["n_columns"] == 2000
    job = api.train(dataset=dataset, target="y", model_type="logistic_regression", seed=1)
    assert api.wait(job, "completed", within_s=280)["metrics"]["accuracy"] >= 0.9


REFUSED = {
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(300), "unsupported_format"),
    "elf": (b"\x7fELF" + bytes(300), "unsupported_format"),
    "pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.", "unsupported_format"),
    "html": (b"<html><body>no</body></html>", "unsupported_format"),
    "zip": (b"PK\x03\x04" + bytes(100), "unsupported_format"),
    "empty": (b"", "empty_file"),
    "blank lines": (b"\n\n\n", "empty_file"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_table_is_refused_and_leaves_nothing(api, product, name):
    content, code = REFUSED[name]
    files_before = _files(product)
    assert api.upload(f"refused {name}", content, expect=422)["error_code"] == code
    assert not api.get(f"/datasets/?search=refused {name}")["results"]
    assert _files(product) == files_before


def _files(product):
    return sorted(
        path.relative_to(product.data_dir)
        for room in ("blobs", "incoming")
        for path in (product.data_dir / room).rglob("*")
        if path.is_file()
    )


FAILED = {
    "cut gzip": (gzip.compress(passengers())[:-200], "broken_gzip"),
    "nul": (b"a,b\n1,\x002\n3,4\n", "nul_character"),
    "ragged": (b"a,b\n" + b"1,2\n" * 50 + b"1,2,3\n", "ragged_rows"),
    "ragged everywhere": (b"a,b\n" + b"1,2,3\n" * 50, "ragged_rows"),
    "header only": (b"a,b,c\n", "no_data_rows"),
    "nested json": (b'[{"a": {"b": 1}}]', "nested_value"),
    "deep json": (b"[" * 100_000, "nested_value"),
    "unclosed quote": (b'a,b\n"x,1\n' + b"2,3\n" * 20, "unclosed_quote"),
    "cut parquet": (b"PAR1" + b"x" * 200, "invalid_parquet"),
}
READ = {
    "utf-16": ("a,b\n" + "ä,1\nö,2\n" * 20).encode("utf-16"),
    "latin-1": ("a,b\n" + "Müller,1\nÖzil,2\n" * 20).encode("latin-1"),
    "decimal comma": ("a;b\n" + "1,5;2,25\n3,75;4,5\n" * 20).encode(),
    "json lines": b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n' * 20,
    "old mac": b"a,b\r1,2\r3,4\r",
}


def test_broken_tables_fail_with_a_reason_and_odd_ones_are_read(api):
    made = {name: api.upload(f"odd {name}", content)["id"] for name, (content, _) in FAILED.items()}
    read = {name: api.upload(f"odd {name}", content)["id"] for name, content in READ.items()}
    for name, dataset in made.items():
        found = api.validated(dataset)
        assert (name, found["status"]) == (name, "failed")
        assert (name, found["error"]["code"]) == (name, FAILED[name][1])
    for name, dataset in read.items():
        found = api.validated(dataset)
        assert (name, found["status"], found["n_columns"]) == (name, "ready", 2)
    decimals = api.get(f"/datasets/{read['decimal comma']}/versions/1/")["schema"]["columns"]
    assert [column["type"] for column in decimals] == ["number", "number"]
