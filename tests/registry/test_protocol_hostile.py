"""Hostile bytes against the registry's half of the protocol, over a real socket."""

import json
import socket
import threading
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from experiments.mlflow_api.kit.asgi import ProtocolFront
from experiments.mlflow_api.kit.unknown import UnknownCalls
from experiments.tracking.group_commit import writer
from platform_site.accounts.models import ApiToken
from platform_site.asgi import http_application
from platform_site.protocol import TABLE
from registry.models import RegisteredModel
from tests.experiments.protocol_server import Line, serving
from tests.people import person, project_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]
API = "/api/2.0/mlflow/"
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@pytest.fixture
def alice():
    user = person("alice")
    project_of((user, "editor"))
    secret = ApiToken.objects.create(user=user, name="t", scope="write")[1]
    with serving(ProtocolFront(TABLE, http_application, UnknownCalls().note)) as port:
        line = Line(port)

        def send(method: str, path: str, body="", **headers: str):
            content = (
                body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
            )
            return line.request(
                method, f"{API}{path}", content, Authorization=f"Bearer {secret}", **headers
            )

        yield SimpleNamespace(send=send, line=line, sign=f"Bearer {secret}")
        line.close()
    writer.close()


def create(alice, name: str):
    return alice.send("POST", "registered-models/create", {"name": name})


@pytest.fixture
def collector():
    """A server that nobody should call, and how often it was."""
    hits: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)

        def listen():
            while not done.is_set():
                try:
                    listener.accept()[0].close()
                    hits.append(1)
                except TimeoutError:
                    pass

        done = threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        yield SimpleNamespace(port=listener.getsockname()[1], hits=hits)
        done.set()
        thread.join()


