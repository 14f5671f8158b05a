"""Parts of the protocol's frame alone: routes, reading of requests, memory of callers, threads, files."""

import asyncio
import math
import threading
from typing import Any

import msgspec
import pytest

from experiments.mlflow_api.kit import pools
from experiments.mlflow_api.kit.answers import FileAnswer, refusal
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.caller_cache import MAX_KEPT, CallerCache
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.identity import MAX_VERIFIED, VerifiedPasswords, read_credential
from experiments.mlflow_api.kit.messages import send_file
from experiments.mlflow_api.kit.requests import Int64, Request, decode, decode_body
from experiments.mlflow_api.kit.routes import Route, RouteTable
from platform_site.accounts.callers import Caller
from platform_site.core.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)


def nothing(call: Call) -> None:
    """An endpoint."""


TABLE = RouteTable(
    [
        Route("GET", "2.0/things/{id}", nothing),
        Route("GET", "2.0/things/search", nothing),
        Route("POST", "2.0/things/search", nothing),
        Route("DELETE", "2.0/things/{id}/tags/{key:rest}", nothing),
        Route("PUT", "2.0/files/{path:rest}", nothing),
        Route("GET", "/version", nothing),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "route", "params"),
    [
        ("GET", "/api/2.0/things/7", "2.0/things/{id}", {"id": "7"}),
        ("GET", "/ajax-api/2.0//things//7/", "2.0/things/{id}", {"id": "7"}),
        ("HEAD", "/api/2.0/things/search", "2.0/things/search", {}),
        ("POST", "/api/2.0/things/search/", "2.0/things/search", {}),
        (
            "DELETE",
            "/api/2.0/things/7/tags/a/b.c d",
            "2.0/things/{id}/tags/{key:rest}",
            {"id": "7", "key": "a/b.c d"},
        ),
        ("PUT", "/api/2.0/files/a/b\nc", "2.0/files/{path:rest}", {"path": "a/b\nc"}),
        ("GET", "//version/", "/version", {}),
    ],
)
def test_routes_are_found(method, path, route, params):
    found = TABLE.find(method, path)
    assert (found.route.path, found.params) == (route, params)


def test_what_has_no_route_is_not_found_but_its_methods_are_known():
    for method, path in (("PUT", "/api/2.0/things/7"), ("GET", "/2.0/things/7"), ("GET", "/")):
        assert TABLE.find(method, path) is None
    assert TABLE.methods("/api/2.0/things/search") == ["GET", "HEAD", "POST"]
    assert TABLE.methods("/nothing") == []


def test_two_routes_for_one_address_do_not_start():
    with pytest.raises(ValueError, match="two routes"):
        RouteTable([Route("GET", "a", nothing), Route("GET", "a", nothing)])


class Inner(Request):
    key: str
    number: float = 0.0


class Outer(Request):
    some_id: str
    count: Int64 = 5
    ratio: float = 0.5
    is_on: bool = False
    names: list[str] = []
    inners: list[Inner] = []
    words: dict[str, str] = {}
    status: str | int = ""
    maybe: Int64 | None = None


