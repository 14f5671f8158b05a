"""The slim way past Django, over real sockets: framing, bodies, credentials, load, leaving clients."""

import gzip
import json
import threading
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import override_settings

from experiments.mlflow_api.kit.asgi import ProtocolFront
from experiments.mlflow_api.kit.unknown import UnknownCalls
from experiments.models import MetricTail, Run, UnknownCall
from experiments.tracking.group_commit import writer
from platform_site.accounts.models import ApiToken, Membership
from platform_site.accounts.services import tokens
from platform_site.asgi import application, http_application
from platform_site.protocol import TABLE
from tests.experiments.protocol_help import basic
from tests.experiments.protocol_server import Line, serving
from tests.people import person, project_of

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/2.0/mlflow/"
MS = 1_700_000_000_000


@pytest.fixture
def world():
    alice, bob = person("alice"), person("bob")
    project = project_of((alice, "editor"), (bob, "viewer"))
    secrets = {
        name: ApiToken.objects.create(user=user, name="t", scope=scope)[1]
        for name, user, scope in (
            ("alice", alice, "write"),
            ("reader", alice, "read"),
            ("bob", bob, "write"),
            ("charlie", person("charlie"), "write"),
        )
    }
    front = ProtocolFront(TABLE, http_application, UnknownCalls().note)
    with serving(front) as port:
        line = Line(port)
        yield SimpleNamespace(
            port=port, line=line, alice=alice, bob=bob, project=project, secrets=secrets
        )
        line.close()
    writer.close()


def call(world, method, path, content=None, who="alice", **headers):
    body = b"" if content is None else json.dumps(content).encode()
    headers = {"Authorization": f"Bearer {world.secrets[who]}", **headers}
    target = path if path.startswith("/") else API + path
    return world.line.request(method, target, body, **headers)


def make_run(world) -> str:
    number = call(world, "POST", "experiments/create", {"name": "stars"}).json()["experiment_id"]
    made = call(world, "POST", "runs/create", {"experiment_id": number, "start_time": MS}).json()
    return made["run"]["info"]["run_id"]


def test_what_is_answered_is_stored_and_read_back_at_once(world):
    run = make_run(world)
    point = {"run_id": run, "key": "m", "value": 1.5, "timestamp": MS, "step": 2}
    assert call(world, "POST", "runs/log-metric", point).body == b"{}"
    assert MetricTail.objects.filter(run__uuid=run).count() == 1
    found = call(world, "GET", f"runs/get?run_id={run}").json()["run"]
    assert found["data"]["metrics"] == [{"key": "m", "value": 1.5, "timestamp": MS, "step": 2}]
    search = {"experiment_ids": [found["info"]["experiment_id"]], "filter": "metrics.m = 1.5"}
    assert len(call(world, "POST", "runs/search", search).json()["runs"]) == 1
    page = call(world, "GET", f"metrics/get-history?run_id={run}&metric_key=m&max_results=5")
    assert page.json()["metrics"][0]["value"] == 1.5


