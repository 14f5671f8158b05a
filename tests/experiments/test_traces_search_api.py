"""Searching traces: every field and operator, orders, pages, what is refused, who sees what."""

import pytest

from tests.experiments.trace_help import (
    V3,
    TraceClient,
    add_span,
    new_trace_id,
    set_text,
    small_trace,
)
from tests.experiments.tracking_help import experiment_of, new_run

pytestmark = pytest.mark.django_db
START_MS = 1_700_000_000_000


def search(client, text="", **more):
    number = str(client.experiment.pk)
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": number}}
    return client.post(f"{V3}/traces/search", {"locations": [location], "filter": text, **more})


def found(client, text="", **more) -> list[str]:
    """Return the names of the traces that fit."""
    answer = search(client, text, **more)
    assert answer.status_code == 200, (text, answer.content)
    return [one["tags"]["mlflow.traceName"] for one in answer.json().get("traces", [])]


def say(client, trace, name, kind="feedback", value=True, **more):
    body = {"value": value} if not isinstance(value, list) else {
        "serialized_value": {"value": str(value)}
    }  # fmt: skip
    content = {
        "assessment_name": name, kind: body, "source": {"source_type": "CODE"}, **more,
    }  # fmt: skip
    answer = client.post(f"{V3}/traces/tr-{trace}/assessments", {"assessment": content})
    assert answer.status_code == 200, answer.content
    return answer.json()["assessment"]["assessment_id"]


@pytest.fixture
def alice(people):
    """Return a client with the traces `one`, `Two` and `three%`, in the order of time."""
    client = TraceClient(people.alice, people.project)
    one, two, three = (new_trace_id() for _ in range(3))
    client.traces = {"one": one, "two": two, "three": three}
    client.run = new_run(people.alice, people.project)
    client.send(small_trace(one))
    client.start(
        one,
        tags={"mlflow.traceName": "one", "env": "prod", "a b": "x"},
        trace_metadata={"mlflow.sourceRun": client.run.uuid, "user": "Ann"},
        request_time="2023-11-14T22:13:20.000Z",
        execution_duration="0.100s",
        client_request_id="req-1",
    )
    request = small_trace(two, question='"plain words"')
    set_text(request.resource_spans[0].scope_spans[0].spans[1], "model", "gpt-x")
    client.send(request)
    client.start(
        two,
        tags={"mlflow.traceName": "Two", "env": "Prod"},
        request_time="2023-11-14T22:13:21.000Z",
        execution_duration="0.050s",
        state="ERROR",
    )
    client.start(
        three,
        tags={"mlflow.traceName": "three%"},
        request_time="2023-11-14T22:13:22.000Z",
        execution_duration="",
        state="IN_PROGRESS",
    )
    return client


FILTERS = (
    ("", ["three%", "Two", "one"]),
    ("name = 'one'", ["one"]),
    ("name != 'one'", ["three%", "Two"]),
    ("trace.name LIKE 'T%'", ["Two"]),
    ("name ILIKE 't%'", ["three%", "Two"]),
    ("name LIKE 'three_'", ["three%"]),
    ("name IN ('one', 'Two')", ["Two", "one"]),
    ("name NOT IN ('one', 'Two')", ["three%"]),
    ("tags.`mlflow.traceName` = 'one'", ["one"]),
    ("tags.mlflow.traceName IS NOT NULL", ["three%", "Two", "one"]),
    ("status = 'OK'", ["one"]),
    ("attributes.status IN ('ERROR', 'IN_PROGRESS')", ["three%", "Two"]),
    (f"timestamp_ms > {START_MS}", ["three%", "Two"]),
    (f"timestamp <= {START_MS}", ["one"]),
    (f"timestamp = {START_MS}.5", []),
    ("execution_time_ms >= 50 AND execution_time < 100", ["Two"]),
    ("execution_time != 50", ["one"]),
    (f"end_time = {START_MS + 1050}", ["Two"]),
    (f"end_time_ms > {START_MS + 1050}", ["three%"]),
    ("client_request_id = 'req-1'", ["one"]),
    ("client_request_id != 'other'", ["one"]),
    ("tags.env = 'prod'", ["one"]),
    ("tag.env ILIKE 'PROD'", ["Two", "one"]),
    ("tags.env != 'prod'", ["Two"]),
    ("tags.env IS NULL", ["three%"]),
    ("tags.`a b` = 'x'", ["one"]),
    ("metadata.user = 'Ann'", ["one"]),
    ("request_metadata.user IS NOT NULL", ["one"]),
    ("metadata.user LIKE 'a%'", []),
    ("span.name = 'retrieve'", ["Two", "one"]),
    ("span.type = 'CHAIN'", ["Two", "one"]),
    ("span.status = 'ERROR' AND span.name = 'generate'", ["Two", "one"]),
    ("span.status = 'ERROR' AND span.name = 'retrieve'", []),
    ("span.attributes.model = 'gpt-x'", ["Two"]),
    ("span.attributes.model LIKE '%-x'", ["Two"]),
    ("span.attributes.model ILIKE 'GPT%' AND span.name = 'retrieve'", ["Two"]),
    ("span.attributes.model IN ('a', 'gpt-x')", ["Two"]),
    ("span.attributes.n = '7'", ["Two", "one"]),
    ("span.attributes.absent != 'x'", []),
    ("trace.text LIKE '%Wie groß%'", ["one"]),
    ("text ILIKE '%PLAIN WORDS%'", ["Two"]),
    ("span.content LIKE '%ValueError%'", ["Two", "one"]),
    ("tags.env = 'prod' and status = 'OK' AND span.name LIKE 'gen%'", ["one"]),
)