class Free(Request):
    content: Any = None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"some_id": "a"}', Outer(some_id="a")),
        (b'{"someId": "a", "isOn": "True"}', Outer(some_id="a", is_on=True)),
        (b'{"some_id": "a", "count": "7"}', Outer(some_id="a", count=7)),
        (b'{"some_id": "a", "count": 7.0}', Outer(some_id="a", count=7)),
        (b'{"some_id": "a", "count": null, "unknown": [1]}', Outer(some_id="a")),
        (b'{"some_id": "a", "ratio": "Infinity"}', Outer(some_id="a", ratio=math.inf)),
        (b'{"some_id": "a", "ratio": 3}', Outer(some_id="a", ratio=3.0)),
        (b'{"some_id": "a", "status": 3}', Outer(some_id="a", status=3)),
        (b'{"some_id": "a", "maybe": "3"}', Outer(some_id="a", maybe=3)),
        (b'{"some_id": "a", "maybe": null}', Outer(some_id="a")),
        (
            b'{"some_id": "a", "inners": [{"key": "k", "number": "1e2"}], "words": {"x": "y"}}',
            Outer(some_id="a", inners=[Inner(key="k", number=100.0)], words={"x": "y"}),
        ),
        (b'"{\\"some_id\\": \\"a\\"}"', Outer(some_id="a")),
    ],
)
def test_both_readings_of_a_body_agree_with_the_protocol(body, expected):
    assert decode_body(body, Outer) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "Missing value for required parameter 'some_id'"),
        (b'{"some_id": 3}', "Invalid value 3 for parameter 'some_id' supplied"),
        (b'{"some_id": {"a": 1}}', "Invalid value {\"a\":1} for parameter 'some_id' supplied"),
        (b'{"some_id": "a", "count": true}', "Invalid value true for parameter 'count'"),
        (b'{"some_id": "a", "count": 1.5}', "Invalid value 1.5 for parameter 'count'"),
        (b'{"some_id": "a", "count": "1_0"}', "for parameter 'count'"),
        (b'{"some_id": "a", "count": 9223372036854775808}', "for parameter 'count'"),
        (b'{"some_id": "a", "ratio": "1e999"}', "for parameter 'ratio'"),
        (b'{"some_id": "a", "ratio": "0x10"}', "for parameter 'ratio'"),
        (b'{"some_id": "a", "is_on": "maybe"}', "for parameter 'is_on'"),
        (b'{"some_id": "a", "names": ["x", 1]}', "Invalid value 1 for parameter 'names[1]'"),
        (b'{"some_id": "a", "names": [null]}', "Invalid value null for parameter 'names[0]'"),
        (b'{"some_id": "a", "words": {"x": 1}}', "Invalid value 1 for parameter 'words.x'"),
        (
            b'{"some_id": "a", "inners": [{}]}',
            "Missing value for required parameter 'inners[0].key",
        ),
        (b'{"some_id": "a", "someId": "b"}', "given twice"),
    ],
)
def test_a_field_that_does_not_fit_is_named(body, message):
    with pytest.raises(ProtocolError) as caught:
        decode_body(body, Outer)
    assert message in caught.value.message
    assert refusal(caught.value).status == 400


def test_a_query_is_read_as_a_body_is():
    query = b"someId=0&names=a&names=b&isOn=TRUE&count=7&ratio=NaN&unknown=1&status=3"
    asked = decode(Call("GET", "/", query_string=query), Outer)
    assert (asked.some_id, asked.names, asked.is_on, asked.count) == ("0", ["a", "b"], True, 7)
    assert math.isnan(asked.ratio)
    single = decode(Call("HEAD", "/", query_string=b"some_id=a+b%2Bc&names=x"), Outer)
    assert (single.some_id, single.names) == ("a b+c", ["x"])


def test_free_content_is_bounded_too():
    deep: Any = "x"
    for _ in range(70):
        deep = [deep]
    with pytest.raises(ProtocolError, match="nested deeper"):
        decode_body(msgspec.json.encode({"content": deep}), Free)
    with pytest.raises(ProtocolError, match="NUL"):
        decode_body(b'{"content": {"a": ["\\u0000"]}}', Free)
    assert decode_body(b'{"content": {"a": [1, null]}}', Free).content == {"a": [1, None]}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("x"), 400, "INVALID_PARAMETER_VALUE"),
        (Unprocessable("x"), 400, "INVALID_PARAMETER_VALUE"),
        (AlreadyExists("x"), 400, "RESOURCE_ALREADY_EXISTS"),
        (Unauthenticated("x"), 401, "UNAUTHENTICATED"),
        (Forbidden("x"), 403, "PERMISSION_DENIED"),
        (NotFound("x"), 404, "RESOURCE_DOES_NOT_EXIST"),
        (Conflict("x"), 409, "RESOURCE_CONFLICT"),
        (TooLarge("x"), 413, "INVALID_PARAMETER_VALUE"),
        (Unavailable("x"), 503, "TEMPORARILY_UNAVAILABLE"),
        (StorageFull("x"), 507, "RESOURCE_EXHAUSTED"),
        (ProtocolError("NOT_IMPLEMENTED", "x"), 501, "NOT_IMPLEMENTED"),
    ],
)
def test_errors_of_the_domain_become_the_protocols(error, status, code):
    answer = refusal(error)
    body = {"error_code": code, "message": "x"}
    assert (answer.status, msgspec.json.decode(answer.body)) == (status, body)
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_one_look_up_serves_all_calls_that_wait():
    asked = []
    gate = asyncio.Event()

    async def in_thread(function, *args):
        asked.append(args)
        await gate.wait()
        return Caller(1, "alice")

    clock = [0.0]
    cache = CallerCache(in_thread, lambda: clock[0])
    headers = {"authorization": "Bearer assay_x"}
    calls = [asyncio.ensure_future(cache.find(headers, None, "/")) for _ in range(20)]
    await asyncio.sleep(0)
    gate.set()
    assert {caller.username for caller in await asyncio.gather(*calls)} == {"alice"}
    assert len(asked) == 1
    assert cache.known(headers).user_id == 1
    clock[0] = 2.0
    assert cache.known(headers) is None
    assert cache.known({}) is None


