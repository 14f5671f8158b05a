"""Published holes of artifact servers, fired at ours as raw addresses and streams.

Every refusal leaves the store, a canary beside it and the names in it as they were.
"""

import asyncio
import io
import json
import os
import pickle
import zipfile
from urllib.parse import unquote

import pytest

from assets.models import Blob
from experiments.mlflow_api.kit.asgi import ProtocolFront
from experiments.models import ArtifactFile, UnknownCall
from platform_site.protocol import TABLE
from tests.experiments.artifact_help import folder_of, make_experiment, make_run, put
from tests.experiments.dataset_help import stored_files
from tests.experiments.protocol_help import ProtocolClient
from tests.people import person, project_of

pytestmark = [
    pytest.mark.usefixtures("own_store"),
    pytest.mark.django_db(transaction=True),
]
PROXY = "/api/2.0/mlflow-artifacts/artifacts/"

# V01, V06, V07, V13, H40: as they stand in an address, before the server decodes it once.
CLIMBING = [
    "../../../../etc/passwd", "%2e%2e/%2e%2e/canary", "..%2f..%2fcanary", "..%2F..%2Fetc%2Fpasswd",
    "%252e%252e%252f%252e%252e%252fcanary", "%252E%252E%252F%252E%252E%252Fetc%252fpasswd",
    "%25252e%25252e%25252fcanary", "..%5c..%5ccanary", "..%255c..%255ccanary",
    "....//....//canary", "%c0%ae%c0%ae/canary", "%ef%bc%8e%ef%bc%8e/canary", "a/./../canary",
    "a%00.txt", "a%2500.txt", "a%0a.txt", "C:%5cwindows", "C:/windows", "a%23b", "a%3fb", "x%e2%80%aetxt.exe", "a" * 300, "a/" * 2500,
]  # fmt: skip


class Front:
    """The real ASGI front over this test's database; addresses go in undecoded."""

    def __init__(self, user=None):
        self.application = ProtocolFront(TABLE, self.others, lambda call: None)
        self.headers = []
        if user is not None:
            self.headers = [(b"authorization", f"Bearer {ProtocolClient(user).secret}".encode())]

    @staticmethod
    async def others(scope, receive, send):
        raise AssertionError(f"not ours: {scope['path']}")

    async def ask(self, method, address, messages=None, **headers):
        """Return (status, headers, body); `messages` are the request's, default an empty body."""
        path, _, query = address.partition("?")
        waiting = list(messages or [{"type": "http.request", "body": b"", "more_body": False}])
        answer = {"body": b""}

        async def receive():
            if waiting:
                return waiting.pop(0)
            await asyncio.Event().wait()

        async def send(message):
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=dict(message["headers"]))
            else:
                answer["body"] += message.get("body", b"")

        scope = {
            "type": "http", "method": method, "path": unquote(path), "scheme": "http",
            "query_string": query.encode(), "client": ("127.0.0.1", 1), "root_path": "",
            "headers": [
                (b"host", b"localhost"), *self.headers,
                *((name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()),
            ],
        }  # fmt: skip
        await self.application(scope, receive, send)
        return answer.get("status"), answer.get("headers"), answer["body"]


def piece(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


CUT = {"type": "http.disconnect"}


@pytest.fixture
def run(people):
    return make_run(people.project)


@pytest.fixture
def untouched(people, run, own_store):
    """Return a check that neither the store nor what lies beside it has changed."""
    put(people.alice, f"{folder_of(run)}/kept.txt", b"kept")
    canary = own_store / "canary"
    canary.write_text("alive")
    before = sorted(str(path) for path in own_store.rglob("*") if path.is_file())
    rows = sorted(ArtifactFile.objects.values_list("path", "blob_id"))

    def check():
        assert canary.read_text() == "alive"
        assert sorted(str(path) for path in own_store.rglob("*") if path.is_file()) == before
        assert sorted(ArtifactFile.objects.values_list("path", "blob_id")) == rows

    return check


def every_route(run, hostile):
    """Return (method, address, body) of each way to name a file by a path."""
    folder = folder_of(run)
    doubled = hostile.replace("%", "%25")  # a query is decoded once, too
    proxy, mpu = f"{PROXY}{folder}/{hostile}", f"/api/2.0/mlflow-artifacts/mpu/create/{folder}"
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run.uuid}"
    return [
        ("PUT", proxy, b"hostile"),
        ("GET", proxy, b""),
        ("DELETE", proxy, b""),
        ("POST", f"{mpu}/{hostile}", b'{"path": "a", "num_parts": 1}'),
        *(
            (method, f"{address}{text}", body)
            for text in (hostile, doubled)
            for method, address, body in [
                ("GET", f"{PROXY[:-1]}?path={folder}/", b""),
                ("GET", f"/get-artifact?run_uuid={run.uuid}&path=", b""),
                ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run.uuid}&path=", b""),
                ("POST", f"{upload}&path=", b"hostile"),
            ]
        ),
    ]