def test_a_filter_finds_what_it_says(alice):
    for text, names in FILTERS:
        assert found(alice, text) == names, text


def test_traces_of_a_run_are_those_made_in_it_and_those_it_looked_at(people, alice):
    uuid = alice.run.uuid
    assert found(alice, f"run_id = '{uuid}'") == ["one"]
    content = {"trace_ids": [f"tr-{alice.traces['two']}"], "run_id": uuid}
    alice.post("/api/2.0/mlflow/traces/link-to-run", content)
    for text in (
        f"run_id = '{uuid}'",
        f"run_id IN ('{uuid}', 'x')",
        f"metadata.`mlflow.sourceRun` = '{uuid}'",
        f"attributes.run_id = '{uuid}'",
    ):
        assert found(alice, text) == ["Two", "one"]
    assert found(alice, "run_id != 'x'") == ["one"]


def test_traces_are_found_by_what_was_said_about_them(alice):
    one, two = alice.traces["one"], alice.traces["two"]
    say(alice, one, "good", value=True)
    say(alice, two, "good", value=False)
    say(alice, one, "score", value=0.5)
    say(alice, two, "score", value=3)
    older = say(alice, one, "tone", value="rude")
    say(alice, one, "tone", value="kind", overrides=older)
    say(alice, one, "answer", kind="expectation", value=[1, 2])
    for text, names in (
        ("feedback.good = 'true'", ["one"]),
        ("feedback.good != 'true'", ["Two"]),
        ("feedback.score > 0.4", ["Two", "one"]),
        ("feedback.score > 1", ["Two"]),
        ("feedback.score = '3'", ["Two"]),
        ("feedback.good > 0", []),
        ("feedback.tone = 'kind'", ["one"]),
        ("feedback.tone = 'rude'", []),
        ("feedback.tone LIKE 'k%'", ["one"]),
        ("feedback.tone IS NULL", ["three%", "Two"]),
        ("expectation.answer IS NOT NULL", ["one"]),
        ("expectation.good = 'true'", []),
    ):
        assert found(alice, text) == names, text


def test_traces_are_found_by_the_prompts_they_used(alice):
    content = {
        "trace_id": f"tr-{alice.traces['one']}",
        "prompt_versions": [{"name": "p", "version": "3"}],
    }
    alice.post("/api/2.0/mlflow/traces/link-prompts", content)
    assert found(alice, "prompt = 'p/3'") == ["one"]
    assert found(alice, "prompt = 'p/4'") == []


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (["timestamp ASC"], ["one", "Two", "three%"]),
        (["execution_time"], ["Two", "one", "three%"]),
        (["execution_time_ms DESC"], ["one", "Two", "three%"]),
        (["name"], ["Two", "one", "three%"]),
        (["status", "timestamp"], ["Two", "three%", "one"]),
        (["tags.env"], ["Two", "one", "three%"]),
        (["tags.env DESC"], ["one", "Two", "three%"]),
        (["metadata.user"], ["one", "three%", "Two"]),
        (["run_id"], ["one", "three%", "Two"]),
        (["experiment_id", "end_time DESC"], ["three%", "Two", "one"]),
    ],
)
def test_orders_hold_and_pages_follow_them(alice, order, names):
    assert found(alice, order_by=order) == names
    paged, token = [], None
    for _ in names:
        content = {"order_by": order, "max_results": 1, **({"page_token": token} if token else {})}
        answer = search(alice, **content).json()
        paged += [one["tags"]["mlflow.traceName"] for one in answer["traces"]]
        token = answer.get("next_page_token")
    assert (paged, token) == (names, None)


