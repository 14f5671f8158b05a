"""Traces of older clients, whose spans come as a file, and files that belong to traces."""

import json
import re

import pytest
from django.urls import reverse

from experiments.models import ArtifactFile, Trace
from tests.experiments.trace_help import V3, TraceClient, new_trace_id, small_trace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_store")]
V2 = "/api/2.0/mlflow"
ARTIFACTS = f"{V2}-artifacts/artifacts"
START_MS = 1_700_000_000_000


@pytest.fixture
def alice(people):
    return TraceClient(people.alice, people.project)


def begin(client, **fields):
    content = {"experiment_id": str(client.experiment.pk), "timestamp_ms": START_MS, **fields}
    return client.post(f"{V2}/traces", content)


def pairs(values: list[dict]) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in values}


def test_a_trace_of_an_older_client_begins_and_ends(alice):
    begun = begin(
        alice,
        tags=[{"key": "mlflow.traceName", "value": "old"}],
        request_metadata=[{"key": "a", "value": "1"}],
    ).json()["trace_info"]
    assert begun["status"] == "IN_PROGRESS"
    assert begun["timestamp_ms"] == START_MS
    assert "execution_time_ms" not in begun
    address = f"{V2}/traces/{begun['request_id']}"
    content = {
        "timestamp_ms": START_MS + 250,
        "status": "ERROR",
        "request_metadata": [{"key": "mlflow.traceInputs", "value": '{"q": 1}'}],
        "tags": [{"key": "b", "value": "2"}],
    }
    for _ in range(2):
        ended = alice.patch(address, content).json()["trace_info"]
    assert (ended["status"], ended["execution_time_ms"]) == ("ERROR", 250)
    assert pairs(ended["request_metadata"])["a"] == "1"
    assert pairs(ended["tags"])["b"] == "2"
    assert pairs(ended["tags"])["mlflow.traceName"] == "old"
    assert pairs(ended["tags"])["mlflow.artifactLocation"].endswith("/artifacts")
    assert alice.get(f"{address}/info").json()["trace_info"] == ended
    shape = alice.get(f"{V3}/traces/{begun['request_id']}").json()["trace"]["trace_info"]
    assert (shape["state"], shape["request_preview"]) == ("ERROR", '{"q": 1}')


def test_older_clients_search_with_parameters_in_the_address(people, alice):
    for at_ms in (START_MS, START_MS + 5):
        begin(alice, timestamp_ms=at_ms)
    number = str(alice.experiment.pk)
    first = alice.get(f"{V2}/traces", {"experiment_ids": [number], "max_results": 1}).json()
    assert first["traces"][0]["timestamp_ms"] == START_MS + 5
    more = {"experiment_ids": [number], "max_results": 1, "page_token": first["next_page_token"]}
    rest = alice.get(f"{V2}/traces", more).json()
    assert ([one["timestamp_ms"] for one in rest["traces"]], "next_page_token" in rest) == (
        [START_MS],
        False,
    )
    wanted = {"experiment_ids": [number], "filter": f"timestamp_ms > {START_MS}"}
    assert len(alice.get(f"{V2}/traces", wanted).json()["traces"]) == 1
    charlie = TraceClient(people.charlie, people.project)
    assert charlie.get(f"{V2}/traces", {"experiment_ids": [number]}).json() == {}


def test_roles_hold_for_older_clients_too(people, alice):
    trace = begin(alice).json()["trace_info"]["request_id"]

    def statuses(client):
        return [
            client.get(f"{V2}/traces/{trace}/info").status_code,
            begin(client).status_code,
            client.patch(f"{V2}/traces/{trace}", {"timestamp_ms": START_MS}).status_code,
        ]

    assert statuses(alice) == [200, 200, 200]
    assert statuses(TraceClient(people.bob, people.project)) == [200, 403, 403]
    assert statuses(TraceClient(people.charlie, people.project)) == [404, 404, 404]
    assert statuses(TraceClient(None, people.project)) == [401, 401, 401]


@pytest.mark.parametrize(
    "fields",
    [{"timestamp_ms": "soon"}, {"timestamp_ms": -1}, {"timestamp_ms": 2**60}, {"tags": "x"},
     {"experiment_id": "x"}, {"request_metadata": [{"value": "x"}]}],
)  # fmt: skip
def test_a_beginning_that_cannot_be_is_refused(alice, fields):
    assert begin(alice, **fields).status_code == 400
    assert Trace.objects.count() == 0


def put_file(client, trace: str, name: str, body: bytes):
    address = f"{ARTIFACTS}/{client.experiment.pk}/traces/{trace}/artifacts/{name}"
    answer = client.call("PUT", address, body, content_type="application/json")
    assert answer.status_code == 200, answer.content


