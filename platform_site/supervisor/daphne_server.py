"""daphne with request bodies that stay on disk until the application asks for them.

As it comes, Twisted parses every form into memory, and daphne puts the whole body into the
application's queue at once: a form with a file of 100 MB made the process grow by 1 GB
(2026-11-20).
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import IO, Any

from daphne import server as daphne_server
from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http

CHUNK_BYTES = 64 * 1024
BODY = "assay.body"

Application = Callable[..., Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class FrugalFactory(HTTPFactory):  # type: ignore[misc]  # untyped library
    """Requests whose forms Twisted leaves alone: Django reads them."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  # Twisted's name
        """Return a protocol that makes such requests."""
        protocol: Any = http.HTTPFactory.buildProtocol(self, addr)
        protocol.requestFactory = functools.partial(WebRequest, parsePOSTFormSubmission=False)
        return protocol


class FrugalServer(daphne_server.Server):  # type: ignore[misc]  # untyped library
    """daphne's server that hands the application the body's file instead of its bytes."""

    def __init__(self, application: Application, **options: Any) -> None:
        super().__init__(application=_read_on_demand(application), **options)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Take the body out of the request: daphne then queues an empty one."""
        if scope["type"] == "http":
            scope[BODY], protocol.content = protocol.content, BytesIO()
        return super().create_application(protocol, scope)

    def run(self) -> None:
        """Serve with our factory in place of daphne's."""
        daphne_server.HTTPFactory = FrugalFactory  # daphne offers no other way
        super().run()


def _read_on_demand(application: Application) -> Application:
    async def wrapped(scope: dict[str, Any], receive: Receive, send: Any) -> None:
        body = scope.pop(BODY, None)
        if body is None:
            await application(scope, receive, send)
            return
        with body:
            await application(scope, _body_first(body, receive), send)

    return wrapped


def _body_first(body: IO[bytes], receive: Receive) -> Receive:
    ended = False

    async def read() -> dict[str, Any]:
        nonlocal ended
        if ended:
            message = await receive()
            # The empty body that daphne queued; what follows is a disconnect.
            return message if message["type"] != "http.request" else await receive()
        await asyncio.sleep(0)  # other connections get their turn between two pieces
        piece = body.read(CHUNK_BYTES)
        ended = len(piece) < CHUNK_BYTES
        return {"type": "http.request", "body": piece, "more_body": not ended}

    return read
