"""Artifacts over the protocol: round trips, headers, ranges, parts, and who may do what."""

import hashlib
import json
from urllib.parse import quote, urlsplit

import pytest

from assets.storage import temp_dir
from experiments.models import ArtifactFile
from experiments.services.frozen_folders import freeze_folder
from platform_site.core.transactions import write_transaction
from tests.experiments.artifact_help import folder_of, make_experiment, make_model, make_run, put
from tests.experiments.dataset_help import stored_files
from tests.experiments.protocol_help import ProtocolClient
from tests.people import project_of

pytestmark = pytest.mark.usefixtures("own_store")
PROXY = "/api/2.0/mlflow-artifacts/"
BYTES = bytes(range(256)) * 4


@pytest.fixture
def run(people):
    return make_run(people.project)


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def bob(people):
    return ProtocolClient(people.bob)


@pytest.fixture
def charlie(people):
    project_of((people.charlie, "administrator"), name="Elsewhere")
    return ProtocolClient(people.charlie)


def file_url(path) -> str:
    return f"{PROXY}artifacts/{quote(path)}"


def send(client, path, content=b"content", **more):
    more = {"content_type": "text/plain", **more}
    return client.call("PUT", file_url(path), content, **more)


def body(answer) -> bytes:
    return answer.getvalue() if answer.streaming else answer.content


def listed(client, path):
    return client.get(f"{PROXY}artifacts", {"path": path}).json()


# Round trips.


def test_a_file_goes_in_and_comes_out_as_it_was(alice, bob, run):
    path = f"{folder_of(run)}/data.bin"
    sent = send(alice, path, BYTES, content_type="")
    assert (sent.status_code, sent.content) == (200, b"")
    answer = bob.get(file_url(path))
    assert (answer.status_code, body(answer)) == (200, BYTES)
    assert answer.headers["Content-Length"] == "1024"
    assert send(alice, path, b"other").status_code == 200
    assert body(bob.get(file_url(path))) == b"other"


def test_a_file_larger_than_the_buffer_comes_out_as_it_was(alice, run):
    content = bytes(range(256)) * 4096 * 3 + b"end"
    path = f"{folder_of(run)}/data.bin"
    assert send(alice, path, content).status_code == 200
    assert body(alice.get(file_url(path))) == content


def test_an_empty_file_is_a_file_without_a_size(alice, run):
    send(alice, f"{folder_of(run)}/empty.txt", b"")
    assert listed(alice, folder_of(run)) == {"files": [{"path": "empty.txt", "is_dir": False}]}
    assert body(alice.get(file_url(f"{folder_of(run)}/empty.txt"))) == b""


@pytest.mark.parametrize(
    "name",
    [
        "with space.txt", "a+b.txt", "a&b.txt", "it's.txt", 'quo"te.txt', "semi;colon.txt",
        "back\\slash.txt", "日本語.txt", "émile.txt", "😀.txt", "100%.txt", "%41.txt", "a:b.txt",
        "CON", "x::$DATA", ".hidden", "trailing.", "=1+1.csv",
    ],
)  # fmt: skip
def test_odd_names_round_trip(alice, run, name):
    path = f"{folder_of(run)}/{name}"
    assert send(alice, path, name.encode()).status_code == 200
    assert listed(alice, folder_of(run))["files"][0]["path"] == name
    assert body(alice.get(file_url(path))) == name.encode()
    answer = alice.get("artifacts/list", {"run_id": run.uuid})
    assert answer.json()["files"][0]["path"] == name
    answer = alice.get("/get-artifact", {"run_id": run.uuid, "path": name})
    assert body(answer) == name.encode()
    answer.headers["Content-Disposition"].encode("ascii")
    assert alice.delete(file_url(path)).json() == {}
    assert listed(alice, folder_of(run)) == {}


