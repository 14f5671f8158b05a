"""What people, code and judges say about traces, over the protocol."""

import pytest

from experiments.models import Assessment, Trace
from tests.experiments.trace_help import V3, TraceClient, new_trace_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return TraceClient(people.alice, people.project)


@pytest.fixture
def trace(alice):
    """Return the address of a trace's assessments."""
    trace = new_trace_id()
    alice.start(trace)
    return f"{V3}/traces/tr-{trace}/assessments"


def feedback(value=True, **more):
    return {
        "assessment_name": "correct",
        "source": {"source_type": "HUMAN", "source_id": "alice"},
        "feedback": {"value": value},
        "create_time": "2024-01-01T00:00:00.500Z",
        "last_update_time": "2024-01-01T00:00:00.500Z",
        **more,
    }


def make(alice, trace, content):
    answer = alice.post(trace, {"assessment": content})
    assert answer.status_code == 200, answer.content
    return answer.json()["assessment"]


def valid(alice, trace):
    info = alice.get(trace.removesuffix("/assessments")).json()["trace"]["trace_info"]
    return {one["assessment_id"]: one["valid"] for one in info.get("assessments", [])}


@pytest.mark.parametrize("value", [True, False, 0, 4.5, "yes", "", None, [1, "a"], {"a": {"b": 1}}])
def test_feedback_of_any_kind_comes_back_as_it_was_given(alice, trace, value):
    made = make(alice, trace, feedback(value, rationale="because", metadata={"k": "v"}))
    assert made["assessment_id"].startswith("a-")
    read = alice.get(f"{trace}/{made['assessment_id']}").json()["assessment"]
    assert read == made
    assert read["feedback"] == {"value": value}
    assert (read["rationale"], read["metadata"], read["valid"]) == ("because", {"k": "v"}, True)
    assert read["source"] == {"source_type": "HUMAN", "source_id": "alice"}
    assert read["create_time"] == "2024-01-01T00:00:00.500Z"


def test_an_expectation_of_a_list_travels_as_text(alice, trace):
    text = '["a", {"b": 1.5}]'
    packed = {"serialization_format": "JSON_FORMAT", "value": text}
    content = feedback(expectation={"serialized_value": packed})
    del content["feedback"]
    made = make(alice, trace, content)
    assert made["expectation"]["serialized_value"]["value"] == '["a",{"b":1.5}]'
    assert Assessment.objects.get().body == {"value": ["a", {"b": 1.5}]}


def test_why_there_is_no_feedback_is_kept(alice, trace):
    error = {"error_code": "TIMEOUT", "error_message": "too slow"}
    made = make(alice, trace, feedback(feedback={"error": error}))
    assert made["feedback"] == {"value": None, "error": error}


def test_an_override_makes_the_older_one_count_no_more_until_it_is_deleted(alice, trace):
    older = make(alice, trace, feedback())["assessment_id"]
    newer = make(alice, trace, feedback(value=False, overrides=older))
    assert newer["overrides"] == older
    assert valid(alice, trace) == {older: False, newer["assessment_id"]: True}
    for _ in range(2):
        assert alice.delete(f"{trace}/{newer['assessment_id']}").json() == {}
    assert valid(alice, trace) == {older: True}


def test_of_two_overrides_the_last_one_deleted_brings_the_older_one_back(alice, trace):
    older = make(alice, trace, feedback())["assessment_id"]
    first, second = (make(alice, trace, feedback(overrides=older)) for _ in range(2))
    alice.delete(f"{trace}/{first['assessment_id']}")
    assert valid(alice, trace)[older] is False
    alice.delete(f"{trace}/{second['assessment_id']}")
    assert valid(alice, trace)[older] is True


def test_a_deleted_older_one_leaves_its_override(alice, trace):
    older = make(alice, trace, feedback())["assessment_id"]
    newer = make(alice, trace, feedback(overrides=older))["assessment_id"]
    alice.delete(f"{trace}/{older}")
    assert valid(alice, trace) == {newer: True}


@pytest.mark.parametrize(
    "mask", ["assessmentName,feedback", {"paths": ["assessment_name", "feedback"]}]
)
def test_an_update_changes_what_the_mask_names(alice, trace, mask):
    made = make(alice, trace, feedback(rationale="old", metadata={"a": "1", "b": "2"}))
    address = f"{trace}/{made['assessment_id']}"
    content = {"assessment_name": "new name", "feedback": {"value": 5}, "rationale": "new"}
    changed = alice.patch(address, {"assessment": content, "update_mask": mask}).json()
    assert changed["assessment"]["assessment_name"] == "new name"
    assert changed["assessment"]["feedback"] == {"value": 5}
    assert changed["assessment"]["rationale"] == "old"
    assert changed["assessment"]["create_time"] == made["create_time"]
    assert changed["assessment"]["last_update_time"] > made["last_update_time"]
    content = {"metadata": {"b": "3", "c": "4"}}
    changed = alice.patch(address, {"assessment": content, "update_mask": "metadata"}).json()
    assert changed["assessment"]["metadata"] == {"a": "1", "b": "3", "c": "4"}


