"""Requests and answers as messages of ASGI."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from experiments.mlflow_api.kit.answers import JSON_HEADERS, Answer, FileAnswer
from experiments.mlflow_api.kit.file_parts import pieces
from platform_site.core.errors import TooLarge
from platform_site.core.json_parser import MAX_BODY_BYTES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
InThread = Callable[..., Awaitable[Any]]

JSON_TYPE: Final = (b"content-type", b"application/json")
FIXED_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]

USUAL_HEADERS: Final = [JSON_TYPE, *FIXED_HEADERS]


class ClientLeft(Exception):
    """The client closed the connection before the request was whole."""


def headers_of(scope: Message) -> dict[str, str]:
    """Return the headers by name in lower case; the last of a repeated one."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: beyond the limit.
        ClientLeft: when it will never be whole.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)


async def send_answer(send: Send, answer: Answer, request_id: str, *, is_head: bool) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                *_raw_headers(answer.headers, request_id),
                (b"content-length", str(len(answer.body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})


async def send_file(
    send: Send, receive: Receive, answer: FileAnswer, request_id: str, in_thread: InThread
) -> None:
    """Send a file piece by piece; stops when the client leaves."""
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [
                *_raw_headers(answer.headers, request_id),
                (b"content-length", str(answer.length_bytes).encode()),
            ],
        }
    )
    gone = asyncio.ensure_future(_until_gone(receive))
    parts = pieces(answer)
    try:
        async for piece in _pieces(parts, in_thread):
            if gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await in_thread(parts.close)


async def send_head(send: Send, answer: FileAnswer, request_id: str) -> None:
    """Send what a file's answer would begin with."""
    head = Answer(answer.status, b"", answer.headers)
    await send(
        {
            "type": "http.response.start",
            "status": head.status,
            "headers": [
                *_raw_headers(head.headers, request_id),
                (b"content-length", str(answer.length_bytes).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b""})


async def _pieces(parts: Iterator[bytes], in_thread: InThread) -> AsyncIterator[bytes]:
    while (piece := await in_thread(next, parts, None)) is not None:
        yield piece


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _raw_headers(headers: dict[str, str], request_id: str) -> list[tuple[bytes, bytes]]:
    if headers == JSON_HEADERS:
        return [*USUAL_HEADERS, (b"x-request-id", request_id.encode())]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"x-request-id", request_id.encode()))
    raw.extend(pair for pair in FIXED_HEADERS if pair[0].decode() not in headers)
    return raw
