"""Traces over the protocol: OTLP in both encodings, summaries in either order, reading, tags, links."""

import base64
import gzip
import json
import zlib

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from experiments.models import Experiment, Span, Trace, TraceRun
from tests.experiments.trace_help import (
    V3,
    TraceClient,
    add_span,
    new_trace_id,
    set_text,
    small_trace,
)
from tests.experiments.tracking_help import experiment_of, new_run
from tests.people import project_of

pytestmark = pytest.mark.django_db
V2 = "/api/2.0/mlflow"


@pytest.fixture
def alice(people):
    return TraceClient(people.alice, people.project)


def refused(answer, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.content
    message = answer.json()["message"]
    assert all(word in message for word in words), message


def test_spans_sent_by_otlp_come_back_with_ids_times_and_typed_values(alice):
    trace = new_trace_id()
    answer = alice.send(small_trace(trace))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    whole = alice.read(trace).json()["trace"]
    assert [span["name"] for span in whole["spans"]] == ["answer", "retrieve", "generate"]
    root, child, failed = whole["spans"]
    assert base64.b64decode(root["trace_id"]).hex() == trace
    assert "parent_span_id" not in root
    assert child["parent_span_id"] == root["span_id"]
    assert root["start_time_unix_nano"] == 1_700_000_000_000_000_000
    assert {"key": "n", "value": {"int_value": 7}} in child["attributes"]
    assert {
        "key": "mlflow.traceRequestId",
        "value": {"string_value": f"tr-{trace}"},
    } in child["attributes"]
    assert failed["status"] == {"code": "STATUS_CODE_ERROR", "message": "too warm"}
    assert failed["events"][0]["attributes"][0]["value"] == {"string_value": "ValueError"}


def test_a_trace_known_by_its_spans_alone_takes_state_times_and_preview_from_them(alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    info = alice.info(trace)
    assert info["state"] == "OK"
    assert info["request_time"] == "2023-11-14T22:13:20.000Z"
    assert info["execution_duration"] == "0.030s"
    assert "Wie groß?" in info["request_preview"]
    assert info["tags"]["mlflow.traceName"] == "answer"
    assert info["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    number = alice.experiment.pk
    location = f"mlflow-artifacts:/{number}/traces/tr-{trace}/artifacts"
    assert info["tags"]["mlflow.artifactLocation"] == location
    assert info["trace_location"]["mlflow_experiment"]["experiment_id"] == str(number)


@pytest.mark.parametrize("spans_first", [True, False])
def test_summary_and_spans_may_come_in_either_order(alice, spans_first):
    trace = new_trace_id()
    steps = [
        lambda: alice.send(small_trace(trace)),
        lambda: alice.start(
            trace, tags={"mlflow.traceName": "mine", "a": "b"}, trace_metadata={"m": "1"}
        ),
    ]
    for step in steps if spans_first else reversed(steps):
        assert step().status_code == 200
    info = alice.info(trace)
    assert (info["execution_duration"], info["tags"]["mlflow.traceName"]) == ("0.031s", "mine")
    assert (info["tags"]["a"], info["trace_metadata"]) == ("b", {"m": "1"})
    assert info["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    assert len(alice.read(trace).json()["trace"]["spans"]) == 3
    assert Trace.objects.count() == 1


def test_a_summary_without_spans_does_not_claim_that_spans_are_here(alice):
    trace = new_trace_id()
    shape = alice.start(trace).json()["trace"]["trace_info"]
    assert "mlflow.trace.spansLocation" not in shape["tags"]
    refused(alice.read(trace), 404, "not fully exported yet")
    assert "spans" in alice.read(trace, allow_partial="true").json()["trace"]


def test_repeats_change_nothing(alice):
    trace = new_trace_id()
    for _ in range(2):
        alice.send(small_trace(trace))
        alice.start(trace, tags={"a": "b"})
    assert Span.objects.count() == 3
    assert len(alice.read(trace).json()["trace"]["spans"]) == 3


def test_a_trace_with_fewer_spans_than_promised_is_not_whole_yet(alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    alice.start(trace, trace_metadata={"mlflow.trace.sizeStats": json.dumps({"num_spans": 4})})
    refused(alice.read(trace), 404, "not fully exported yet")
    listed = alice.get(f"{V3}/traces/batchGet", {"trace_ids": [f"tr-{trace}"]}).json()
    assert listed["traces"] == []
    request = ExportTraceServiceRequest()
    add_span(request, trace, 4, parent=1)
    alice.send(request)
    assert len(alice.read(trace).json()["trace"]["spans"]) == 4


def test_otlp_json_with_hexadecimal_ids_is_the_same_as_protobuf(alice):
    trace = new_trace_id()
    span = {
        "traceId": trace,
        "spanId": "00000000000000a1",
        "name": "by hand",
        "kind": 3,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000005000000",
        "attributes": [
            {"key": "temperature", "value": {"doubleValue": 0.5}},
            {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "5"}]}}},
            {"key": "half", "value": {"stringValue": "a\ud800b\x00"}},
        ],
        "status": {"code": 2},
        "links": [{"traceId": trace, "spanId": "00000000000000a2"}],
        "somethingNew": 1,
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}], "resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "telemetry.sdk.name", "value": {"stringValue": "x"}},
    ]}}]}  # fmt: skip
    kind = {"content-type": "application/json; charset=utf-8"}
    refused(alice.export(json.dumps(body).encode(), **kind), 400, "Invalid OpenTelemetry format")
    span["attributes"][2]["value"]["stringValue"] = "a\x00b"
    answer = alice.export(json.dumps(body).encode(), **kind)
    assert (answer.status_code, answer.json()) == (200, {})
    (stored,) = alice.read(trace).json()["trace"]["spans"]
    values = {one["key"]: one["value"] for one in stored["attributes"]}
    assert values["temperature"] == {"double_value": 0.5}
    assert values["list"] == {"array_value": {"values": [{"int_value": 5}]}}
    assert stored["kind"] == "SPAN_KIND_CLIENT"
    assert base64.b64decode(stored["links"][0]["span_id"]).hex() == "00000000000000a2"
    tags = alice.info(trace)["tags"]
    assert tags["service.name"] == "shop"
    assert "telemetry.sdk.name" not in tags
    assert alice.info(trace)["state"] == "ERROR"