@pytest.mark.parametrize(
    ("content", "mask"),
    [
        ({"expectation": {"value": 1}}, "expectation"),
        ({}, "feedback"),
        ({"feedback": {"value": 1}}, "expectation"),
        ({"assessment_name": ""}, "assessment_name"),
        ({"assessment_name": "x" * 251}, "assessment_name"),
        ({"assessment_name": "x"}, "trace_id"),
        ({"assessment_name": "x"}, 5),
        ({"assessment_name": "x"}, {"paths": [1]}),
        ({"metadata": {"a": 1}}, "metadata"),
    ],
)
def test_an_update_that_does_not_fit_is_refused(alice, trace, content, mask):
    made = make(alice, trace, feedback())
    address = f"{trace}/{made['assessment_id']}"
    answer = alice.patch(address, {"assessment": content, "update_mask": mask})
    assert answer.status_code == 400, answer.content
    assert alice.get(address).json()["assessment"] == made


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"assessment_name": ""}, 400),
        ({"assessment_name": 5}, 400),
        ({"assessment_name": "x" * 251}, 400),
        ({"feedback": None}, 400),
        ({"expectation": {"value": 1}}, 400),
        ({"source": None}, 400),
        ({"source": {"source_type": "ORACLE"}}, 400),
        ({"source": {"source_type": "HUMAN", "source_id": "x" * 251}}, 400),
        ({"span_id": "zz"}, 400),
        ({"assessment_id": "../x"}, 400),
        ({"create_time": "never"}, 400),
        ({"metadata": {"a": 1}}, 400),
        ({"metadata": {str(number): "" for number in range(201)}}, 413),
        ({"rationale": "x" * 100_001}, 413),
        ({"feedback": {"value": "x" * 1_000_001}}, 413),
        ({"overrides": f"a-{'0' * 32}"}, 404),
        ({"feedback": None, "expectation": {"serialized_value": {"value": "{"}}}, 400),
        ({"feedback": None, "expectation": {"serialized_value": {"value": "[" * 5000}}}, 400),
        ({"feedback": None, "expectation": {"serialized_value": {"value": '"\\u0000"'}}}, 400),
        ({"feedback": None, "expectation": {
            "serialized_value": {"value": "1", "serialization_format": "PICKLE"}}}, 400),
    ],
)  # fmt: skip
def test_an_assessment_that_cannot_be_is_refused(alice, trace, change, status):
    content = {name: value for name, value in feedback(**change).items() if value is not None}
    answer = alice.post(trace, {"assessment": content})
    assert answer.status_code == status, answer.content
    assert answer.json()["message"]
    assert Assessment.objects.count() == 0


def test_old_and_numbered_names_of_sources_are_understood(alice, trace):
    made = make(alice, trace, feedback(source={"source_type": "ai_judge"}))
    assert made["source"]["source_type"] == "LLM_JUDGE"
    made = make(alice, trace, feedback(source={"source_type": 3}))
    assert made["source"]["source_type"] == "CODE"


def test_assessments_that_come_with_a_trace_are_kept_once(alice):
    trace = new_trace_id()
    for _ in range(2):
        answer = alice.start(trace, assessments=[feedback(), feedback(assessment_name="other")])
        assert answer.status_code == 200
    assert sorted(Assessment.objects.values_list("name", flat=True)) == ["correct", "other"]


def test_a_trace_has_a_limited_number_of_assessments(alice, trace, monkeypatch):
    monkeypatch.setattr("experiments.services.assessments.MAX_PER_TRACE", 1)
    make(alice, trace, feedback())
    assert alice.post(trace, {"assessment": feedback()}).status_code == 413


def test_assessments_of_other_traces_are_not_found_here(alice, trace):
    made = make(alice, trace, feedback())
    other = new_trace_id()
    alice.start(other)
    address = f"{V3}/traces/tr-{other}/assessments"
    assert alice.get(f"{address}/{made['assessment_id']}").status_code == 404
    assert alice.delete(f"{address}/{made['assessment_id']}").json() == {}
    content = feedback(overrides=made["assessment_id"])
    assert alice.post(address, {"assessment": content}).status_code == 404
    assert Assessment.objects.get().is_valid


def test_deleting_a_trace_deletes_what_was_said_about_it(alice, trace):
    older = make(alice, trace, feedback())["assessment_id"]
    make(alice, trace, feedback(overrides=older))
    Trace.objects.all().delete()
    assert Assessment.objects.count() == 0
