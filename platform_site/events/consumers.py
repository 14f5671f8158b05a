"""The WebSocket door to the event log: who may enter, and how a connection ends.

No ORM here but the question who it is, on the reader threads; no channel layer, which would drop
messages and cost a second task per socket.
"""

import asyncio
import contextlib

from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error

from platform_site.core.errors import DomainError, Unauthenticated
from platform_site.events import identity, protocol
from platform_site.events.follower import error_message
from platform_site.events.hub import hub
from platform_site.events.session import Session
from platform_site.events.threads import read

INTRODUCE_S = 10.0
REASONS = {
    protocol.TOO_SLOW: "too slow: resume from your last number",
    protocol.RESTART: "resume from your last number",
}


class LiveConsumer(AsyncWebsocketConsumer):
    """One socket, up to 50 topics."""

    channel_layer_alias = "none"

    async def connect(self) -> None:
        """Refuse foreign doors before accepting; else find out who it is, or wait to be told."""
        self.ending: asyncio.Task[None] | None = None
        self.admitted = False
        self.session = Session(hub(), self.send, self.end)
        headers = dict(self.scope["headers"])
        secret, chosen = identity.offered_token(self.scope.get("subprotocols") or ())
        try:
            identity.check_door(headers)
            hub().admit_unknown()
        except DomainError:
            await self.close()
            return
        self.admitted = True
        await self.accept(chosen)
        try:
            identity.check_address(self.scope["query_string"].decode("latin-1"))
            visitor = await read(identity.of_handshake, headers, secret)
            if visitor is not None:
                self.session.open(visitor)
                self.dismiss()
            elif secret is not None:
                raise Unauthenticated("This token is not valid.")
        except DomainError as error:
            self.session.refuse(error)
        except Error:
            self.end(protocol.RESTART, None)
        if self.admitted:
            asyncio.get_running_loop().call_later(INTRODUCE_S, self.expect_introduction)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Hand the message on."""
        if self.ending is None:
            await self.session.receive(text_data)
            if self.session.line is not None:
                self.dismiss()

    async def disconnect(self, code: int) -> None:
        """Let go of everything."""
        if self.ending is not None:
            self.ending.cancel()
        self.session.close()
        self.dismiss()

    def dismiss(self) -> None:
        """Stop counting this socket among those whose person is unknown."""
        if self.admitted:
            self.admitted = False
            hub().dismiss_unknown()

    def expect_introduction(self) -> None:
        """Time is up for whoever has not said who they are."""
        if self.admitted:
            self.session.refuse(Unauthenticated("No token came within 10 s."))

    def end(self, code: int, error: DomainError | None) -> None:
        """Send nothing more but the reason and the close code; waits for the client elsewhere."""
        if self.ending is None:
            self.session.stop()
            self.ending = asyncio.get_running_loop().create_task(self.say_goodbye(code, error))

    async def say_goodbye(self, code: int, error: DomainError | None) -> None:
        """Close, after the reason; a client that does not read gets it when it does."""
        with contextlib.suppress(OSError):  # it has gone meanwhile
            if error is not None:
                await self.send(error_message(error.code, error.message, **error.details))
            await self.close(code, REASONS.get(code))
