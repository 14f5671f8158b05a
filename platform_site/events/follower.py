"""One client's place in the event log: its topics, the next number of each, a bounded queue."""

import asyncio
import dataclasses
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

from platform_site.core.clock import now_ms
from platform_site.events.reader import Batch, read_after
from platform_site.events.threads import read

MAX_QUEUED_FRAMES = 400
MAX_QUEUED_BYTES = 1024 * 1024
MAX_TOPICS = 50
Kind = Literal["events", "heartbeat", "reset", "reply"]


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for the client; `text` is shared by all clients it goes to."""

    kind: Kind
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive events of one topic, serialised once for all followers."""

    topic: str
    first: int
    last: int
    message: Outgoing

    @classmethod
    def of(cls, batch: Batch) -> "Frame":
        """Build the frame of a batch."""
        message = Outgoing("events", batch.frame())
        return cls(topic=batch.topic, first=batch.first, last=batch.last, message=message)


@dataclasses.dataclass(slots=True)
class Place:
    """Where a client is in a topic; while it reads the log itself, frames pass it by."""

    seen: int | None
    catching_up: bool = True


class Source(Protocol):
    """What a follower needs from the tailer."""

    def join(self, topic: str, follower: "Follower") -> None:
        """Deliver the topic's new frames to the follower from now on."""

    def leave(self, topic: str, follower: "Follower") -> None:
        """Stop delivering them."""

    def known_head(self, topic: str) -> int | None:
        """Return the newest number that was delivered to all followers."""

    def start_at(self, batch: Batch) -> None:
        """Deliver from the head of this batch on, unless the topic is already being read."""


class Follower:
    """A client: the tailer offers frames, a skin takes messages from `messages()`.

    Args:
        source: the process's tailer.
        on_slow: called once when the queue is full; the skin must end the connection.
    """

    def __init__(self, source: Source, on_slow: Callable[[], None]) -> None:
        self.places: dict[str, Place] = {}
        self._source = source
        self._on_slow = on_slow
        self._queue: deque[Outgoing | Frame | str] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def subscribe(self, topic: str, after: int | None) -> None:
        """Follow the topic from this number on; None begins with the oldest event kept."""
        self.places[topic] = Place(seen=after)
        self._source.join(topic, self)
        self._queue.append(topic)
        self._arrived.set()

    def unsubscribe(self, topic: str) -> None:
        """Stop following the topic; frames already queued for it are dropped."""
        if self.places.pop(topic, None) is not None:
            self._source.leave(topic, self)

    def close(self) -> None:
        """Leave every topic and let go of what is queued."""
        self._closed = True
        for topic in tuple(self.places):
            self.unsubscribe(topic)
        self._queue.clear()
        self._arrived.set()

    def offer(self, frame: Frame) -> None:
        """Take a frame from the tailer, or ask for the end when the client cannot keep up."""
        place = self.places.get(frame.topic)
        if place is not None and not place.catching_up:
            self._put(frame, len(frame.message.text))

    def tell(self, message: Outgoing) -> None:
        """Queue a message that belongs to no topic: a heartbeat or a reply."""
        self._put(message, len(message.text))

    def start_over(self, topic: str) -> None:
        """Let the client read the log itself again: its place may be gone."""
        place = self.places.get(topic)
        if place is not None and not place.catching_up:
            place.catching_up = True
            self._queue.append(topic)
            self._arrived.set()

    async def messages(self) -> AsyncIterator[Outgoing]:
        """Yield what the client must receive, each event once and in order, until `close`."""
        while not self._closed:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            item = self._queue.popleft()
            if isinstance(item, Outgoing):
                self._queued_bytes -= len(item.text)
                yield item
            elif isinstance(item, str):
                async for message in self._catch_up(item):
                    yield message
            else:
                self._queued_bytes -= len(item.message.text)
                async for message in self._take(item):
                    yield message

    async def _take(self, frame: Frame) -> AsyncIterator[Outgoing]:
        place = self.places.get(frame.topic)
        if place is None or place.seen is None or frame.last <= place.seen:
            return
        if frame.first == place.seen + 1:
            place.seen = frame.last
            yield frame.message
            return
        place.catching_up = True  # a hole, or a frame that overlaps what was read from the log
        async for message in self._catch_up(frame.topic):
            yield message

    async def _catch_up(self, topic: str) -> AsyncIterator[Outgoing]:
        place = self.places.get(topic)
        while place is not None and place.catching_up and self.places.get(topic) is place:
            batch = (await read(read_after, {topic: place.seen}))[topic]
            if self.places.get(topic) is not place:
                return
            if batch.too_old:
                self.unsubscribe(topic)
                yield reset_message(batch)
                return
            self._source.start_at(batch)
            place.seen = batch.last
            if batch.texts:
                yield Frame.of(batch).message
            # No await between this check and its effect: the tailer runs on the same loop.
            if self.places.get(topic) is place and place.seen >= max(
                batch.head.head, self._source.known_head(topic) or 0
            ):
                place.catching_up = False

    def _put(self, item: Outgoing | Frame, size: int) -> None:
        if self._closed:
            return
        if len(self._queue) >= MAX_QUEUED_FRAMES or self._queued_bytes + size > MAX_QUEUED_BYTES:
            self.close()
            self._on_slow()
            return
        self._queue.append(item)
        self._queued_bytes += size
        self._arrived.set()


def heartbeat() -> Outgoing:
    """Return the sign of life that all clients get."""
    return Outgoing("heartbeat", f'{{"heartbeat":{now_ms()}}}')


def error_message(code: str, message: str, **details: str | int | None) -> str:
    """Return the JSON text of a refusal."""
    return json.dumps({"error": {"code": code, "message": message, **details}})


def reset_message(batch: Batch) -> Outgoing:
    """Return what tells the client that its place is gone: reload the snapshot, follow again."""
    error = batch.error()
    return Outgoing("reset", error_message(error.code, error.message, **error.details))
