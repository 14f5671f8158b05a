"""SSE and polling, through Django's request chain."""

import asyncio
import gc
import json

import pytest
from asgiref.sync import sync_to_async
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from rest_framework.decorators import api_view, renderer_classes
from rest_framework.response import Response

from platform_site.accounts.models import ApiToken
from platform_site.core.access_rules import declare
from platform_site.core.json_parser import CleanJSONRenderer
from platform_site.events import hub, retention, streams, topics
from platform_site.events.streams import EventStreamRenderer, poll_topic, stream_topic
from tests.events_help import may_follow, say

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
STREAM, EVENTS = "/api/v1/live/stream/", "/api/v1/live/events/"
asay = sync_to_async(say)


@declare("api")
@api_view(["GET"])
@renderer_classes([EventStreamRenderer, CleanJSONRenderer])
def one_stream(request):
    return stream_topic(request, "test:1")


@declare("api")
@api_view(["GET"])
def one_poll(request):
    return Response(poll_topic(request, "test:1"))


@declare("login")
def page_poll(request):
    return JsonResponse(poll_topic(request, "test:1"))


urlpatterns = [
    path("api/v1/one/stream/", one_stream),
    path("api/v1/one/events/", one_poll),
    path("page/events/", page_poll),
    path("api/v1/", include("platform_site.events.urls")),
]


@pytest.fixture(autouse=True)
def _test_topics():
    topics.register("test", may_follow)


@pytest.fixture
def alice(people) -> AsyncClient:
    client = AsyncClient()
    client.force_login(people.alice)
    return client


class Stream:
    """Reads named events off an SSE answer."""

    def __init__(self, response) -> None:
        assert response.status_code == 200, response.content
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "no-transform" in response.headers["Cache-Control"]
        self.chunks = aiter(response.streaming_content)
        self.waiting: list[dict] = []
        self.last_id = ""

    async def next(self) -> tuple[str, dict]:
        """Return (name, data) of the next event; raises StopAsyncIteration at the end."""
        async with asyncio.timeout(10):
            while not self.waiting:
                chunk = (await anext(self.chunks)).decode()
                for block in chunk.strip().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in block.split("\n"))
                    if "event" in fields:
                        self.waiting.append(fields)
        fields = self.waiting.pop(0)
        self.last_id = fields.get("id", self.last_id)
        return fields["event"], json.loads(fields["data"])

    async def close(self) -> None:
        """Go away as a client does, and see that the server lets go of everything."""
        await self.chunks.aclose()
        del self.chunks
        async with asyncio.timeout(10):
            while hub.hub().lines:
                gc.collect()  # the test client's answers refer to themselves
                await asyncio.sleep(0.01)


async def test_a_stream_gives_the_past_and_then_what_happens(alice):
    await asay("test:1", 1, 2)
    await asay("test:2", 7)
    stream = Stream(await alice.get(f"{STREAM}?topic=test:1:1&topic=test:2"))
    frames = [await stream.next() for _ in range(2)]
    assert [(name, frame["topic"], frame["from"]) for name, frame in frames] == [
        ("events", "test:1", 2),
        ("events", "test:2", 1),
    ]
    await asay("test:1", 3)
    name, frame = await stream.next()
    assert (name, frame["events"][0]["data"]["value"]) == ("events", 3)
    assert stream.last_id == "test:1:3;test:2:1"
    await stream.close()


async def test_a_stream_resumes_where_the_last_event_id_says(alice):
    await asay("test:1", 1, 2, 3)
    await asay("test:2", 1, 2, 3)
    stream = Stream(
        await alice.get(
            f"{STREAM}?topic=test:1:0&topic=test:2:0",
            headers={"Last-Event-ID": "test:1:2;test:2:1;test:3:9;rubbish"},
        )
    )
    frames = {(await stream.next())[1]["topic"]: stream.last_id for _ in range(2)}
    assert frames.keys() == {"test:1", "test:2"}
    assert stream.last_id == "test:1:3;test:2:3"
    await stream.close()


async def test_a_forged_or_foreign_last_event_id_asks_for_a_reload(alice):
    await asay("test:1", 1)
    stream = Stream(
        await alice.get(f"{STREAM}?topic=test:1", headers={"Last-Event-ID": "test:1:999"})
    )
    name, data = await stream.next()
    assert (name, data["error"]["code"]) == ("reset", "too_old")
    assert (await stream.next())[0] == "gone"
    with pytest.raises(StopAsyncIteration):
        await stream.next()


async def test_a_number_that_is_too_old_resets_one_topic_and_leaves_the_other(alice, monkeypatch):
    await asay("test:1", *range(10))
    monkeypatch.setattr(retention, "DEFAULT", retention.Keep(events=5))
    await sync_to_async(retention.trim_events)(pause_s=0)
    stream = Stream(await alice.get(f"{STREAM}?topic=test:1:2&topic=test:2:0"))
    name, data = await stream.next()
    assert name == "reset"
    assert data["error"].items() >= {"topic": "test:1", "floor": 5, "head": 10}.items()
    await stream.next()
    await asay("test:2", 1)
    assert (await stream.next())[1]["topic"] == "test:2"
    await stream.close()


async def test_signs_of_life_are_named_events(alice):
    await asay("test:1", 1)
    stream = Stream(await alice.get(f"{STREAM}?topic=test:1:0"))
    await stream.next()
    hub.hub().beat()
    name, data = await stream.next()
    assert (name, list(data)) == ("heartbeat", ["heartbeat"])
    await stream.close()