def test_gzip_and_deflate_are_unpacked(alice):
    first, second, third = new_trace_id(), new_trace_id(), new_trace_id()
    assert alice.send(small_trace(first), packed=True).status_code == 200
    body = small_trace(second).SerializeToString()
    packed = {"content-encoding": "deflate"}
    assert alice.export(zlib.compress(body), **packed).status_code == 200
    raw = zlib.compressobj(wbits=-15)
    body = small_trace(third).SerializeToString()
    assert alice.export(raw.compress(body) + raw.flush(), **packed).status_code == 200
    assert Trace.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff\xff", {}, 400),
        (b"", {}, 400),
        (b"\x0a\x03\x0a\x01", {}, 400),
        (b"{", {"content-type": "application/json"}, 400),
        (b"[1]", {"content-type": "application/json"}, 400),
        (b'{"resourceSpans": 5}', {"content-type": "application/json"}, 400),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}',
         {"content-type": "application/json"}, 400),
        (b"[" * 100_000, {"content-type": "application/json"}, 400),
        (b"x", {"content-type": "text/plain"}, 400),
        (b"not gzip", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"abc" * 100, mtime=0)[:-12], {"content-encoding": "gzip"}, 400),
        (b"x", {"content-encoding": "br"}, 400),
        (b"x", {"x-mlflow-experiment-id": ""}, 400),
        (b"x", {"x-mlflow-experiment-id": "abc"}, 400),
        (b"x", {"x-mlflow-experiment-id": "1" * 40}, 400),
        (b"x", {"x-mlflow-experiment-id": "99999999"}, 404),
    ],
)  # fmt: skip
def test_bad_bytes_are_refused_and_nothing_is_kept(alice, body, headers, status):
    refused(alice.export(body, **headers), status)
    assert Trace.objects.count() == 0