@pytest.mark.parametrize("hostile", CLIMBING)
async def test_a_hostile_address_is_refused_by_every_route(people, run, untouched, hostile):
    front = await asyncio.to_thread(Front, people.alice)
    for method, address, body in every_route(run, hostile):
        status, _headers, answer = await front.ask(
            method, address, [piece(body, more=False)], content_type="application/json"
        )
        assert status == 400, (method, address, status, answer)
        error = json.loads(answer)
        assert error["error_code"] == "INVALID_PARAMETER_VALUE"
        assert any(word in error["message"] for word in ("Invalid path", "not UTF-8", "NUL"))
    await asyncio.to_thread(untouched)


async def test_an_absolute_path_in_a_query_is_refused(people, run, untouched):
    front = await asyncio.to_thread(Front, people.alice)
    for path in (
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc/passwd",
        "C:%5cx",
        "%5c%5chost%5cshare",
        "file:/x",
        "%66ile:///x",
    ):
        status, _, answer = await front.ask("GET", f"/get-artifact?run_id={run.uuid}&path={path}")
        assert (status, b"Invalid path" in answer) == (400, True)
    await asyncio.to_thread(untouched)


async def test_what_is_there_and_what_is_not_are_refused_alike(people, run, untouched):
    front = await asyncio.to_thread(Front, people.alice)
    bodies = set()
    for path in ("../../canary", "../../nosuch"):
        status, _, answer = await front.ask("GET", f"/get-artifact?run_id={run.uuid}&path={path}")
        bodies.add((status, answer))
    assert len(bodies) == 1


def test_a_location_that_points_to_this_machine_is_only_a_text(people, own_store):
    (own_store / "secret").write_text("secret")
    for location in (
        f"file://{own_store}", str(own_store), f"http:///#/../../../..{own_store}",
        "mlflow-artifacts:/../..", f"mlflow-artifacts://localhost{own_store}", "ftp://collector/a",
    ):  # fmt: skip
        experiment = make_experiment(people.project, name=location, asked_location=location)
        run = make_run(experiment=experiment)
        client = ProtocolClient(people.alice)
        answer = client.get("/get-artifact", {"run_id": run.uuid, "path": "secret"})
        assert answer.status_code in {400, 404}, location
        assert b"secret" not in answer.content.replace(b"/secret", b"")
        listed = client.get("artifacts/list", {"run_id": run.uuid})
        assert "files" not in listed.json()