def test_a_source_of_our_disk_is_refused_and_never_read(alice, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("secret")
    create(alice, "m")
    for source in (
        f"file://{tmp_path}",
        str(tmp_path),
        f"file://{tmp_path}/nosuch",
        f"FILE://{tmp_path}",
        f"//proc/self/root{tmp_path}",
        f"%66ile://{tmp_path}",
    ):
        for tags in ([], [PROMPT]):
            body = {"name": "m", "source": source, "tags": tags}
            answer = alice.send("POST", "model-versions/create", body)
            assert (answer.status, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
            assert "secret" not in answer.body.decode()
    for prefix in ("/", "//", "/ajax-api/2.0/mlflow/"):
        target = f"{prefix}model-versions/get-artifact?name=m&version=1&path={quote(str(canary))}"
        answer = alice.line.request("GET", target, Authorization=alice.sign)
        assert answer.status in (400, 404), answer.body
        assert b"secret" not in answer.body


def test_a_remote_source_is_never_fetched(alice, collector):
    create(alice, "m")
    for number, scheme in enumerate(("http", "https", "ftp", "s3"), start=1):
        source = f"{scheme}://127.0.0.1:{collector.port}/models/a"
        body = {"name": "m", "source": source, "run_link": source}
        assert alice.send("POST", "model-versions/create", body).status == 200
        where = f"name=m&version={number}"
        answer = alice.send("GET", f"model-versions/get-download-uri?{where}")
        assert answer.json() == {"artifact_uri": source}
        alice.send("GET", f"model-versions/get?{where}")
    proxy = f"http://127.0.0.1:{collector.port}/api/2.0/mlflow-artifacts/artifacts/"
    assert alice.send("POST", "model-versions/create", {"name": "m", "source": proxy}).status == 400
    assert not collector.hits


@pytest.mark.parametrize(
    "pair",
    [
        ("m a", "m%20a"),
        ("m a", "m%2520a"),
        ("é", "e\u0301"),
        ("abc", "\uff41\uff42\uff43"),
        ("Model", "model"),
        ("a b", "a  b"),
        ("a b", "a\u00a0b"),
    ],
)
def test_of_two_names_that_look_alike_there_is_one(alice, pair):
    assert create(alice, pair[0]).status == 200
    answer = create(alice, pair[1])
    assert (answer.status, answer.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    for name in pair:
        found = alice.send("GET", f"registered-models/get?name={quote(name)}").json()
        assert found["registered_model"]["name"] == pair[0]
    assert RegisteredModel.objects.count() == 1


@pytest.mark.parametrize("name", ["a\u200bb", "a\u202eb", "a.", "a\u0000b", "..", "a\ufeff"])
def test_names_that_only_look_like_others_are_refused(alice, name):
    assert create(alice, "a").status == 200
    assert create(alice, name).status == 400


@pytest.mark.parametrize("text", ["$(touch canary)", "`id`", ";id", "--config=x", "{{7*7}}", "{% load log %}", "%s%n", "' OR 1=1 --", "\u0000"])  # fmt: skip
def test_words_that_mean_something_elsewhere_are_words_here(alice, text):
    create(alice, "m")
    assert create(alice, text).status == (400 if "\0" in text else 200)
    alice.send("POST", "model-versions/create", {"name": "m", "source": "s3://b/m"})
    moved = {"name": "m", "version": "1", "stage": text}
    assert alice.send("POST", "model-versions/transition-stage", moved).status == 400
    described = alice.send("PATCH", "registered-models/update", {"name": "m", "description": text})
    assert described.status == (400 if "\0" in text else 200)
    if described.status == 200:
        assert described.json()["registered_model"]["description"] == text


RUBBISH = [
    b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff\xfe", b'{"name": {}}', b'{"name": ["a"]}', b'{"name": true}',
    b'{"name": "m", "version": {}}', b'{"name": "m", "version": ["1"]}', b'{"name": "m", "version": "\\ud800"}',
    b'{"name": "\\ud800", "key": "\\udfff", "source": "\\ud83d"}', b'{"name": "\\u0000"}',
    b'{"name": "m", "tags": {}}', b'{"name": "m", "source": "s3://x", "tags": [1]}',
    b'{"name": "m", "source": "s3://x", "tags": [{"key": null}]}', b'{"name": "m", "source": ' + b'"' + b"x" * 70000 + b'"}',
    b'{"name": "m", "stage": 5, "version": "1"}', b'{"name": "m", "alias": {}, "version": "1"}',
    b'{"name": "m", "version": "1", "stage": "None", "archive_existing_versions": "perhaps"}',
    b'{"name":' * 3000, b'{"name": "m", "new_name": []}', b'{"name": "' + b"n" * 100000 + b'", "key": "k"}',
    b'{"name": "m", "key": "' + b"k" * 5000 + b'", "value": "v", "version": "1"}',
    b'{"name": "m", "modelId": "x", "model_id": "y", "source": "s3://b"}',
]  # fmt: skip


def test_rubbish_is_a_clients_mistake_on_every_route(alice):
    routes = [
        (route.method, route.path.removeprefix("2.0/mlflow/"))
        for route in TABLE.routes
        if "/registered-models" in route.path or "/model-versions" in route.path
    ]
    assert len(routes) >= 22
    for method, path in routes:
        create(alice, "m")
        alice.send("POST", "model-versions/create", {"name": "m", "source": "s3://b/m"})
        for body in RUBBISH:
            answer = alice.send(method, path, b"" if method == "GET" else body)
            assert answer.status in (200, 400, 404, 413), (method, path, body[:60], answer.body)
            assert isinstance(answer.json(), dict)
        for query in (
            "name=%FF",
            "name=%00",
            "name=m&version=%D9%A1",
            "name=m&max_results=x",
            "name=m&name=n&stages=",
            "max_results=99999999999999999999",
            "filter=%27",
            "order_by=%22&page_token=%7B%7D",
            "alias=%2F&name=m",
        ):
            answer = alice.send(method, f"{path}?{query}", b"{}" if method != "GET" else b"")
            assert answer.status in (200, 400, 404), (method, path, query, answer.body)
