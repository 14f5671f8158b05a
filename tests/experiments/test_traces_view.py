"""Pages of traces: lists of a run and an experiment, one trace with its spans in time."""

import re

import pytest

from experiments.models import Span, Trace
from experiments.selectors import trace_pages
from experiments.selectors.trace_pages import span_tree, traces_of_experiment
from experiments.web.traces import span_duration
from tests.experiments.trace_help import (
    V3,
    TraceClient,
    add_span,
    new_trace_id,
    set_text,
    small_trace,
)
from tests.experiments.tracking_help import new_run
from tests.people import project_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return TraceClient(people.alice, people.project)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def page_of(trace: str) -> str:
    return f"/traces/tr-{trace}/"


def address(name: str, *args) -> str:
    from django.urls import reverse

    return reverse(f"experiments:{name}", args=args)


def test_the_run_shows_the_traces_made_in_it_newest_first(people, alice, run, as_user):
    ids = [new_trace_id() for _ in range(2)]
    for second, trace in enumerate(ids):
        alice.send(small_trace(trace))
        alice.start(
            trace,
            request_time=f"2024-01-01T00:00:0{second}Z",
            tags={"mlflow.traceName": f"call {second}"},
            trace_metadata={"mlflow.sourceRun": run.uuid},
            request_preview="<script>alert(1)</script>",
        )
    html = as_user(people.bob).get(address("run-traces", run.uuid)).content.decode()
    assert re.findall(r'data-trace="tr-(\w+)"', html) == [ids[1], ids[0]]
    assert "call 1" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert(1)" not in html
    assert "1 failed" in html
    overview = as_user(people.bob).get(address("run-detail", run.uuid)).content.decode()
    assert address("run-traces", run.uuid) in overview


def test_a_run_without_traces_says_how_they_come_here(people, run, as_user):
    html = as_user(people.alice).get(address("run-traces", run.uuid)).content.decode()
    assert "No traces yet" in html


def test_lists_go_on_where_the_page_before_ended(people, alice, as_user, monkeypatch):
    monkeypatch.setattr(trace_pages, "PAGE_SIZE", 2)
    ids = [new_trace_id() for _ in range(5)]
    for trace in ids:
        alice.start(trace, request_time="2024-01-01T00:00:00Z")
    client = as_user(people.alice)
    url, seen = address("experiment-traces", alice.experiment.pk), []
    for _ in range(3):
        html = client.get(url).content.decode()
        seen += re.findall(r'data-trace="tr-(\w+)"', html)
        following = re.search(r'rel="next" href="([^"]+)"', html)
        url = following[1] if following else ""
    assert (seen, url) == (sorted(ids), "")
    list_page = address("experiment-traces", alice.experiment.pk)
    assert client.get(f"{list_page}?page=forged").status_code == 400


def test_a_trace_shows_its_spans_in_order_and_what_they_hold(people, alice, as_user):
    trace = new_trace_id()
    request = small_trace(trace, question='{"q": "Wie groß & <b>?"}')
    add_span(request, trace, 4, parent=2, name="inner")
    alice.send(request)
    content = {
        "assessment_name": "tone",
        "feedback": {"value": "rude"},
        "rationale": "It <i>shouts</i>.",
        "source": {"source_type": "HUMAN", "source_id": "alice"},
    }
    said = f"{V3}/traces/tr-{trace}/assessments"
    older = alice.post(said, {"assessment": content}).json()["assessment"]["assessment_id"]
    newer = {**content, "feedback": {"value": "kind"}, "overrides": older}
    assert alice.post(said, {"assessment": newer}).status_code == 200
    answer = as_user(people.bob).get(address("trace-detail", f"tr-{trace}"))
    html = answer.content.decode()
    names = re.findall(r'class="span-name"><bdi>([^<]+)</bdi>', html)
    assert names == ["answer", "retrieve", "inner", "generate"]
    assert [int(depth) for depth in re.findall(r'class="span-depth-(\d+)', html)] == [0, 1, 2, 1]
    assert "Wie groß &amp; &lt;b&gt;?" in html
    assert "ValueError" in html
    assert "too warm" in html
    assert "It &lt;i&gt;shouts&lt;/i&gt;." in html
    assert html.count("Overridden") == 1
    assert " style=" not in html.split("<main")[1]
    assert "<script" not in html.split("<main")[1].split("</main>")[0]