def test_answers_carry_a_request_id_and_are_never_cached(world):
    answers = [call(world, "GET", "experiments/search?max_results=1") for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert answers[0].headers["cache-control"] == "no-store"
    assert answers[0].headers["x-content-type-options"] == "nosniff"
    assert answers[0].headers["content-type"] == "application/json"


SPELLINGS = [
    "/api/2.0/mlflow/experiments/get?experiment_id=0",
    "/api/2.0/mlflow/experiments/get/?experiment_id=0",
    "//api/2.0/mlflow//experiments/get?experiment_id=0",
    "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
    "/api/2.0/mlflow/experiments/get?experimentId=0",
    "/api/2.0/mlflow/experiments/get?experiment_id=0&unknown=1",
]


def test_slashes_and_spellings_do_not_matter(world):
    for target in SPELLINGS:
        assert call(world, "GET", target).json()["experiment"]["name"] == "Default"


def test_unknown_methods_and_routes(world):
    answer = call(world, "PUT", "experiments/get", {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert call(world, "OPTIONS", "runs/search").headers["allow"] == "POST"
    head = call(world, "HEAD", "experiments/get?experiment_id=0")
    assert (head.status, int(head.headers["content-length"]) > 10) == (200, True)
    assert call(world, "GET", "experiments/get?experiment_id=0").status == 200
    for target in ("/api/2.0/preview/mlflow/experiments/list", API, "/api/3.0/mlflow/nothing"):
        unknown = call(world, "GET", target, User_Agent="mlflow-python-client/9")
        assert (unknown.status, unknown.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    noted = UnknownCall.objects.get(path__contains="preview")
    assert (noted.method, noted.client) == ("GET", "mlflow-python-client/9")


def test_strangers_leave_no_trace_of_unknown_calls(world):
    answer = world.line.request("GET", API + "nothing")
    assert answer.status == 401
    assert not UnknownCall.objects.exists()


CONTENT_TYPES = [
    ("application/json", 200),
    ("application/json; charset=utf-8", 200),
    ("Application/JSON", 200),
    ("", 400),
    ("text/plain", 400),
    ("application/x-www-form-urlencoded", 400),
]


def test_a_post_has_to_say_that_it_is_json(world):
    for content_type, status in CONTENT_TYPES:
        search = call(world, "POST", "experiments/search", {}, Content_Type=content_type)
        assert search.status == status
        if status == 400:
            assert search.json()["error_code"] == "INVALID_PARAMETER_VALUE"


BODIES = [
    (b"", 400, "Missing value for required parameter 'name'"),
    (b"{not json", 400, "Missing value for required parameter 'name'"),
    (b'{"name": NaN}', 400, "Missing value for required parameter 'name'"),
    (b"\xff\xfe", 400, "Missing value for required parameter 'name'"),
    (b"null", 400, "Missing value for required parameter 'name'"),
    (b"[1]", 400, "must be a JSON object"),
    (b"3", 400, "must be a JSON object"),
    (b"[" * 100_000, 400, ""),
    (b'{"a":' * 100 + b"1" + b"}" * 100, 400, "nested deeper"),
    (b'{"name": "a\\u0000b"}', 400, "NUL"),
    (b'{"name": "a\\ud800b"}', 400, "surrogate"),
    (b'{"name": "a", "x": "\\ud800"}', 400, "surrogate"),
    (b'{"name": "a", "x": 1e999}', 400, "too large"),
    (b'{"name": 1' + b"0" * 5000 + b"}", 400, ""),
    (b'{"name": "a", "Name": "b"}', 200, ""),
    (b'{"name": "first", "name": "second"}', 200, ""),
    (json.dumps(json.dumps({"name": "twice"})).encode(), 200, ""),
    (b'{"name": "a", "artifact_location": "b", "artifactLocation": "c"}', 400, "given twice"),
    (b'{"name": "b", "artifactLocation": "s3://b/c"}', 200, ""),
    (b'{"name": "c", "tags": null}', 200, ""),
]


def test_bodies_of_all_kinds_are_answered_but_never_with_500(world):
    for body, status, message in BODIES:
        authorization = f"Bearer {world.secrets['alice']}"
        target = API + "experiments/create"
        answer = world.line.request("POST", target, body, Authorization=authorization)
        assert answer.status == status, (body[:80], answer.body)
        assert message in answer.body.decode()
        # The connection goes on.
        assert call(world, "GET", "experiments/search?max_results=1").status == 200


def test_a_body_beyond_the_limit_is_413_whether_declared_or_not(world):
    authorization = f"Authorization: Bearer {world.secrets['alice']}\r\n"
    head = f"POST {API}runs/log-batch HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n"
    head += f"{authorization}Content-Type: application/json\r\n"
    declared = Line(world.port)
    answer = declared.send(f"{head}Content-Length: {2**40}\r\n\r\n".encode())
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    declared.close()
    chunked = Line(world.port)
    piece = b"x" * 2**20
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for _ in range(17))
    chunked.socket.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + data)
    assert chunked.read().status == 413
    chunked.close()


def test_a_body_may_come_in_pieces(world):
    run = make_run(world)
    points = [{"key": f"m{n}", "value": n, "timestamp": MS} for n in range(500)]
    body = json.dumps({"run_id": run, "metrics": points}).encode()
    head = f"POST {API}runs/log-batch HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n"
    head += f"Authorization: Bearer {world.secrets['alice']}\r\nContent-Type: application/json\r\n"
    pieces = [body[at : at + 997] for at in range(0, len(body), 997)]
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    answer = world.line.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + data)
    assert answer.status == 200
    assert Run.objects.get(uuid=run).metric_tails.get().n_points == 500


def test_compressed_bodies_are_refused(world):
    body = gzip.compress(b'{"name": "a"}')
    answer = world.line.request(
        "POST",
        API + "experiments/create",
        body,
        Authorization=f"Bearer {world.secrets['alice']}",
        Content_Encoding="gzip",
    )
    assert answer.status == 415


def test_other_host_names_are_not_answered(world):
    assert call(world, "GET", "experiments/search", Host="evil.example").status == 400
    assert call(world, "GET", "/version", Host="evil.example").status == 400
    assert call(world, "GET", "/version", Host="").status == 400
    assert call(world, "GET", "/version", Host="localhost:1").body == b"3.17.2"


def test_pages_of_other_sites_change_nothing(world):
    evil = call(world, "POST", "experiments/create", {"name": "x"}, Origin="https://evil.example")
    assert (evil.status, evil.json()["error_code"]) == (403, "PERMISSION_DENIED")
    with override_settings(CSRF_TRUSTED_ORIGINS=["https://trusted.example"]):
        trusted = {"Origin": "https://trusted.example"}
        assert call(world, "POST", "experiments/create", {"name": "y"}, **trusted).status == 200
    assert call(world, "POST", "experiments/create", {"name": "x"}, Origin="null").status == 403
    own = f"http://127.0.0.1:{world.port}"
    assert call(world, "POST", "experiments/create", {"name": "x"}, Origin=own).status == 200


NO_CREDENTIALS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Basic",
    "Basic !!!",
    "Basic eA==",
    "Digest x",
    "x" * 9000,
]


