"""The tailer counts: what is read and built does not depend on how many follow."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from platform_site.events.follower import Follower
from platform_site.events.tailer import Tailer
from platform_site.events.threads import tailer_thread
from tests.events_help import database_in_a_file, say

pytestmark = pytest.mark.django_db(transaction=True)
asay = sync_to_async(say)


def break_connection() -> None:
    connection.connection.close()


def never() -> None:
    raise AssertionError("this follower keeps up")


@pytest.fixture(autouse=True)
def _file(db, tmp_path):
    with database_in_a_file(tmp_path):
        yield


class Reader:
    """A follower whose messages are kept."""

    def __init__(self, tailer: Tailer, *topics: str, after: int | None = 0) -> None:
        self.follower = Follower(tailer, never)
        self.messages = self.follower.messages()
        self.texts: list[str] = []
        self.tailer = tailer
        for topic in topics:
            self.follower.subscribe(topic, after)

    async def until(self, **last: int) -> None:
        """Read until the follower has seen these numbers; topics are named t<n> for test:<n>."""
        goal = {f"test:{name[1:]}": number for name, number in last.items()}
        async with asyncio.timeout(20):
            while any(self.follower.places[topic].seen != n for topic, n in goal.items()):
                self.texts.append((await anext(self.messages)).text)

    async def settle(self) -> None:
        """Let the follower read the log until it hangs on the tailer."""
        step = asyncio.ensure_future(anext(self.messages))
        async with asyncio.timeout(20):
            while any(place.catching_up for place in self.follower.places.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        self.pending = step

    async def take(self) -> str:
        """Return the next message after `settle`."""
        async with asyncio.timeout(20):
            text = (await self.pending).text
        self.pending = asyncio.ensure_future(anext(self.messages))
        return text

    async def stop(self) -> None:
        self.follower.close()
        pending = getattr(self, "pending", None)
        if pending is not None:
            await asyncio.gather(pending, return_exceptions=True)


async def stopped() -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(t for t in asyncio.all_tasks() if t.get_name() == "live-tailer"))


@pytest.fixture
def tailer_queries():
    """Return the list that the tailer thread's queries go to."""
    queries: list[str] = []

    def note(execute, sql, params, many, context):
        queries.append(sql)
        return execute(sql, params, many, context)

    tailer_thread.submit(lambda: connection.execute_wrappers.append(note)).result()
    yield queries
    tailer_thread.submit(lambda: connection.execute_wrappers.remove(note)).result()


async def test_thirty_followers_share_the_very_same_text():
    tailer = Tailer()
    readers = [Reader(tailer, "test:1") for _ in range(30)]
    for reader in readers:
        await reader.settle()
    await asay("test:1", 1, 2, 3)
    texts = [await reader.take() for reader in readers]
    assert len({id(text) for text in texts}) == 1
    assert tailer.counts["events"] == 3
    assert tailer.counts["frames"] == 1
    assert tailer.counts["offers"] == 30
    for reader in readers:
        await reader.stop()
    await stopped()


async def test_a_look_costs_one_query_and_one_per_topic_that_moved(tailer_queries):
    tailer = Tailer()
    reader = Reader(tailer, *(f"test:{number}" for number in range(20)))
    await reader.settle()
    for round_number in range(1, 4):
        for topic in ("test:3", "test:7"):
            await asay(topic, round_number)
    while tailer.counts["events"] < 6:
        await reader.take()
    await reader.stop()
    await stopped()
    reads = [sql for sql in tailer_queries if "events_event" in sql]
    heads = [sql for sql in tailer_queries if "events_topic" in sql and sql not in reads]
    assert len(heads) == tailer.counts["looks"]
    assert len(reads) == tailer.counts["topics_read"] <= 6


async def test_a_busy_topic_gives_at_most_one_frame_a_look():
    tailer = Tailer()
    reader = Reader(tailer, "test:1")
    await reader.settle()
    seen = 0

    async def write() -> None:
        for number in range(100):
            await asay("test:1", number)

    writing = asyncio.ensure_future(write())
    while seen < 100:
        await reader.take()
        seen = reader.follower.places["test:1"].seen or 0
    await writing
    assert tailer.counts["events"] == 100
    assert tailer.counts["frames"] <= tailer.counts["looks"] < 100
    await reader.stop()
    await stopped()


async def test_without_followers_there_are_no_queries(tailer_queries):
    tailer = Tailer()
    await asay("test:1", 1)
    assert tailer_queries == []
    reader = Reader(tailer, "test:1", after=1)
    await reader.settle()
    await asay("test:1", 2)
    await reader.take()
    assert tailer_queries != []
    await reader.stop()
    await stopped()
    tailer_queries.clear()
    await asay("test:1", 3)
    assert tailer_queries == []
    assert not tailer.running


async def test_the_tailer_survives_the_loss_of_its_connection():
    tailer = Tailer()
    reader = Reader(tailer, "test:1")
    await reader.settle()
    for number in (1, 2, 3):
        await asay("test:1", number)
        assert f'"value":{number}' in await reader.take()
        tailer_thread.submit(break_connection).result()
    await reader.stop()
    await stopped()


async def test_whoever_comes_while_events_fall_misses_none_and_gets_none_twice():
    tailer = Tailer()
    writing = asyncio.ensure_future(write_many("test:1", 150))
    readers = []
    for _ in range(15):
        readers.append(Reader(tailer, "test:1"))
        await asyncio.sleep(0.005)
    await asyncio.gather(*(reader.until(t1=150) for reader in readers), writing)
    for reader in readers:
        assert numbers_in(reader.texts) == list(range(1, 151))
        await reader.stop()
    await stopped()


async def write_many(topic: str, count: int) -> None:
    for number in range(count):
        await asay(topic, number)


def numbers_in(texts: list[str]) -> list[int]:
    """Return the numbers of the events in these frames, in the order of arrival."""
    return [event["seq"] for text in texts for event in json.loads(text)["events"]]