def test_an_experiment_cannot_reach_another_ones_files_by_its_location(people):
    """The location names somebody else's folder: the number in the path decides, and the role there."""
    mallory = person("mallory")
    theirs = project_of((mallory, "editor"), name="Theirs")
    victim = make_run(people.project)
    put(people.alice, f"{folder_of(victim)}/a.txt", b"secret")
    location = f"mlflow-artifacts:/{victim.experiment_id}"
    trap = make_run(experiment=make_experiment(theirs, asked_location=location))
    client = ProtocolClient(mallory)
    for path in ("a.txt", f"../../{victim.uuid}/artifacts/a.txt"):
        answer = client.get("/get-artifact", {"run_id": trap.uuid, "path": path})
        assert answer.status_code in {400, 404}
    listed = client.get("artifacts/list", {"run_id": trap.uuid})
    assert "files" not in listed.json()
    answer = client.call("PUT", f"{PROXY}{victim.experiment_id}/x/artifacts/a", b"x")
    assert answer.status_code == 404


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    "name",
    ["model.pkl", "model.joblib", "model.npy", "model.skops", "a.csv", "a.parquet", "model.bin"],
)
def test_a_pickle_stays_bytes_whatever_it_is_called(people, run, own_store, name):
    canary = own_store / "canary"
    content = pickle.dumps(Bomb(canary))
    if name.endswith(".skops"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("schema.json", content)
        content = packed.getvalue()
    client = ProtocolClient(people.alice)
    path = f"{folder_of(run)}/model/{name}"
    flavours = b"flavors:\n  statsmodels:\n    data: " + name.encode() + b"\n"
    assert client.call("PUT", f"{PROXY}{folder_of(run)}/model/MLmodel", flavours).status_code == 200
    assert client.call("PUT", PROXY + path, content).status_code == 200
    client.get("artifacts/list", {"run_id": run.uuid, "path": "model"})
    assert client.get(PROXY + path).getvalue() == content
    assert not canary.exists()


# Streams.


async def test_a_body_in_many_pieces_is_one_file(people, run):
    front = await asyncio.to_thread(Front, people.alice)
    body = [bytes([number]) * 300_000 for number in range(12)]
    messages = [*(piece(one) for one in body), piece(b"", more=False)]
    status, _, answer = await front.ask("PUT", f"{PROXY}{folder_of(run)}/a", messages)
    assert (status, answer) == (200, b"")
    status, headers, answer = await front.ask("GET", f"{PROXY}{folder_of(run)}/a")
    assert (status, answer) == (200, b"".join(body))
    status, headers, answer = await front.ask(
        "GET", f"{PROXY}{folder_of(run)}/a", range="bytes=299999-300000"
    )
    assert (status, answer) == (206, b"\x00\x01")
    assert headers[b"content-range"] == b"bytes 299999-300000/3600000"
    status, headers, answer = await front.ask("HEAD", f"{PROXY}{folder_of(run)}/a")
    assert (headers[b"content-length"], answer) == (b"3600000", b"")


@pytest.mark.parametrize("n_bytes", [0, 10, 3_000_000])
async def test_a_cut_upload_leaves_nothing(people, run, n_bytes):
    front = await asyncio.to_thread(Front, people.alice)
    messages = [piece(b"x" * n_bytes), CUT]
    status, _, _ = await front.ask("PUT", f"{PROXY}{folder_of(run)}/a", messages)
    assert status is None
    assert stored_files() == set()
    assert not await asyncio.to_thread(Blob.objects.exists)


@pytest.mark.parametrize("n_bytes", [10, 3_000_000])
async def test_a_body_shorter_than_announced_leaves_nothing(people, run, n_bytes):
    front = await asyncio.to_thread(Front, people.alice)
    status, _, answer = await front.ask(
        "PUT", f"{PROXY}{folder_of(run)}/a", [piece(b"x" * n_bytes, more=False)],
        content_length=str(n_bytes + 1),
    )  # fmt: skip
    assert (status, b"was cut" in answer) == (400, True)
    assert stored_files() == set()


async def test_a_body_without_a_length_stops_at_the_limit(people, run, settings):
    settings.MAX_ARTIFACT_BYTES = 2_500_000
    front = await asyncio.to_thread(Front, people.alice)
    endless = [piece(b"x" * 500_000) for _ in range(100)]
    status, _, _ = await front.ask("PUT", f"{PROXY}{folder_of(run)}/a", endless)
    assert status == 413
    assert stored_files() == set()


async def test_who_may_not_write_is_refused_before_the_body_is_read(people, run):
    front = await asyncio.to_thread(Front, people.bob)
    status, _, _ = await front.ask("PUT", f"{PROXY}{folder_of(run)}/a", [CUT])
    assert status == 403


async def test_many_uploads_at_once_all_arrive(people, run):
    front = await asyncio.to_thread(Front, people.alice)
    answers = await asyncio.gather(
        *(
            front.ask(
                "PUT",
                f"{PROXY}{folder_of(run)}/f{number % 10}",
                [piece(b"%d" % number, more=False)],
            )
            for number in range(40)
        )
    )
    assert {status for status, _, _ in answers} == {200}
    assert await asyncio.to_thread(ArtifactFile.objects.count) == 10


def test_unknown_addresses_below_the_proxy_are_not_found(people):
    client = ProtocolClient(people.alice)
    assert (
        client.get("/api/2.0/mlflow-artifacts/nosuch").json()["error_code"] == "ENDPOINT_NOT_FOUND"
    )
    assert client.call("PATCH", f"{PROXY}a").status_code == 405
    noted = UnknownCall.objects.filter(path__contains="mlflow-artifacts")
    assert {one.path for one in noted} <= {"/api/2.0/mlflow-artifacts/nosuch"}