def test_credentials_that_are_none_are_401(world):
    for header in NO_CREDENTIALS:
        answer = world.line.request("GET", API + "experiments/search", Authorization=header)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'


def test_a_token_is_good_as_bearer_and_as_a_password(world):
    token = world.secrets["alice"]
    for header in (f"Bearer {token}", f"bearer {token}", basic("x", token), basic("alice")):
        answer = world.line.request("GET", API + "experiments/search", Authorization=header)
        assert answer.status == 200, header


@override_settings(AXES_FAILURE_LIMIT=3)
def test_wrong_passwords_lock_the_account_but_not_who_signed_in_before(world):
    good = {"Authorization": basic("alice")}
    target = API + "experiments/search"
    assert world.line.request("GET", target, **good).status == 200
    messages = [
        world.line.request("GET", target, Authorization=basic("alice", f"wrong{n}")).json()
        for n in range(5)
    ]
    assert "do not match" in messages[0]["message"]
    assert "Too many" in messages[4]["message"]
    assert {one["error_code"] for one in messages} == {"UNAUTHENTICATED"}
    assert world.line.request("GET", target, **good).status == 200
    locked = world.line.request("GET", target, Authorization=basic("bob"))
    assert "Too many" in locked.json()["message"]  # the address is locked, too


def test_a_revoked_token_stops_working_when_the_memory_of_it_ends(world, monkeypatch):
    from experiments.mlflow_api.kit import caller_cache

    monkeypatch.setattr(caller_cache, "KEPT_S", 0.0)
    assert call(world, "GET", "experiments/search").status == 200
    token = ApiToken.objects.get(user=world.alice, scope="write")
    tokens.revoke_token(user=world.alice, token_key=token.token_key)
    assert call(world, "GET", "experiments/search").status == 401


