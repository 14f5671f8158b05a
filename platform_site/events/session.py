"""What goes on between one authenticated socket and the event log, whatever carries the texts."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

from django.db import Error

from platform_site.core.errors import DomainError, Invalid, Unauthenticated
from platform_site.events import identity, protocol
from platform_site.events.follower import MAX_TOPICS, Outgoing, error_message
from platform_site.events.hub import Hub, Line
from platform_site.events.threads import read
from platform_site.events.topics import MAX_TOPIC_CHARS

logger = logging.getLogger("assay.live")
SEND_S = 20.0
# A server without back-pressure (daphne) takes everything; the client's pings bound what can pile
# up there. Who only listens is cut after 4 MiB and resumes.
MAX_UNANSWERED_BYTES = 4 * 1024 * 1024
End = Callable[[int, DomainError | None], None]


class Session:
    """Commands in, frames out.

    Args:
        hub: the process's live connections.
        send: sends one text; may wait for the client.
        end: ends the connection with a close code and an explanation; returns at once.
    """

    def __init__(self, hub: Hub, send: Callable[[str], Awaitable[None]], end: End) -> None:
        self.line: Line | None = None
        self._hub = hub
        self._send = send
        self._end = end
        self._budget = protocol.Budget()
        self._pumping: asyncio.Task[None] | None = None
        self._unanswered_bytes = 0

    def open(self, visitor: identity.Visitor) -> None:
        """Start pumping for this person.

        Raises:
            TooMany: the person or the process has too many connections.
        """
        self.line = self._hub.open(visitor, on_slow=self._too_slow, end=self.refuse)
        self._pumping = asyncio.get_running_loop().create_task(self._pump(self.line))
        self._pumping.add_done_callback(self._pump_ended)

    def stop(self) -> None:
        """Send nothing more; the connection is still counted."""
        if self._pumping is not None:
            self._pumping.cancel()
        if self.line is not None:
            self.line.follower.close()

    def close(self) -> None:
        """The connection is gone."""
        self.stop()
        if self.line is not None:
            self._hub.close(self.line)

    async def receive(self, text: str | None) -> None:
        """Do what the client asks; answers go through the same bounded queue as frames."""
        self._unanswered_bytes = 0
        try:
            self._budget.spend()
            command = protocol.parse(text)
            await (self._introduce if self.line is None else self._obey)(command)
        except protocol.Violation as error:
            self._end(error.close_code, error)
        except Invalid as error:
            self._complain(error)
        except DomainError as error:
            self.refuse(error)
        except Error:
            self._end(protocol.RESTART, None)

    def refuse(self, error: DomainError) -> None:
        """End the connection with the close code of this refusal."""
        self._end(identity.close_code(error), error)

    async def _introduce(self, command: protocol.Command) -> None:
        if command.verb != "token":
            raise Unauthenticated("Sign in, or send a token first.")
        visitor = await read(identity.by_token, command.value)
        if visitor is None:
            raise Unauthenticated("This token is not valid.")
        self.open(visitor)

    async def _obey(self, command: protocol.Command) -> None:
        line = self.line
        if line is None:
            return
        follower = line.follower
        if command.verb == "ping":
            follower.tell(Outgoing("reply", json.dumps({"pong": command.value})))
        elif command.verb == "unsubscribe":
            follower.unsubscribe(command.value)
        elif command.verb == "subscribe":
            topic = command.value
            if len(follower.places) >= MAX_TOPICS and topic not in follower.places:
                raise Invalid(
                    f"At most {MAX_TOPICS} topics on one connection.",
                    code="too_many_topics",
                    topic=topic[:MAX_TOPIC_CHARS],
                )
            await read(line.visitor.check, [topic])
            follower.subscribe(topic, command.after)

    def _complain(self, error: DomainError) -> None:
        if self.line is None:
            self.refuse(Unauthenticated("Sign in, or send a token first."))
            return
        text = error_message(error.code, error.message, **error.details)
        self.line.follower.tell(Outgoing("reply", text))

    async def _pump(self, line: Line) -> None:
        try:
            async for message in line.follower.messages():
                async with asyncio.timeout(SEND_S):
                    await self._send(message.text)
                self._unanswered_bytes += len(message.text)
                if message.kind == "reset":
                    self._end(4410, None)
                elif self._unanswered_bytes > MAX_UNANSWERED_BYTES:
                    self._too_slow()
        except TimeoutError:
            self._too_slow()
        except Error:
            self._end(protocol.RESTART, None)

    def _too_slow(self) -> None:
        self._end(protocol.TOO_SLOW, None)

    def _pump_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError):  # OSError: the client has gone
            logger.error("live events: a connection failed", exc_info=error)
            self._end(protocol.FAILED, None)