def test_the_file_of_a_trace_without_spans_is_what_its_client_stored(alice):
    trace = begin(alice).json()["trace_info"]["request_id"]
    address = f"{V2}/get-trace-artifact"
    assert alice.get(address, {"request_id": trace}).status_code == 404
    put_file(alice, trace, "traces.json", b'{"spans": []}')
    answer = alice.get(address, {"request_id": trace})
    assert b"".join(answer.streaming_content) == b'{"spans": []}'
    assert "attachment" in answer.headers["Content-Disposition"]


def test_files_attached_to_a_trace_are_read_by_name(people, alice):
    trace = f"tr-{new_trace_id()}"
    alice.send(small_trace(trace.removeprefix("tr-")))
    put_file(alice, trace, "attachments/image.png", b"png")
    address = f"{V2}/get-trace-artifact"
    answer = alice.get(address, {"request_id": trace, "path": "image.png"})
    assert b"".join(answer.streaming_content) == b"png"
    for path in ("../traces.json", "..%2ftraces.json", "/etc/passwd", "other.png"):
        refused = alice.get(address, {"request_id": trace, "path": path})
        assert refused.status_code in {400, 404}, path
    charlie = TraceClient(people.charlie, people.project)
    wanted = {"request_id": trace, "path": "image.png"}
    assert charlie.get(address, wanted).status_code == 404


def test_the_files_of_a_trace_go_with_it(alice):
    traces = [begin(alice).json()["trace_info"]["request_id"] for _ in range(2)]
    for trace in traces:
        put_file(alice, trace, "traces.json", json.dumps({"spans": []}).encode())
    content = {"experiment_id": str(alice.experiment.pk), "request_ids": [traces[0]]}
    assert alice.post(f"{V2}/traces/delete-traces", content).json() == {"traces_deleted": 1}
    (left,) = ArtifactFile.objects.values_list("path", flat=True)
    assert traces[1] in left


OLD_SPAN = {
    "name": "outer",
    "context": {"span_id": "0xa1", "trace_id": "0x1"},
    "parent_id": None,
    "start_time": 1_700_000_000_000_000_000,
    "end_time": 1_700_000_000_040_000_000,
    "status_code": "OK",
    "status_message": "",
    "attributes": {"mlflow.spanInputs": '{"q": "groß"}', "mlflow.spanType": '"CHAIN"'},
    "events": [{"name": "told", "timestamp": 1, "attributes": {"n": 1}}],
}
NEW_SPAN = {
    "trace_id": "AA==",
    "span_id": "AQ==",
    "parent_span_id": None,
    "name": "outer",
    "start_time_unix_nano": 1_700_000_000_000_000_000,
    "end_time_unix_nano": 1_700_000_000_040_000_000,
    "status": {"code": "STATUS_CODE_OK", "message": None},
    "attributes": OLD_SPAN["attributes"],
    "events": [],
    "links": [],
}


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (OLD_SPAN, {**OLD_SPAN, "context": {"span_id": "0xa2"}, "parent_id": "0xa1"}),
        (NEW_SPAN, {**NEW_SPAN, "span_id": "Ag==", "parent_span_id": "AQ=="}),
    ],
)
def test_the_page_shows_spans_that_a_client_stored_as_a_file(people, alice, as_user, outer, inner):
    trace = begin(alice).json()["trace_info"]["request_id"]
    failed = {**inner, "name": "inner", "status_code": "ERROR"}
    if "status" in failed:
        failed["status"] = {"code": "STATUS_CODE_ERROR", "message": "too warm"}
    body = json.dumps({"spans": [failed, outer], "request": "x"}, ensure_ascii=False)
    put_file(alice, trace, "traces.json", body.encode())
    page = as_user(people.alice).get(reverse("experiments:trace-detail", args=[trace]))
    html = page.content.decode()
    assert re.findall(r'class="span-name"><bdi>([^<]+)</bdi>', html) == ["outer", "inner"]
    assert "groß" in html
    assert "CHAIN" in html
    assert "1 failed" in html


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"spans": 5}', b'{"spans": [5]}', b'{"spans": [{"attributes": [1]}]}',
     b'{"spans": [{"start_time": "x"}]}', b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_does_not_break_the_page(people, alice, as_user, body):
    trace = begin(alice).json()["trace_info"]["request_id"]
    put_file(alice, trace, "traces.json", body)
    answer = as_user(people.alice).get(reverse("experiments:trace-detail", args=[trace]))
    assert answer.status_code == 200
    assert "have not arrived" in answer.content.decode()