def test_a_gzip_bomb_is_refused_without_being_unpacked(alice):
    packed = gzip.compress(b"\0" * (70 * 1024 * 1024), compresslevel=1)
    answer = alice.export(packed, **{"content-encoding": "gzip"})
    refused(answer, 413, "unpack")


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": b""},
        {"trace_id": b"\0" * 16},
        {"span_id": b"abc"},
        {"parent_span_id": b"abc"},
        {"start_time_unix_nano": 2**64 - 1},
        {"end_time_unix_nano": 2**63},
    ],
)
def test_a_span_that_cannot_be_refuses_the_whole_request(alice, change):
    request = small_trace(new_trace_id())
    for name, value in change.items():
        setattr(request.resource_spans[0].scope_spans[0].spans[2], name, value)
    refused(alice.send(request), 400, "span's")
    assert Trace.objects.count() == 0


def test_a_trace_of_ten_thousand_spans_is_kept_and_read_back(alice):
    trace = new_trace_id()
    request = ExportTraceServiceRequest()
    for number in range(1, 10_001):
        add_span(request, trace, number, parent=1 if number > 1 else 0)
    assert alice.send(request, packed=True).status_code == 200
    assert Span.objects.count() == 10_000
    assert len(alice.read(trace).json()["trace"]["spans"]) == 10_000


def test_a_trace_cannot_grow_without_end(alice, monkeypatch):
    monkeypatch.setattr("experiments.tracking.trace_rows.MAX_SPANS", 4)
    trace = new_trace_id()
    assert alice.send(small_trace(trace)).status_code == 200
    assert alice.send(small_trace(trace)).status_code == 200
    request = ExportTraceServiceRequest()
    add_span(request, trace, 4, parent=1)
    add_span(request, trace, 5, parent=1)
    refused(alice.send(request), 413, "more than 4 spans")
    assert Span.objects.count() == 3


def test_a_span_with_too_many_attributes_is_refused(alice):
    request = ExportTraceServiceRequest()
    span = add_span(request, new_trace_id(), 1)
    for number in range(1_001):
        set_text(span, f"k{number}", "v")
    refused(alice.send(request), 413, "attributes")


def test_texts_that_databases_cannot_hold_are_kept_as_far_as_possible(alice):
    trace = new_trace_id()
    request = ExportTraceServiceRequest()
    span = add_span(request, trace, 1, name="a\0b")
    set_text(span, "k\0ey", "v\0alue")
    span.attributes.add(key="nan").value.double_value = float("nan")
    span.attributes.add(key="inf").value.double_value = float("-inf")
    event = span.events.add(name="e")
    event.attributes.add(key="nan").value.double_value = float("nan")
    assert alice.send(request).status_code == 200
    (stored,) = alice.read(trace).json()["trace"]["spans"]
    assert stored["name"] == "a\ufffdb"
    values = {one["key"]: one["value"] for one in stored["attributes"]}
    assert values["k\ufffdey"] == {"string_value": "v\0alue"}
    assert (values["nan"], values["inf"]) == (
        {"double_value": "NaN"},
        {"double_value": "-Infinity"},
    )
    assert stored["events"][0]["attributes"][0]["value"] == {"string_value": "NaN"}