def test_bars_stand_where_their_spans_were_in_time(alice):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    lines = span_tree(Trace.objects.get())
    assert [(line.begins, line.length) for line in lines] == [(0, 333), (33, 633), (66, 933)]


def test_spans_without_parents_and_circles_are_shown_as_roots(alice):
    trace = new_trace_id()
    request = small_trace(trace)
    add_span(request, trace, 4, parent=99, name="orphan")
    add_span(request, trace, 5, parent=6, name="circle a")
    add_span(request, trace, 6, parent=5, name="circle b")
    add_span(request, trace, 7, parent=7, name="own parent")
    alice.send(request)
    lines = span_tree(Trace.objects.get())
    assert len(lines) == 7
    assert {line.span.name: line.depth for line in lines}["orphan"] == 0


def test_a_very_deep_tree_does_not_break_the_page(people, alice, as_user):
    trace = new_trace_id()
    request = small_trace(trace)
    for number in range(4, 1_500):
        add_span(request, trace, number, parent=number - 1)
    alice.send(request)
    client = as_user(people.alice)
    html = client.get(address("trace-detail", f"tr-{trace}")).content.decode()
    assert "span-depth-12" in html
    assert "1–300 of 1499" in html
    url = address("trace-detail", f"tr-{trace}") + "?start=1200"
    html = client.get(url).content.decode()
    assert html.count('class="span-bar"') == 299
    assert 'rel="next"' not in html


def test_long_values_are_cut_and_odd_ones_shown(people, alice, as_user):
    trace = new_trace_id()
    request = small_trace(trace)
    set_text(request.resource_spans[0].scope_spans[0].spans[0], "long", "x" * 50_000)
    alice.send(request)
    html = as_user(people.alice).get(address("trace-detail", f"tr-{trace}")).content.decode()
    assert "x" * 20_000 + "…" in html
    assert "x" * 20_001 not in html


def test_a_trace_whose_spans_are_elsewhere_says_so(people, alice, as_user):
    trace = new_trace_id()
    alice.start(trace)
    html = as_user(people.alice).get(address("trace-detail", f"tr-{trace}")).content.decode()
    assert "have not arrived" in html


def test_strangers_see_no_page_of_traces(people, alice, run, as_user):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    pages = [
        address("run-traces", run.uuid),
        address("experiment-traces", alice.experiment.pk),
        address("trace-detail", f"tr-{trace}"),
    ]
    charlie = as_user(people.charlie)
    assert [charlie.get(page).status_code for page in pages] == [404, 404, 404]
    bob = as_user(people.bob)
    assert [bob.get(page).status_code for page in pages] == [200, 200, 200]
    assert bob.get(address("trace-detail", "tr-unknown")).status_code == 404
    assert bob.get(address("trace-detail", f"tr-{trace}") + "?start=x").status_code == 400


def test_lists_cost_the_same_however_many_traces_there_are(alice, django_assert_num_queries):
    for _ in range(3):
        alice.send(small_trace(new_trace_id()))
    with django_assert_num_queries(3):
        lines, _ = traces_of_experiment(alice.experiment)
    assert [(line.n_spans, line.n_failed) for line in lines] == [(3, 1)] * 3


def test_a_trace_page_reads_the_contents_of_shown_spans_only(
    people, alice, as_user, django_assert_max_num_queries
):
    trace = new_trace_id()
    alice.send(small_trace(trace))
    client = as_user(people.alice)
    client.get(address("trace-detail", f"tr-{trace}"))
    with django_assert_max_num_queries(16):
        client.get(address("trace-detail", f"tr-{trace}"))
    assert Span.objects.count() == 3


def test_a_run_of_another_project_is_not_named_on_a_trace(people, alice, as_user):
    elsewhere = project_of((people.charlie, "editor"), name="Moons")
    theirs = new_run(people.charlie, elsewhere)
    trace = new_trace_id()
    alice.start(trace, trace_metadata={"mlflow.sourceRun": theirs.uuid})
    html = as_user(people.alice).get(address("trace-detail", f"tr-{trace}")).content.decode()
    assert theirs.name not in html


@pytest.mark.parametrize(
    ("duration_ns", "words"),
    [
        (None, "—"),
        (-5, "0 µs"),
        (45_000, "45 µs"),
        (12_500_000, "12.5 ms"),
        (30_000_000, "30 ms"),
        (3_420_000_000, "3.42 s"),
        (245_000_000_000, "4 min 5 s"),
    ],
)
def test_durations_are_words(duration_ns, words):
    assert span_duration(duration_ns) == words
