"""The log itself: numbers, reading after a number, trimming, knocking."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from platform_site.core.errors import NotFound
from platform_site.core.transactions import write_transaction
from platform_site.events import knock, retention, topics
from platform_site.events.models import Event, Topic
from platform_site.events.publish import publish, publish_many
from platform_site.events.reader import FRAME_EVENTS, as_objects, heads, read_after
from tests.events_help import Said, may_follow, say

pytestmark = pytest.mark.django_db(transaction=True)


class Refusal(RuntimeError):
    """What goes wrong inside a transaction in these tests."""


def say_and_fail(topic: str) -> None:
    with write_transaction():
        publish(topic, Said(value=0))
        raise Refusal


def test_numbers_are_gap_free_even_after_a_rollback():
    say("test:1", 10, 11)
    with pytest.raises(Refusal):
        say_and_fail("test:1")
    assert say("test:1", 13) == [3]
    values = [event["data"]["value"] for event in as_objects(read_after({"test:1": 0})["test:1"])]
    assert values == [10, 11, 13]


def test_many_events_at_once_are_numbered_as_if_one_by_one(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("platform_site.events.publish.TOPICS_AT_ONCE", 2)
    say("test:2", 5)
    events = [("test:3", 1), ("test:2", 6), ("test:1", 7), ("test:2", 8), ("test:2", 9)]
    with write_transaction(), django_assert_num_queries(4):
        publish_many((topic, Said(value=value)) for topic, value in events)
    assert say("test:2", 10) == [5]
    found = read_after({"test:1": 0, "test:2": 0, "test:3": 0})
    values = {
        topic: [(event["seq"], event["data"]["value"]) for event in as_objects(batch)]
        for topic, batch in found.items()
    }
    assert values == {
        "test:1": [(1, 7)],
        "test:2": [(1, 5), (2, 6), (3, 8), (4, 9), (5, 10)],
        "test:3": [(1, 1)],
    }


def test_many_events_need_a_transaction_and_bearable_sizes():
    with pytest.raises(RuntimeError, match="transaction"):
        publish_many([("test:1", Said(value=1))])
    with pytest.raises(ValueError, match="split it"), write_transaction():
        publish_many([("test:1", Said(value=1, text="x" * 300_000))])
    assert Topic.objects.count() == 0


def test_publishing_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError, match="transaction"):
        publish("test:1", Said(value=1))


def test_an_event_that_no_frame_can_carry_is_refused():
    with pytest.raises(ValueError, match="split it"):
        say("test:1", 1, text="x" * 300_000)
    assert Topic.objects.count() == 0


def test_reading_several_topics_costs_one_query_and_one_per_topic_with_news(
    django_assert_num_queries,
):
    say("test:1", 1)
    say("test:2", 1, 2)
    with django_assert_num_queries(2):
        batches = read_after({"test:1": 1, "test:2": 0, "test:3": 0})
    assert [batches[f"test:{n}"].last for n in (1, 2, 3)] == [1, 2, 0]
    assert json.loads(batches["test:2"].frame())["to"] == 2


def test_topics_known_by_id_and_by_key_are_found_in_one_query(django_assert_num_queries):
    say("test:1", 1)
    say("test:2", 1)
    ids = {"test:1": Topic.objects.get(key="test:1").pk}
    with django_assert_num_queries(1):
        assert {key: head.head for key, head in heads(["test:1", "test:2"], ids).items()} == {
            "test:1": 1,
            "test:2": 1,
        }


def test_a_long_log_comes_in_batches_that_join_without_a_hole():
    say("test:1", *range(FRAME_EVENTS + 50))
    first = read_after({"test:1": 0})["test:1"]
    second = read_after({"test:1": first.last})["test:1"]
    assert (first.first, first.last) == (1, FRAME_EVENTS)
    assert (second.first, second.last) == (FRAME_EVENTS + 1, FRAME_EVENTS + 50)


def test_a_batch_of_large_events_ends_near_the_byte_limit():
    for value in range(4):
        say("test:1", value, text="x" * 100_000)
    assert read_after({"test:1": 0})["test:1"].last == 2


@pytest.mark.parametrize("after", [3, 99])
def test_a_number_below_the_floor_or_beyond_the_head_is_too_old(after):
    say("test:1", *range(10))
    Topic.objects.update(floor=5)
    Event.objects.filter(seq__lte=5).delete()
    batch = read_after({"test:1": after})["test:1"]
    assert batch.too_old
    assert batch.error().details == {"topic": "test:1", "floor": 5, "head": 10}


def test_without_a_number_reading_begins_with_the_oldest_event_kept():
    say("test:1", *range(10))
    Topic.objects.update(floor=5)
    Event.objects.filter(seq__lte=5).delete()
    batch = read_after({"test:1": None})["test:1"]
    assert (batch.first, batch.last, batch.too_old) == (6, 10, False)


def test_events_lost_from_the_middle_are_reported_not_skipped():
    say("test:1", *range(5))
    Event.objects.filter(seq=2).delete()
    assert read_after({"test:1": 1})["test:1"].too_old


def test_trimming_keeps_the_newest_events_in_short_transactions(monkeypatch, capsys):
    monkeypatch.setattr(retention, "DEFAULT", retention.Keep(events=30))
    monkeypatch.setattr(retention, "SLICE_EVENTS", 25)
    say("test:1", *range(100))
    say("test:2", *range(30))
    writes = []

    def note(execute, sql, params, many, context):
        writes.append(sql.split()[0])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        call_command("trim_events")
    assert "70 events deleted" in capsys.readouterr().out
    assert writes.count("DELETE") == 3
    kept = Event.objects.filter(topic__key="test:1").order_by("seq").values_list("seq", flat=True)
    assert list(kept) == list(range(71, 101))
    assert Topic.objects.get(key="test:1").floor == 70
    assert Topic.objects.get(key="test:2").floor == 0
    assert retention.trim_events(pause_s=0) == 0


def test_trimming_by_age_keeps_what_is_young(monkeypatch):
    monkeypatch.setitem(retention.BY_PREFIX, "test", retention.Keep(age=timedelta(minutes=10)))
    say("test:1", 1, 2, 3)
    Event.objects.filter(seq__lte=2).update(at=retention.now() - timedelta(minutes=11))
    assert retention.trim_events(pause_s=0) == 2
    assert Topic.objects.get().floor == 2


def test_one_knock_per_transaction_and_none_after_a_rollback():
    heard = []

    def listener() -> None:
        heard.append(1)

    knock.add_listener(listener)
    try:
        with write_transaction():
            for value in range(5):
                publish("test:1", Said(value=value))
            publish("test:2", Said(value=1))
            assert heard == []
        assert heard == [1]
        with pytest.raises(Refusal):
            say_and_fail("test:1")
        assert heard == [1]
    finally:
        knock.remove_listener(listener)


@pytest.mark.parametrize("topic", ["nope:1", "test:", "test", "", "test:x", "test:" + "1" * 200])
def test_unknown_topics_and_malformed_ones_are_answered_alike(people, topic):
    topics.register("test", may_follow)
    with pytest.raises(NotFound, match="No such topic"):
        topics.check_may_follow(people.alice, topic)


def test_a_stranger_learns_nothing_about_a_topic(people):
    topics.register("test", may_follow)
    topics.check_may_follow(people.alice, "test:1")
    with pytest.raises(NotFound, match="No such topic: test:1"):
        topics.check_may_follow(people.charlie, "test:1")