async def test_losing_the_right_to_listen_ends_the_stream(alice, people):
    await asay("test:1", 1)
    stream = Stream(await alice.get(f"{STREAM}?topic=test:1:0"))
    await stream.next()
    people.alice.is_active = False
    await people.alice.asave()
    await hub.hub().recheck(older_than_s=0)
    name, data = await stream.next()
    assert (name, data["error"]["code"]) == ("gone", "unauthenticated")
    with pytest.raises(StopAsyncIteration):
        await stream.next()


async def test_an_answer_ends_after_its_bytes_and_the_client_resumes(alice, monkeypatch):
    monkeypatch.setattr(streams, "MAX_STREAM_BYTES", 1000)
    for value in range(5):
        await asay("test:1", value, text="x" * 100_000)
    place, rounds = "test:1:0", 0
    while place != "test:1:5":
        stream = Stream(await alice.get(f"{STREAM}?topic=test:1", headers={"Last-Event-ID": place}))
        await stream.next()
        with pytest.raises(StopAsyncIteration):
            await stream.next()
        assert stream.last_id != place
        place, rounds = stream.last_id, rounds + 1
    assert rounds == 3


async def test_too_many_streams_of_one_person_are_told_so(alice, monkeypatch):
    monkeypatch.setattr(hub, "MAX_PER_USER", 1)
    await asay("test:1", 1)
    first = Stream(await alice.get(f"{STREAM}?topic=test:1:0"))
    await first.next()
    second = Stream(await alice.get(f"{STREAM}?topic=test:1:0"))
    name, data = await second.next()
    assert (name, data["error"]["code"]) == ("gone", "too_many")
    await first.close()


async def test_a_token_opens_a_stream_and_its_revocation_ends_it(people):
    _, secret = await sync_to_async(ApiToken.objects.create)(user=people.alice, name="test")
    await asay("test:1", 1)
    answer = await AsyncClient().get(
        "/api/v1/one/stream/?after=0",
        headers={"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"},
    )
    stream = Stream(answer)
    assert (await stream.next())[1]["to"] == 1
    await hub.hub().recheck(older_than_s=0)
    await sync_to_async(ApiToken.objects.all().delete)()
    await hub.hub().recheck(older_than_s=0)
    assert (await stream.next())[0] == "gone"


def test_polling_goes_on_from_next(people, as_user):
    client = as_user(people.alice)
    say("test:1", 1, 2, 3)
    first = client.get("/api/v1/one/events/?after=0&limit=2").json()
    assert [event["data"]["value"] for event in first["events"]] == [1, 2]
    assert first["next"] == 2
    assert first["events"][0].keys() == {"seq", "kind", "data", "at"}
    second = client.get(f"/api/v1/one/events/?after={first['next']}").json()
    assert (len(second["events"]), second["next"]) == (1, 3)
    assert client.get("/page/events/?after=3").json() == {"events": [], "next": 3}
    assert client.get("/api/v1/one/events/").json()["next"] == 3


def test_polling_several_topics_gives_frames_like_the_socket(people, as_user):
    say("test:1", 1, 2)
    say("test:2", 1)
    answer = (
        as_user(people.alice).get(f"{EVENTS}?topic=test:1:1&topic=test:2:1&topic=test:3").json()
    )
    assert [(f["topic"], f["from"], f["to"]) for f in answer["frames"]] == [("test:1", 2, 2)]
    assert answer["next"] == {"test:1": 2, "test:2": 1, "test:3": 0}


def test_polling_costs_the_same_however_long_the_log_is(people, as_user, django_assert_num_queries):
    client = as_user(people.alice)
    say("test:1", *range(50))
    with django_assert_num_queries(4):  # session, person, head, events
        client.get(f"{EVENTS}?topic=test:1:0")


def test_polling_below_the_floor_is_410_and_from_zero_begins_with_what_is_kept(
    people, as_user, monkeypatch
):
    client = as_user(people.alice)
    say("test:1", *range(10))
    monkeypatch.setattr(retention, "DEFAULT", retention.Keep(events=5))
    retention.trim_events(pause_s=0)
    for address in (
        "/api/v1/one/events/?after=2",
        f"{EVENTS}?topic=test:1:2",
        "/page/events/?after=99",
    ):
        assert client.get(address, headers={"Accept": "application/json"}).status_code == 410
    assert client.get("/api/v1/one/events/?after=2").json()["details"]["floor"] == 5
    assert len(client.get("/api/v1/one/events/?after=0").json()["events"]) == 5


@pytest.mark.parametrize("address", [STREAM, EVENTS])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "topic=",
        "topic=test",
        "topic=test:1&topic=test:1:4",
        "topic=a:1;b:2",
        "topic=test:1 ",
        "topic=test:1:9999999999999999999",
        "&".join(f"topic=test:{number}" for number in range(51)),
        "topic=test:1&token=x",
        "topic=test:1&x=assay_0123456789",
    ],
)
def test_bad_addresses_are_400_and_say_why(people, as_user, address, query):
    answer = as_user(people.alice).get(f"{address}?{query}")
    assert answer.status_code == 400, answer
    assert json.loads(answer.content)["message"]


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1.5", "after=²", "limit=x"])
def test_bad_numbers_are_400_and_name_the_field(people, as_user, query):
    answer = as_user(people.alice).get(f"/api/v1/one/events/?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("address", [STREAM, EVENTS])
def test_strangers_get_404_and_anonymous_people_401(people, as_user, address):
    say("test:1", 1)
    for topic in ("test:1", "nope:1"):
        assert as_user(people.charlie).get(f"{address}?topic={topic}").status_code == 404
    assert Client().get(f"{address}?topic=test:1").status_code == 401