def test_the_proxy_lists_bare_names_and_the_run_lists_paths_below_it(alice, run):
    for name in ("model/MLmodel", "model/env/conda.yaml", "plot.png"):
        send(alice, f"{folder_of(run)}/{name}")
    assert listed(alice, f"{folder_of(run)}/model") == {
        "files": [
            {"path": "MLmodel", "is_dir": False, "file_size": 7},
            {"path": "env", "is_dir": True},
        ]
    }
    assert alice.get("artifacts/list", {"run_uuid": run.uuid, "path": "model"}).json() == {
        "root_uri": f"mlflow-artifacts:/{run.experiment_id}/{run.uuid}/artifacts",
        "files": [
            {"path": "model/MLmodel", "is_dir": False, "file_size": 7},
            {"path": "model/env", "is_dir": True},
        ],
    }


def test_an_absent_folder_and_a_file_list_nothing(alice, run):
    send(alice, f"{folder_of(run)}/a.txt")
    assert listed(alice, f"{folder_of(run)}/absent") == {}
    assert listed(alice, f"{folder_of(run)}/a.txt") == {}
    answer = alice.get("artifacts/list", {"run_id": run.uuid, "path": "a.txt"})
    assert "files" not in answer.json()


def test_the_root_lists_the_callers_project(alice, charlie, run):
    send(alice, f"{folder_of(run)}/a.txt")
    send(alice, "loose.txt")
    names = [file["path"] for file in listed(alice, "")["files"]]
    assert names == sorted([str(run.experiment_id), "loose.txt"])
    assert listed(charlie, "") == {}


def test_deleting_is_for_files_and_folders_and_may_be_repeated(alice, run):
    send(alice, f"{folder_of(run)}/a/x.txt")
    send(alice, f"{folder_of(run)}/b.txt")
    for _ in range(2):
        answer = alice.delete(file_url(f"{folder_of(run)}/a"))
        assert (answer.status_code, answer.json()) == (200, {})
    assert [file["path"] for file in listed(alice, folder_of(run))["files"]] == ["b.txt"]


def test_absent_files_and_folders_are_told_apart(alice, run):
    send(alice, f"{folder_of(run)}/model/a.txt")
    absent = alice.get(file_url(f"{folder_of(run)}/absent"))
    assert (absent.status_code, absent.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    folder = alice.get(file_url(f"{folder_of(run)}/model"))
    assert (folder.status_code, folder.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_presigned_addresses_are_not_offered(alice, run):
    answer = alice.get(f"{PROXY}presigned/{folder_of(run)}/a.txt")
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


# Headers and ranges.


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.txt", "text/plain"),
        ("a.json", "text/plain"),
        ("a.js", "text/plain"),
        ("a.xml", "text/plain"),
        ("MLmodel", "text/plain"),
        ("MLproject", "text/plain"),
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.pkl", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_type_is_by_name_and_the_file_is_always_an_attachment(alice, run, name, content_type):
    path = f"{folder_of(run)}/{name}"
    send(alice, path, b"<script>alert(1)</script>", content_type="text/html")
    for method in ("GET", "HEAD"):
        answer = alice.call(method, file_url(path), headers={"Accept": "text/html"})
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Length"] == "25"


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('q"\\.txt', 'attachment; filename="q\\"\\\\.txt"'),
        ("é.txt", "attachment; filename=e.txt; filename*=UTF-8''%C3%A9.txt"),
        ("日本", "attachment; filename=\"\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("a;b", 'attachment; filename="a;b"'),
    ],
)
def test_a_name_that_is_no_token_is_quoted_and_spelled_in_utf8(alice, run, name, disposition):
    path = f"{folder_of(run)}/{name}"
    send(alice, path)
    assert alice.get(file_url(path)).headers["Content-Disposition"] == disposition


@pytest.mark.parametrize(
    ("wanted", "status", "first", "length"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=10-19", 206, 10, 10),
        ("bytes=1000-", 206, 1000, 24),
        ("bytes=-24", 206, 1000, 24),
        ("bytes=-99999", 206, 0, 1024),
        ("bytes=1020-999999999999", 206, 1020, 4),
        ("bytes=1024-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=5-2", 200, 0, 1024),
        ("bytes=0-0,1-1", 200, 0, 1024),
        ("bytes=" + "0-0," * 1000 + "1-1", 200, 0, 1024),
        ("bytes=-", 200, 0, 1024),
        ("bytes=99999999999999999999-", 200, 0, 1024),
        ("lines=1-2", 200, 0, 1024),
        ("bytes=a-b", 200, 0, 1024),
    ],
)
def test_one_range_is_served_and_nothing_beyond_the_file(alice, run, wanted, status, first, length):
    path = f"{folder_of(run)}/data.bin"
    send(alice, path, BYTES)
    answer = alice.get(file_url(path), headers={"Range": wanted})
    assert answer.status_code == status
    assert body(answer) == BYTES[first : first + length]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + length - 1}/1024"
        assert answer.headers["Content-Length"] == str(length)
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */1024"