def test_a_role_that_was_taken_away_is_gone_when_the_memory_of_it_ends(world, monkeypatch):
    from experiments.mlflow_api.kit import caller_cache

    monkeypatch.setattr(caller_cache, "KEPT_S", 0.0)
    run = make_run(world)
    Membership.objects.filter(user=world.alice).delete()
    assert call(world, "GET", f"runs/get?run_id={run}").status == 404


def test_roles_hold_on_the_fast_path(world):
    run = make_run(world)
    tag = {"run_id": run, "key": "a", "value": "b"}
    assert call(world, "POST", "runs/set-tag", tag, who="bob").status == 403
    assert call(world, "POST", "runs/set-tag", tag, who="reader").status == 403
    assert call(world, "POST", "runs/set-tag", tag, who="charlie").status == 404
    assert call(world, "GET", f"runs/get?run_id={run}", who="charlie").status == 404
    for who in ("bob", "reader"):
        assert call(world, "GET", f"runs/get?run_id={run}", who=who).status == 200


def test_many_clients_at_once_all_get_their_answer(world):
    run = make_run(world)
    statuses: list[int] = []

    def log(number: int) -> None:
        line = Line(world.port)
        for step in range(20):
            point = {"run_id": run, "key": f"m{number}", "value": step, "timestamp": MS + step}
            answer = line.request(
                "POST",
                API + "runs/log-metric",
                json.dumps({**point, "step": step}).encode(),
                Authorization=f"Bearer {world.secrets['alice']}",
            )
            statuses.append(answer.status)
        line.close()

    threads = [threading.Thread(target=log, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200
    found = call(world, "GET", f"runs/get?run_id={run}").json()["run"]["data"]["metrics"]
    assert {one["key"]: one["value"] for one in found} == {f"m{n}": 19.0 for n in range(10)}


def test_pipelined_requests_are_answered_in_order(world):
    head = f"Host: 127.0.0.1:{world.port}\r\nAuthorization: Bearer {world.secrets['alice']}\r\n\r\n"
    targets = ["/version", API + "experiments/get?experiment_id=0", API + "nothing"]
    world.line.socket.sendall(b"".join(f"GET {t} HTTP/1.1\r\n{head}".encode() for t in targets))
    assert [world.line.read().status for _ in targets] == [200, 200, 404]


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(world):
    line = Line(world.port)
    head = f"POST {API}runs/log-metric HTTP/1.1\r\nHost: 127.0.0.1:{world.port}\r\n"
    head += f"Authorization: Bearer {world.secrets['alice']}\r\nContent-Type: application/json\r\n"
    line.socket.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
    line.close()
    assert call(world, "GET", "experiments/search").status == 200


def test_too_many_parameters_are_refused(world):
    query = "&".join(f"a{n}=1" for n in range(1500))
    assert call(world, "GET", f"experiments/search?{query}").status == 400
    assert call(world, "GET", "experiments/search?filter=%ff").status == 400
    assert call(world, "GET", "experiments/search?filter=%00").status == 400
    assert call(world, "GET", "experiments/search?max_results=1e999999").status == 400


def test_what_is_not_the_protocols_goes_to_django(world):
    assert call(world, "GET", "/health").body == b"OK"
    assert call(world, "GET", "/health", Accept="application/json").json() == {"status": "ok"}
    assert call(world, "GET", "/api/v1/me/").status == 200


def test_the_product_serves_it(world):
    with serving(application) as port:
        line = Line(port)
        assert line.request("GET", "/version").body == b"3.17.2"
        assert line.request("GET", API + "experiments/search").status == 401
        line.close()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connections to lose")
def test_connections_that_were_cut_are_opened_again(world):
    run = make_run(world)
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": MS}
    for step in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert call(world, "GET", f"runs/get?run_id={run}").status == 200
        assert call(world, "POST", "runs/log-metric", {**point, "step": step}).status == 200
    found = call(world, "GET", f"metrics/get-history?run_id={run}&metric_key=m").json()
    assert len(found["metrics"]) == 3