async def test_a_refusal_is_not_remembered_and_callers_are_few():
    async def in_thread(function, credential, *args):
        if credential.secret == "bad":
            raise Unauthenticated("no")
        return Caller(1, "alice")

    cache = CallerCache(in_thread)
    with pytest.raises(Unauthenticated):
        await cache.find({"authorization": "Bearer bad"}, None, "/")
    assert cache.known({"authorization": "Bearer bad"}) is None
    for number in range(MAX_KEPT + 5):
        await cache.find({"authorization": f"Bearer {number}"}, None, "/")
    assert cache.known({"authorization": "Bearer 0"}) is None
    assert cache.known({"authorization": f"Bearer {MAX_KEPT}"}) is not None
    assert len(cache._kept) == MAX_KEPT


def test_verified_passwords_are_forgotten_in_time():
    clock = [0.0]
    verified = VerifiedPasswords(lambda: clock[0])
    verified.remember(b"a", "hash")
    assert verified.hash_for(b"a") == "hash"
    assert verified.hash_for(b"b") is None
    clock[0] = 600.0
    assert verified.hash_for(b"a") is None
    for number in range(MAX_VERIFIED + 5):
        verified.remember(str(number).encode(), "hash")
    assert len(verified._held) == MAX_VERIFIED


def test_a_credential_never_shows_in_errors():
    with pytest.raises(Unauthenticated) as caught:
        read_credential("Basic c2VjcmV0")
    assert "c2VjcmV0" not in caught.value.message


async def test_a_pool_refuses_when_too_much_waits(monkeypatch):
    monkeypatch.setattr(pools, "MAX_WAITING", 2)
    gate = threading.Event()
    pool = pools.Pool("test", 1)
    waiting = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await pool.run(gate.wait)
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await pool.run(lambda: 7) == 7


async def send_to(answer: FileAnswer, *, leaves_after: int | None = None) -> list[dict[str, Any]]:
    """Return the messages of sending the file to a client that may leave."""
    sent: list[dict[str, Any]] = []
    gone = asyncio.Event()

    async def send(message):
        sent.append(message)
        if leaves_after is not None and len(sent) > leaves_after:
            gone.set()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    pool = pools.Pool("test", 1)
    await send_file(send, receive, answer, "id", pool.run)
    return sent


async def test_a_file_is_sent_in_pieces_and_only_as_asked(tmp_path):
    path = tmp_path / "file"
    data = bytes(range(256)) * 4096
    path.write_bytes(data)
    sent = await send_to(FileAnswer(path, len(data), {"content-type": "a/b"}))
    assert b"".join(one["body"] for one in sent[1:]) == data
    assert len(sent) > 4
    assert (b"content-length", str(len(data)).encode()) in sent[0]["headers"]
    part = FileAnswer(path, len(data), {}, status=206, ranges=[(10, 20)])
    sent = await send_to(part)
    assert b"".join(one["body"] for one in sent[1:]) == data[10:30]
    assert (b"content-length", b"20") in sent[0]["headers"]


async def test_sending_ends_when_the_client_has_left(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**33)
    sent = await send_to(FileAnswer(path, 2**33, {}), leaves_after=3)
    assert len(sent) < 20