def test_the_etag_saves_a_download_and_guards_a_range(alice, run):
    path = f"{folder_of(run)}/data.bin"
    send(alice, path, BYTES)
    etag = alice.get(file_url(path)).headers["ETag"]
    assert etag == f'"{hashlib.sha256(BYTES).hexdigest()}"'
    again = alice.get(file_url(path), headers={"If-None-Match": f'"x", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    ranged = {"Range": "bytes=0-9", "If-Range": etag}
    assert alice.get(file_url(path), headers=ranged).status_code == 206
    send(alice, path, b"changed")
    answer = alice.get(file_url(path), headers=ranged)
    assert (answer.status_code, body(answer)) == (200, b"changed")


# Refusals.


def test_a_file_above_the_limit_is_refused_before_or_while_it_comes(alice, run, settings):
    settings.MAX_ARTIFACT_BYTES = 100
    answer = send(alice, f"{folder_of(run)}/a", b"x" * 101)
    assert answer.status_code == 413
    assert "100" in answer.json()["message"]
    assert stored_files() == set()


def test_a_file_above_the_quota_is_refused_with_a_reason(alice, run, settings):
    settings.PROJECT_QUOTA_BYTES = 100
    assert send(alice, f"{folder_of(run)}/a", b"x" * 60).status_code == 200
    answer = send(alice, f"{folder_of(run)}/b", b"y" * 60)
    assert (answer.status_code, answer.json()["error_code"]) == (507, "RESOURCE_EXHAUSTED")
    assert "quota" in answer.json()["message"]
    assert send(alice, f"{folder_of(run)}/a", b"z" * 100).status_code == 200
    assert len(stored_files()) == 2


def test_a_compressed_body_is_refused_and_not_stored_as_it_is(alice, run):
    answer = send(alice, f"{folder_of(run)}/a", b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert not ArtifactFile.objects.exists()


def test_a_full_disk_is_said_and_leaves_nothing(alice, run, settings):
    settings.FREE_DISK_RESERVE_BYTES = 2**45
    answer = send(alice, f"{folder_of(run)}/a")
    assert (answer.status_code, answer.json()["error_code"]) == (507, "RESOURCE_EXHAUSTED")
    assert stored_files() == set()


def test_a_frozen_folder_refuses_every_route_that_changes_it(alice, people, run):
    path = f"{folder_of(run)}/model/MLmodel"
    send(alice, path, b"held")
    with write_transaction():
        freeze_folder(
            people.project.pk, f"{folder_of(run)}/model", reason="stars version 3", held_by="v:3"
        )
    upload = {"path": "/tmp/MLmodel", "num_parts": 1}
    answers = [
        send(alice, path, b"new"),
        send(alice, f"{folder_of(run)}/model/new.txt", b"new"),
        alice.delete(file_url(path)),
        alice.delete(file_url(f"{folder_of(run)}/model")),
        alice.delete(file_url(f"{run.experiment_id}")),
        alice.post(f"{PROXY}mpu/create/{folder_of(run)}/model", upload),
        alice.call("POST", f"upload-artifact?run_uuid={run.uuid}&path=model/MLmodel", b"new"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
        assert "stars version 3" in answer.json()["message"]
    assert body(alice.get(file_url(path))) == b"held"
    assert len(stored_files()) == 1


def test_a_file_cannot_be_a_folder(alice, run):
    send(alice, f"{folder_of(run)}/a")
    for name in ("a/b", "a/b/c"):
        answer = send(alice, f"{folder_of(run)}/{name}", b"other")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


# Who may do what.


def every_call(client, run, model):
    """Return (name, status) of each way to read or write the run's and the model's files."""
    folder, path = folder_of(run), f"{folder_of(run)}/a.txt"
    files = f"logged-models/{model.model_id}/artifacts"
    upload = {"path": "a.txt", "num_parts": 1}
    finish = {"path": "a.txt", "upload_id": "0" * 32, "parts": []}
    reading = [
        client.get(file_url(path)),
        client.call("HEAD", file_url(path)),
        client.get(f"{PROXY}artifacts", {"path": folder}),
        client.get("artifacts/list", {"run_id": run.uuid}),
        client.get("/get-artifact", {"run_uuid": run.uuid, "path": "a.txt"}),
        client.get(f"/ajax-api/2.0/mlflow/{files}/files", {"artifact_file_path": "m.txt"}),
        client.get(f"{files}/directories"),
    ]
    writing = [
        send(client, path, b"overwritten"),
        send(client, f"{folder}/new.txt", b"new"),
        client.post(f"{PROXY}mpu/create/{folder}", upload),
        client.post(f"{PROXY}mpu/complete/{folder}", finish),
        client.post(f"{PROXY}mpu/abort/{folder}", finish),
        client.call(
            "POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run.uuid}&path=b.txt", b"new"
        ),
        client.delete(file_url(path)),
        client.delete(file_url(folder)),
    ]
    return [one.status_code for one in reading], [one.status_code for one in writing]


@pytest.fixture
def model(people, run):
    return make_model(run.experiment)


@pytest.fixture
def filled(people, run, model):
    put(people.alice, f"{folder_of(run)}/a.txt", b"kept")
    put(people.alice, f"{run.experiment_id}/models/{model.model_id}/artifacts/m.txt", b"model")
    return stored_files()


def test_viewers_read_everything_and_change_nothing(bob, run, model, filled):
    reading, writing = every_call(bob, run, model)
    assert reading == [200] * 7
    assert writing == [403] * 8
    assert stored_files() == filled


def test_strangers_get_nothing_and_learn_nothing(charlie, run, model, filled):
    reading, writing = every_call(charlie, run, model)
    assert reading == [404] * 7
    assert writing == [404] * 8
    assert stored_files() == filled


def test_nobody_gets_anything_without_signing_in(people, run, model, filled):
    reading, writing = every_call(ProtocolClient(), run, model)
    assert reading == [401] * 7
    assert writing == [401] * 8
    assert stored_files() == filled


def test_a_read_only_token_changes_nothing(people, run, model, filled):
    reading, writing = every_call(ProtocolClient(people.alice, scope="read"), run, model)
    assert reading == [200] * 7
    assert writing == [403] * 8
    assert stored_files() == filled


# Parts.


def start(client, run, n_parts=3, path="/home/me/big.bin"):
    answer = client.post(
        f"{PROXY}mpu/create/{folder_of(run)}/data",
        {"path": path, "num_parts": n_parts},
        headers={"Host": "testserver"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def send_parts(created, contents) -> list[dict]:
    sent = []
    for credential, content in zip(created["credentials"], contents, strict=True):
        answer = ProtocolClient().call(
            "PUT", urlsplit(credential["url"]).path, content, content_type="",
            headers=credential["headers"],
        )  # fmt: skip
        assert answer.status_code == 200, answer.content
        sent.append(
            {
                "part_number": credential["part_number"],
                "etag": answer.headers["ETag"],
                "url": credential["url"],
            }
        )
    return sent


def test_a_file_in_parts_is_put_together_at_its_name(alice, run):
    contents = [b"one,", b"two,", b"three"]
    created = start(alice, run)
    assert [one["part_number"] for one in created["credentials"]] == [1, 2, 3]
    assert created["credentials"][0]["url"].startswith("http://testserver/api/2.0/")
    request = {
        "path": "/home/me/big.bin",
        "upload_id": created["upload_id"],
        "parts": send_parts(created, contents),
    }
    for _ in range(2):
        done = alice.post(f"{PROXY}mpu/complete/{folder_of(run)}/data", request)
        assert (done.status_code, done.json()) == (200, {})
    assert body(alice.get(file_url(f"{folder_of(run)}/data/big.bin"))) == b"one,two,three"
    assert list(temp_dir().iterdir()) == []


def test_a_given_up_upload_leaves_nothing(alice, run):
    created = start(alice, run)
    send_parts(created, [b"1", b"2", b"3"])
    request = {"path": "big.bin", "upload_id": created["upload_id"]}
    assert alice.post(f"{PROXY}mpu/abort/{folder_of(run)}/data", request).json() == {}
    assert stored_files() == set()


def test_a_part_without_its_token_is_refused(alice, run):
    first, second = start(alice, run, 2)["credentials"]
    for headers in ({}, second["headers"], {"X-Assay-Part": "x"}):
        answer = alice.call("PUT", urlsplit(first["url"]).path, b"x", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert stored_files() == set()


@pytest.mark.parametrize("path", ["..", "/", "", "a#b", "x/..", "\x00"])
def test_a_part_upload_needs_an_honest_name(alice, run, path):
    answer = alice.post(f"{PROXY}mpu/create/{folder_of(run)}", {"path": path, "num_parts": 1})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert list(temp_dir().iterdir()) == []


# Small uploads from a page.


def test_a_page_uploads_a_small_file(alice, run):
    address = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run.uuid}&path=notes/a.txt"
    answer = alice.call("POST", address, b"note", content_type="text/plain")
    assert (answer.status_code, answer.json()) == (200, {})
    assert body(alice.get(file_url(f"{folder_of(run)}/notes/a.txt"))) == b"note"


@pytest.mark.parametrize(
    ("query", "content", "message"),
    [
        ("path=a.txt", b"x", "Request must specify run_uuid."),
        ("run_uuid=RUN", b"x", "Request must specify path."),
        ("run_uuid=RUN&path=a.txt", b"", "Request must specify data."),
        ("run_uuid=RUN&path=a.txt", b"x" * (10 * 1024 * 1024 + 1), "Max size is 10MB"),
        ("run_uuid=RUN&path=a?/a", b"x", "Invalid path"),
        ("run_uuid=RUN&path=../a", b"x", "Invalid path"),
    ],
)
def test_an_incomplete_upload_of_a_page_says_what_is_missing(alice, run, query, content, message):
    address = f"/ajax-api/2.0/mlflow/upload-artifact?{query.replace('RUN', run.uuid)}"
    answer = alice.call("POST", address, content)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert message in answer.json()["message"]
    assert stored_files() == set()


def test_an_unknown_run_is_not_found_by_the_words_clients_know(alice):
    answer = alice.get("artifacts/list", {"run_id": "0" * 32})
    assert answer.status_code == 404
    assert json.loads(answer.content)["message"] == f"Run with id={'0' * 32} not found"


# Logged models.


def test_a_logged_models_files_are_listed_and_sent(alice, people, run, model):
    root = f"{run.experiment_id}/models/{model.model_id}/artifacts"
    send(alice, f"{root}/env/conda.yaml", b"name: x")
    files = f"logged-models/{model.model_id}/artifacts"
    assert alice.get(f"{files}/directories").json() == {
        "root_uri": f"mlflow-artifacts:/{root}",
        "files": [{"path": "env", "is_dir": True}],
    }
    below = alice.get(f"{files}/directories", {"artifact_directory_path": "env"}).json()
    assert below["files"] == [{"path": "env/conda.yaml", "is_dir": False, "file_size": 7}]
    answer = alice.get(f"{files}/files", {"artifact_file_path": "env/conda.yaml"})
    assert body(answer) == b"name: x"
    missing = alice.get(f"{files}/files")
    assert (missing.status_code, missing.json()["error_code"]) == (400, "BAD_REQUEST")


def test_files_of_an_experiment_elsewhere_are_listed_as_none(alice, people):
    experiment = make_experiment(people.project, asked_location="s3://bucket/x")
    run = make_run(experiment=experiment)
    answer = alice.get("artifacts/list", {"run_id": run.uuid})
    assert answer.json() == {"root_uri": f"s3://bucket/x/{run.uuid}/artifacts"}
    answer = alice.get("/get-artifact", {"run_id": run.uuid, "path": "a.txt"})
    assert answer.status_code == 400
