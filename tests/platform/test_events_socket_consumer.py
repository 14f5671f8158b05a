"""The WebSocket skin, through the ASGI application and without a network."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from platform_site.accounts.models import ApiToken
from platform_site.events import follower, hub, protocol, retention, session, topics
from platform_site.events.models import Topic
from platform_site.routing import websocket_application
from tests.events_help import may_follow, say

pytestmark = pytest.mark.django_db(transaction=True)
HOST = (b"host", b"localhost:8000")
ORIGIN = (b"origin", b"http://localhost:8000")
asay = sync_to_async(say)


@pytest.fixture(autouse=True)
def _test_topics():
    topics.register("test", may_follow)


def session_of(user) -> SessionStore:
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return store


def cookie_of(user) -> tuple[bytes, bytes]:
    return (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session_of(user).session_key}".encode())


def token_of(user) -> str:
    _, secret = ApiToken.objects.create(user=user, name="test")
    return secret


def socket(*headers, path="/ws/", subprotocols=None) -> WebsocketCommunicator:
    return WebsocketCommunicator(
        websocket_application, path, headers=list(headers), subprotocols=subprotocols
    )


@pytest.fixture
def alice_cookie(people):
    return cookie_of(people.alice)


async def opened(*headers, **options) -> WebsocketCommunicator:
    line = socket(HOST, *headers, **options)
    accepted, _ = await line.connect(timeout=10)
    assert accepted
    return line


async def closed_with(line) -> tuple[int, list[dict]]:
    """Return the close code and the messages before it."""
    said = []
    while True:
        output = await line.receive_output(timeout=10)
        if output["type"] == "websocket.close":
            await line.disconnect()
            return output["code"], said
        said.append(json.loads(output["text"]))


async def next_message(line) -> dict:
    return json.loads(await line.receive_from(timeout=10))


async def values(line, count) -> list[int]:
    """Return the values of the next so many events, checking that frames tell the truth."""
    found = []
    while len(found) < count:
        frame = await next_message(line)
        numbers = [event["seq"] for event in frame["events"]]
        assert numbers == list(range(frame["from"], frame["to"] + 1))
        found += [event["data"]["value"] for event in frame["events"]]
    return found


async def test_a_signed_in_browser_gets_the_past_and_then_what_happens(alice_cookie):
    await asay("test:1", 1, 2, 3)
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 1})
    assert await values(line, 2) == [2, 3]
    await asay("test:1", 4)
    frame = await next_message(line)
    assert frame["topic"] == "test:1"
    assert frame["events"][0].keys() == {"seq", "kind", "data", "at"}
    assert frame["events"][0]["kind"] == "test.said"
    await line.disconnect()


async def test_without_a_number_it_begins_with_the_oldest_event_kept(alice_cookie):
    await asay("test:1", 1, 2, 3)
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1"})
    assert await values(line, 3) == [1, 2, 3]
    await line.disconnect()


async def test_a_topic_that_does_not_exist_yet_can_be_followed(alice_cookie):
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:77", "after": 0})
    await line.send_json_to({"ping": 5})
    assert await next_message(line) == {"pong": 5}
    await asay("test:77", 1)
    assert await values(line, 1) == [1]
    await line.disconnect()


async def test_unsubscribing_ends_one_topic_and_not_the_other(alice_cookie):
    line = await opened(ORIGIN, alice_cookie)
    for topic in ("test:1", "test:2"):
        await line.send_json_to({"subscribe": topic, "after": 0})
    await line.send_json_to({"unsubscribe": "test:1"})
    await line.send_json_to({"ping": "x"})
    assert await next_message(line) == {"pong": "x"}
    await asay("test:1", 1)
    await asay("test:2", 2)
    assert (await next_message(line))["topic"] == "test:2"
    await line.disconnect()


async def test_a_token_opens_the_socket_as_sub_protocol_or_first_message(people):
    secret = await sync_to_async(token_of)(people.alice)
    await asay("test:1", 1)
    by_protocol = await opened(subprotocols=[f"assay.token.{secret}", "assay.live"])
    by_message = await opened()
    await by_message.send_json_to({"token": secret})
    for line in (by_protocol, by_message):
        await line.send_json_to({"subscribe": "test:1", "after": 0})
        assert await values(line, 1) == [1]
        await line.disconnect()


async def test_the_secret_is_not_the_chosen_sub_protocol_when_there_is_a_choice(people):
    secret = await sync_to_async(token_of)(people.alice)
    line = socket(HOST, subprotocols=[f"assay.token.{secret}", "assay.live"])
    assert await line.connect(timeout=10) == (True, "assay.live")
    await line.disconnect()


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"origin", b"https://evil.example")],
        [HOST, (b"origin", b"null")],
        [HOST, (b"origin", b"http://localhost:9999")],
        [HOST, (b"origin", b"http://localhost:8000.evil.example")],
        [HOST, (b"origin", b"http://[bad")],
        [(b"host", b"evil.example"), (b"origin", b"http://evil.example")],
        [ORIGIN],
    ],
)
async def test_foreign_hosts_and_origins_are_refused_before_accepting(alice_cookie, headers):
    accepted, _ = await socket(*headers, alice_cookie).connect(timeout=10)
    assert not accepted


async def test_another_address_is_refused(alice_cookie):
    accepted, _ = await socket(HOST, ORIGIN, alice_cookie, path="/ws/x").connect(timeout=10)
    assert not accepted


async def test_a_trusted_origin_may_enter(alice_cookie, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.assay.example"]
    line = await opened((b"origin", b"https://lab.assay.example"), alice_cookie)
    await line.disconnect()


async def test_a_cookie_without_an_origin_counts_for_nothing(alice_cookie):
    line = await opened(alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 0})
    assert (await closed_with(line))[0] == 4401


@pytest.mark.parametrize("first", ['{"subscribe": "test:1"}', '{"token": "assay_no"}', "{"])
async def test_whoever_does_not_say_who_they_are_is_sent_away(people, first):
    line = await opened(ORIGIN)
    await line.send_to(first)
    code, said = await closed_with(line)
    assert code == 4401
    assert said[0]["error"]["code"] == "unauthenticated"


async def test_a_bad_token_as_sub_protocol_is_sent_away(people):
    line = await opened(subprotocols=["assay.token.assay_wrong"])
    assert (await closed_with(line))[0] == 4401


@pytest.mark.parametrize("query", ["token={}", "x={}", "access_token=1", "API_KEY="])
async def test_a_token_in_the_address_is_refused_even_when_it_is_good(people, query):
    secret = await sync_to_async(token_of)(people.alice)
    line = await opened(path="/ws/?" + query.format(secret), subprotocols=[f"assay.token.{secret}"])
    code, said = await closed_with(line)
    assert code == 4403
    assert said[0]["error"]["code"] == "token_in_url"


@pytest.mark.parametrize("topic", ["test:1", "test:x", "nope:1", "nope", "test:\x00", "\ud800:1"])
async def test_a_stranger_is_refused_like_whoever_asks_for_what_does_not_exist(people, topic):
    line = await opened(ORIGIN, await sync_to_async(cookie_of)(people.charlie))
    await line.send_json_to({"subscribe": topic, "after": 0})
    code, said = await closed_with(line)
    assert code == 4404
    assert said[0]["error"]["code"] == "not_found"
    assert said[0]["error"]["topic"] == topic


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "no json",
        "[]",
        "1",
        "null",
        '{"type": "disconnect"}',
        '{"type": "__init__"}',
        '{"subscribe": 7}',
        '{"subscribe": ""}',
        '{"subscribe": "test:1", "after": -1}',
        '{"subscribe": "test:1", "after": "1"}',
        '{"subscribe": "test:1", "after": true}',
        '{"subscribe": "test:1", "after": 1e3}',
        '{"subscribe": "test:1", "after": 99999999999999999999}',
        '{"subscribe": "test:1", "unsubscribe": "test:1"}',
        '{"ping": NaN}',
        "[" * 4000,
        json.dumps({"ping": "x" * 300}),
    ],
)
async def test_what_cannot_be_understood_is_answered_and_the_socket_lives_on(alice_cookie, text):
    line = await opened(ORIGIN, alice_cookie)
    await line.send_to(text)
    assert (await next_message(line))["error"]["code"] == "invalid"
    await line.send_json_to({"ping": 1})
    assert await next_message(line) == {"pong": 1}
    await line.disconnect()


async def test_oversize_and_binary_messages_end_the_connection(alice_cookie):
    large = await opened(ORIGIN, alice_cookie)
    await large.send_to(json.dumps({"ping": "x" * (1024 * 1024 + 1)}))
    assert (await closed_with(large))[0] == 1009
    binary = await opened(ORIGIN, alice_cookie)
    await binary.send_to(bytes_data=b"{}")
    assert (await closed_with(binary))[0] == 1003


async def test_a_flood_of_messages_ends_the_connection(alice_cookie, monkeypatch):
    monkeypatch.setattr(protocol, "MESSAGES_PER_S", 0.0)
    line = await opened(ORIGIN, alice_cookie)
    for number in range(int(protocol.BURST) + 1):
        await line.send_json_to({"ping": number})
    code, said = await closed_with(line)
    assert code == 1008
    assert said[-1]["error"]["code"] == "violation"


async def test_the_topics_of_one_socket_are_counted(alice_cookie, monkeypatch):
    monkeypatch.setattr(session, "MAX_TOPICS", 3)
    line = await opened(ORIGIN, alice_cookie)
    for number in (1, 2, 3, 3, 4):
        await line.send_json_to({"subscribe": f"test:{number}", "after": 0})
    assert (await next_message(line))["error"]["code"] == "too_many_topics"
    await line.send_json_to({"unsubscribe": "test:1"})
    await line.send_json_to({"subscribe": "test:4", "after": 0})
    await line.send_json_to({"ping": 1})
    assert await next_message(line) == {"pong": 1}
    await line.disconnect()


async def test_the_sockets_of_one_person_are_counted_and_given_back(alice_cookie, monkeypatch):
    monkeypatch.setattr(hub, "MAX_PER_USER", 2)
    first, second = [await opened(ORIGIN, alice_cookie) for _ in range(2)]
    for line in (first, second):  # whoever answers a ping has been counted
        await line.send_json_to({"ping": 1})
        await next_message(line)
    third = await opened(ORIGIN, alice_cookie)
    assert (await closed_with(third))[0] == 1013
    await second.disconnect()
    again = await opened(ORIGIN, alice_cookie)
    await again.send_json_to({"ping": 2})
    assert await next_message(again) == {"pong": 2}
    for line in (first, again):
        await line.disconnect()
    assert hub.hub().lines == set()
    assert hub.hub().unknown == 0


async def test_sockets_of_unknown_people_are_few(people, monkeypatch):
    monkeypatch.setattr(hub, "MAX_UNKNOWN", 2)
    first, second = await opened(), await opened()
    accepted, _ = await socket(HOST).connect(timeout=10)
    assert not accepted
    for line in (first, second):
        await line.disconnect()
    assert hub.hub().unknown == 0


async def test_a_number_that_is_too_old_ends_with_4410_and_says_what_is_kept(
    alice_cookie, monkeypatch
):
    await asay("test:1", *range(20))
    monkeypatch.setattr(retention, "DEFAULT", retention.Keep(events=5))
    await sync_to_async(retention.trim_events)(pause_s=0)
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 3})
    code, said = await closed_with(line)
    assert code == 4410
    assert said[0]["error"].items() >= {"code": "too_old", "floor": 15, "head": 20}.items()


async def test_a_restored_database_sends_clients_back_to_the_snapshot(alice_cookie):
    await asay("test:1", *range(5))
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 5})
    await line.send_json_to({"ping": 1})
    await next_message(line)
    await sync_to_async(Topic.objects.all().update)(head=3)
    assert (await closed_with(line))[0] == 4410


async def test_everybody_gets_signs_of_life(alice_cookie):
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"ping": 1})
    await next_message(line)
    hub.hub().beat()
    assert (await next_message(line)).keys() == {"heartbeat"}
    await line.disconnect()


async def test_losing_the_right_to_listen_ends_the_connection(people, alice_cookie):
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 0})
    await line.send_json_to({"ping": 1})
    await next_message(line)
    await hub.hub().recheck(older_than_s=0)
    await line.send_json_to({"ping": 2})
    assert await next_message(line) == {"pong": 2}

    def forbid(user, identity) -> None:
        raise topics.NotFound("gone")

    topics.register("test", forbid)
    await hub.hub().recheck(older_than_s=0)
    assert (await closed_with(line))[0] == 4404


@pytest.mark.parametrize("loss", ["deactivated", "signed out", "password changed"])
async def test_a_session_that_ends_ends_the_connection(people, loss):
    store = await sync_to_async(session_of)(people.alice)
    cookie = f"{settings.SESSION_COOKIE_NAME}={store.session_key}".encode()
    line = await opened(ORIGIN, (b"cookie", cookie))
    await line.send_json_to({"ping": 1})
    await next_message(line)

    def lose() -> None:
        if loss == "signed out":
            store.flush()
        elif loss == "deactivated":
            people.alice.is_active = False
        else:
            people.alice.set_password("another long password")
        people.alice.save()

    await sync_to_async(lose)()
    await hub.hub().recheck(older_than_s=0)
    assert (await closed_with(line))[0] == 4401


async def test_a_revoked_token_ends_the_connection(people):
    secret = await sync_to_async(token_of)(people.alice)
    line = await opened(subprotocols=[f"assay.token.{secret}"])
    await line.send_json_to({"ping": 1})
    await next_message(line)
    await sync_to_async(ApiToken.objects.all().delete)()
    await hub.hub().recheck(older_than_s=0)
    assert (await closed_with(line))[0] == 4401


async def test_a_client_that_cannot_keep_up_is_cut_and_resumes(alice_cookie, monkeypatch):
    monkeypatch.setattr(follower, "MAX_QUEUED_FRAMES", 3)
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 0})
    await line.send_json_to({"ping": 1})
    await next_message(line)
    (open_line,) = hub.hub().lines
    for _ in range(5):  # no await in between: the pump has no chance, like one stuck in send
        open_line.follower.tell(follower.heartbeat())
    code, _ = await closed_with(line)
    assert code == 4408
    await asay("test:1", 1, 2)
    again = await opened(ORIGIN, alice_cookie)
    await again.send_json_to({"subscribe": "test:1", "after": 0})
    assert await values(again, 2) == [1, 2]
    await again.disconnect()


async def test_who_only_listens_is_cut_after_the_byte_budget_and_who_pings_is_not(
    alice_cookie, monkeypatch
):
    monkeypatch.setattr(session, "MAX_UNANSWERED_BYTES", 2000)
    silent, lively = [await opened(ORIGIN, alice_cookie) for _ in range(2)]
    for line in (silent, lively):
        await line.send_json_to({"subscribe": "test:1", "after": 0})
    for number in range(1, 5):
        await asay("test:1", number, text="x" * 600)
        assert await values(lively, 1) == [number]
        await lively.send_json_to({"ping": number})
        assert await next_message(lively) == {"pong": number}
    assert (await closed_with(silent))[0] == 4408
    await lively.disconnect()


async def test_nothing_runs_when_the_last_socket_is_gone(alice_cookie):
    line = await opened(ORIGIN, alice_cookie)
    await line.send_json_to({"subscribe": "test:1", "after": 0})
    await line.send_json_to({"ping": 1})
    await next_message(line)
    tailer = hub.hub().tailer
    assert tailer.running
    await line.disconnect()
    async with asyncio.timeout(10):
        await asyncio.gather(*(t for t in asyncio.all_tasks() if t.get_name() == "live-tailer"))
    assert not tailer.running
    looks = tailer.counts["looks"]
    await asay("test:1", 1)
    assert tailer.counts["looks"] == looks
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in names if name.startswith("live-")}