REFUSED = (
    ("name RLIKE '^o'", "RLIKE is not supported"),
    ("tags.x rlike '(a+)+$'", "RLIKE is not supported"),
    ("name = one", "quotes"),
    ("name = 'one' OR name = 'Two'", "OR"),
    ("nothing = 'x'", "no attribute"),
    ("issue.id = 'x'", "issue"),
    ("metrics.x > 1", "metrics"),
    ("timestamp = 'x'", "number"),
    ("timestamp LIKE '1%'", "takes"),
    ("name > 'a'", "takes"),
    ("name = 5", "quotes"),
    ("span.speed = 'x'", "span"),
    ("span.attributes. = 'x'", "span"),
    ("span.content = 'x'", "takes"),
    ("text = 'x'", "takes"),
    ("tags.x > '1'", "takes"),
    ("feedback.x > '1'", "number"),
    ("feedback.x = 1", "quotes"),
    ("prompt = 'x'", "name/version"),
    ("prompt LIKE 'x/1'", "takes"),
    ("name LIKE '%%%%%%%%%%%'", "wildcards"),
    ("name = 'a\x00'", "NUL"),
    ("name = 'x'; DROP TABLE experiments_trace", ""),
    ("x" * 20_001, "longer"),
)


def test_a_filter_that_does_not_fit_is_refused_by_name(alice):
    for text, word in REFUSED:
        answer = search(alice, text)
        assert answer.status_code == 400, text
        assert word in answer.json()["message"], text


def test_a_word_in_quotes_is_no_regular_expression(alice):
    assert found(alice, "name = 'a RLIKE b'") == []


REFUSED_SEARCHES = (
    {"order_by": ["nothing"]},
    {"order_by": ["span.name"]},
    {"order_by": ["timestamp", "timestamp_ms DESC"]},
    {"order_by": "timestamp"},
    {"max_results": 0},
    {"max_results": 501},
    {"max_results": "many"},
    {"page_token": "forged"},
    {"filter": 5},
    {"locations": "x"},
    {"locations": [{"mlflow_experiment": {"experiment_id": "x"}}]},
    {"locations": [{"mlflow_experiment": {}}]},
)


def test_a_search_that_does_not_fit_is_refused(alice):
    for more in REFUSED_SEARCHES:
        assert search(alice, **more).status_code == 400, more


def test_a_token_belongs_to_its_search(alice):
    token = search(alice, max_results=1).json()["next_page_token"]
    assert search(alice, "status = 'OK'", page_token=token).status_code == 400


def test_pages_do_not_repeat_or_lose_a_trace_when_new_ones_come(alice):
    first = search(alice, max_results=2).json()
    alice.start(new_trace_id(), request_time="2024-01-01T00:00:00Z")
    rest = found(alice, max_results=2, page_token=first["next_page_token"])
    assert rest == ["one"]


def test_who_may_not_see_an_experiment_finds_nothing_in_it(people, alice):
    bob = TraceClient(people.bob, people.project)
    assert found(bob) == ["three%", "Two", "one"]
    charlie = TraceClient(people.charlie, people.project)
    assert search(charlie).json() == {}
    assert TraceClient(people.bob, people.project, scope="read").experiment == bob.experiment
    assert found(TraceClient(people.bob, people.project, scope="read")) == found(bob)
    assert search(TraceClient(None, people.project)).status_code == 401


def test_other_experiments_are_not_searched(people, alice):
    other = TraceClient(people.alice, people.project)
    other.experiment = experiment_of(people.project, "Other")
    assert found(other) == []


def test_a_page_costs_few_queries(alice, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        assert len(found(alice)) == 3


def test_texts_that_json_escapes_do_not_break_a_search(alice):
    trace = new_trace_id()
    request = small_trace(trace)
    span = add_span(request, trace, 4, parent=1)
    set_text(span, "odd", "a\0b")
    span.attributes.add(key="number").value.double_value = float("nan")
    assert alice.send(request).status_code == 200
    for text in ("span.attributes.odd LIKE '%b%'", "span.attributes.number = 'NaN'"):
        assert len(found(alice, text)) == 1