def test_the_file_of_a_trace_holds_values_as_json_text(alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    answer = alice.get("/ajax-api/2.0/mlflow/get-trace-artifact", {"request_id": f"tr-{trace}"})
    assert answer.headers["Content-Disposition"] == "attachment; filename=traces.json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    root, child, _ = json.loads(answer.content)["spans"]
    assert root["parent_span_id"] is None
    assert child["attributes"]["n"] == "7"
    assert json.loads(root["attributes"]["mlflow.spanType"]) == "CHAIN"
    refused(alice.get("/ajax-api/2.0/mlflow/get-trace-artifact"), 400, "request_id")


def test_tags_of_a_trace_change_and_go(alice):
    trace = new_trace_id()
    alice.start(trace)
    tags = f"{V2}/traces/tr-{trace}/tags"
    assert alice.patch(tags, {"key": "k", "value": "1"}).json() == {}
    alice.patch(tags, {"key": "k", "value": "2"})
    alice.patch(tags, {"key": "mlflow.traceName", "value": "new name"})
    assert alice.info(trace)["tags"]["k"] == "2"
    assert alice.info(trace)["tags"]["mlflow.traceName"] == "new name"
    assert alice.delete(tags, {"key": "k"}).json() == {}
    refused(alice.delete(tags, {"key": "k"}), 404, "No trace tag with key 'k'")
    refused(alice.patch(tags, {"key": "mlflow.trace.spansLocation"}), 400, "immutable")
    refused(alice.patch(tags, {"key": "k" * 251}), 400, "250")
    refused(alice.patch(tags, {"key": 5}), 400, "Invalid value 5 for parameter 'key'")
    refused(alice.patch(f"{V2}/traces/tr-0/tags", {"key": "k"}), 404, "not found")


@pytest.mark.parametrize(
    "fields",
    [
        {"request_time": "yesterday"},
        {"request_time": "2023-13-45T22:13:20Z"},
        {"request_time": "1969-12-31T23:59:59Z"},
        {"request_time": 5},
        {"execution_duration": "-1s"},
        {"execution_duration": "1e9s"},
        {"trace_id": "../../etc"},
        {"trace_id": "x" * 65},
        {"trace_id": ""},
        {"trace_location": {}},
        {"trace_location": {"mlflow_experiment": {"experiment_id": "x"}}},
        {"trace_location": "5"},
        {"tags": [1]},
        {"tags": {"a": 1}},
        {"tags": {"": "x"}},
        {"trace_metadata": "x"},
        {"request_preview": "x" * 100_001},
        {"client_request_id": "x" * 251},
        {"assessments": [{}]},
    ],
)
def test_a_summary_that_cannot_be_is_refused(alice, fields):
    refused(alice.start(new_trace_id(), **fields), 400)
    assert Trace.objects.count() == 0


def test_a_summary_may_be_in_camel_case_with_numbers_for_states(alice):
    trace = new_trace_id()
    answer = alice.post(
        f"{V3}/traces",
        {
            "trace": {
                "traceInfo": {
                    "traceId": f"tr-{trace}",
                    "traceLocation": {
                        "type": 1,
                        "mlflowExperiment": {"experimentId": str(alice.experiment.pk)},
                    },
                    "requestTime": "2023-11-14T23:13:20.123456789+01:00",
                    "state": 2,
                }
            }
        },
    )
    assert answer.status_code == 200
    info = alice.info(trace)
    assert (info["state"], info["request_time"]) == ("ERROR", "2023-11-14T22:13:20.123Z")


def test_a_trace_belongs_to_the_run_it_was_made_in_and_to_those_that_looked_at_it(people, alice):
    made_in, looked_at_by = (new_run(people.alice, people.project) for _ in range(2))
    trace = new_trace_id()
    alice.send(small_trace(trace))
    alice.start(trace, trace_metadata={"mlflow.sourceRun": made_in.uuid})
    content = {"trace_ids": [f"tr-{trace}", "tr-unknown"], "run_id": looked_at_by.uuid}
    for _ in range(2):
        assert alice.post(f"{V2}/traces/link-to-run", content).json() == {}
    runs = TraceRun.objects.values_list("run__uuid", flat=True)
    assert sorted(runs) == sorted([made_in.uuid, looked_at_by.uuid])
    content["trace_ids"] = ["x"] * 101
    refused(alice.post(f"{V2}/traces/link-to-run", content), 400, "100")
    content = {"trace_ids": ["x"], "run_id": "f" * 32}
    refused(alice.post(f"{V2}/traces/link-to-run", content), 404, "not found")


def test_the_header_of_a_run_ties_exported_traces_to_it(people, alice):
    run = new_run(people.alice, people.project)
    body = small_trace(new_trace_id()).SerializeToString()
    assert alice.export(body, **{"x-mlflow-run-id": run.uuid}).status_code == 200
    assert TraceRun.objects.get().run == run


def test_a_run_of_another_project_is_never_tied_to_a_trace(people, alice):
    elsewhere = project_of((people.charlie, "editor"), name="Moons")
    theirs = new_run(people.charlie, elsewhere)
    alice.start(new_trace_id(), trace_metadata={"mlflow.sourceRun": theirs.uuid})
    assert TraceRun.objects.count() == 0


def test_prompts_are_noted_once_with_the_trace(alice):
    trace = new_trace_id()
    alice.start(trace)
    content = {"trace_id": f"tr-{trace}", "prompt_versions": [{"name": "p", "version": "3"}]}
    for _ in range(2):
        assert alice.post(f"{V2}/traces/link-prompts", content).json() == {}
    tag = alice.info(trace)["tags"]["mlflow.linkedPrompts"]
    assert json.loads(tag) == [{"name": "p", "version": "3"}]


def test_traces_are_deleted_by_id_or_up_to_a_moment(alice):
    ids = [new_trace_id() for _ in range(4)]
    for second, trace in enumerate(ids):
        alice.send(small_trace(trace))
        alice.start(trace, request_time=f"2024-01-01T00:00:0{second}.000Z")
    address = f"{V2}/traces/delete-traces"
    number = str(alice.experiment.pk)
    answer = alice.post(address, {"experiment_id": number, "request_ids": [f"tr-{ids[3]}", "x"]})
    assert answer.json() == {"traces_deleted": 1}
    cut = 1_704_067_202_000
    content = {"experiment_id": number, "max_timestamp_millis": cut, "max_traces": 1}
    assert alice.post(address, content).json() == {"traces_deleted": 1}
    assert not Trace.objects.filter(trace_id=f"tr-{ids[0]}").exists()
    del content["max_traces"]
    assert alice.post(address, content).json() == {"traces_deleted": 2}
    assert Span.objects.count() == 0
    for bad in (
        {},
        {"request_ids": ["a"], "max_timestamp_millis": 5},
        {"request_ids": ["a"], "max_traces": 5},
        {"max_timestamp_millis": 5, "max_traces": 0},
        {"max_timestamp_millis": "soon"},
        {"request_ids": "a"},
    ):
        refused(alice.post(address, {"experiment_id": number, **bad}), 400)


def test_a_deleted_experiment_takes_no_traces(alice):
    Experiment.objects.filter(pk=alice.experiment.pk).update(lifecycle="deleted")
    refused(alice.send(small_trace(new_trace_id())), 400, "active")
    refused(alice.start(new_trace_id()), 400, "active")


def test_another_project_cannot_write_to_a_trace_whose_id_it_guessed(people, alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    elsewhere = project_of((people.charlie, "editor"), name="Moons")
    charlie = TraceClient(people.charlie, elsewhere)
    charlie.experiment = experiment_of(elsewhere)
    refused(charlie.send(small_trace(trace, question="other")), 404)
    refused(charlie.start(trace, tags={"a": "b"}), 404)
    assert "Wie groß?" in alice.info(trace)["request_preview"]


def every_call(client: TraceClient, trace: str, run: str):
    one = f"{V3}/traces/tr-{trace}"
    source = {"source": {"source_type": "HUMAN", "source_id": "me"}}
    said = {"assessment": {"assessment_name": "good", "feedback": {"value": True}, **source}}
    masked = {**said, "update_mask": "feedback"}
    number = str(client.experiment.pk)
    reads = [
        client.get(one),
        client.read(trace),
        client.get("/ajax-api/3.0/mlflow/get-trace-artifact", {"request_id": f"tr-{trace}"}),
    ]
    writes = [
        client.send(small_trace(trace)),
        client.start(trace),
        client.patch(f"{V2}/traces/tr-{trace}/tags", {"key": "k", "value": "v"}),
        client.delete(f"{V2}/traces/tr-{trace}/tags", {"key": "k"}),
        client.post(f"{V2}/traces/link-to-run", {"trace_ids": [f"tr-{trace}"], "run_id": run}),
        client.post(
            f"{V2}/traces/link-prompts",
            {"trace_id": f"tr-{trace}", "prompt_versions": [{"name": "p", "version": "1"}]},
        ),
        client.post(f"{one}/assessments", said),
        client.patch(f"{one}/assessments/a-{'0' * 32}", masked),
        client.delete(f"{one}/assessments/a-{'0' * 32}"),
        client.post(f"{V2}/traces/delete-traces", {"experiment_id": number, "request_ids": ["x"]}),
    ]
    return [one.status_code for one in reads], [one.status_code for one in writes]


def test_roles_hold_for_every_call(people, alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    run = new_run(people.alice, people.project).uuid
    reads, writes = every_call(alice, trace, run)
    assert set(reads) == {200}
    assert writes == [200, 200, 200, 200, 200, 200, 200, 404, 200, 200]
    reads, writes = every_call(TraceClient(people.bob, people.project), trace, run)
    assert (set(reads), set(writes)) == ({200}, {403})
    reads, writes = every_call(TraceClient(people.charlie, people.project), trace, run)
    assert (set(reads), set(writes)) == ({404}, {404})
    reader = TraceClient(people.alice, people.project, scope="read")
    reads, writes = every_call(reader, trace, run)
    assert (set(reads), set(writes)) == ({200}, {403})
    nobody = TraceClient(None, people.project)
    reads, writes = every_call(nobody, trace, run)
    assert (set(reads), set(writes)) == ({401}, {401})


def test_strangers_learn_nothing_from_reading_many_at_once(people, alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    charlie = TraceClient(people.charlie, people.project)
    wanted = {"trace_ids": [f"tr-{trace}", "tr-unknown"]}
    assert charlie.get(f"{V3}/traces/batchGet", wanted).json() == {"traces": []}
    assert charlie.post(f"{V3}/traces/batchGetInfos", wanted).json() == {"trace_infos": []}
    seen = alice.post(f"{V3}/traces/batchGetInfos", wanted).json()["trace_infos"]
    assert [one["trace_id"] for one in seen] == [f"tr-{trace}"]
    wanted["experiment_ids"] = ["0"]
    assert alice.post(f"{V3}/traces/batchGetInfos", wanted).json() == {"trace_infos": []}


def test_reading_many_traces_costs_no_query_per_trace(alice, django_assert_max_num_queries):
    ids = [new_trace_id() for _ in range(10)]
    for trace in ids:
        alice.send(small_trace(trace))
        alice.start(trace, tags={"a": "b"})
    with django_assert_max_num_queries(10):
        listed = alice.get(f"{V3}/traces/batchGet", {"trace_ids": [f"tr-{one}" for one in ids]})
    assert len(listed.json()["traces"]) == 10


def test_a_span_more_of_a_known_trace_costs_few_queries(alice, django_assert_max_num_queries):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    request = ExportTraceServiceRequest()
    add_span(request, trace, 4, parent=1)
    with django_assert_max_num_queries(14):
        assert alice.send(request).status_code == 200
