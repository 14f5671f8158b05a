"""The tailer: one per web process reads what is new once and hands it to all who follow.

It starts with the first follower and stops with the last; in between it asks one question per
look, "heads of the topics somebody here follows", and reads only topics whose head has moved.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections import Counter

from django.db import Error

from platform_site.events.follower import Follower, Frame
from platform_site.events.knock import add_listener, remove_listener
from platform_site.events.reader import Batch, read_after
from platform_site.events.threads import (
    close_connection,
    tailer_thread,
    with_fresh_connection,
)
from platform_site.events.wake import watcher

logger = logging.getLogger("assay.live")
TICK_S = 0.050
SAFETY_S = 1.0
MAX_PAUSE_S = 5.0


@dataclasses.dataclass(slots=True, eq=False)
class FollowedTopic:
    """A topic that somebody follows; nothing is read before the first follower gave a number."""

    key: str
    followers: set[Follower] = dataclasses.field(default_factory=set)
    topic_id: int | None = None
    head: int | None = None


class Tailer:
    """Reads new events for all followers of one event loop.

    Attributes:
        counts: looks, topics read, events and frames built, frames offered; for tests and metrics.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._topics: dict[str, FollowedTopic] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the tailer is looking at the database at all."""
        return self._task is not None

    def join(self, topic: str, follower: Follower) -> None:
        """Deliver the topic's new frames to the follower from now on."""
        self._topics.setdefault(topic, FollowedTopic(topic)).followers.add(follower)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="live-tailer")

    def leave(self, topic: str, follower: Follower) -> None:
        """Stop delivering them; the last follower of all stops the tailer."""
        followed = self._topics.get(topic)
        if followed is None:
            return
        followed.followers.discard(follower)
        if not followed.followers:
            del self._topics[topic]
        if not self._topics:
            self._wake.set()

    def known_head(self, topic: str) -> int | None:
        """Return the newest number that was offered to all followers of the topic."""
        followed = self._topics.get(topic)
        return followed.head if followed else None

    def start_at(self, batch: Batch) -> None:
        """Read on from the head of this batch, unless the topic is already being read."""
        followed = self._topics.get(batch.topic)
        if followed is not None and followed.head is None:
            followed.head = batch.head.head
            followed.topic_id = batch.head.topic_id
            self._wake.set()  # a knock since the batch was read found nothing to ask for

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: this process is ending
                loop.call_soon_threadsafe(self._wake.set)

        add_listener(wake)
        watching = loop.create_task(self._watch(), name="live-wake")
        try:
            await self._look_until_nobody_follows()
        finally:
            remove_listener(wake)
            watching.cancel()
            self._task = None
            tailer_thread.submit(close_connection)

    async def _look_until_nobody_follows(self) -> None:
        pause_s = 0.0
        while self._topics:
            try:
                await asyncio.wait_for(self._wake.wait(), SAFETY_S)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._look()
                pause_s = TICK_S
            except Error:
                pause_s = min(MAX_PAUSE_S, max(0.25, pause_s * 2))
                logger.warning("live events: no database, next look in %.2f s", pause_s)
                self._wake.set()
            await asyncio.sleep(pause_s)

    async def _look(self) -> None:
        asked = {t.key: t for t in self._topics.values() if t.head is not None}
        if not asked:
            return
        after = {key: followed.head for key, followed in asked.items()}
        ids = {key: t.topic_id for key, t in asked.items() if t.topic_id is not None}
        moved = await asyncio.get_running_loop().run_in_executor(
            tailer_thread, lambda: with_fresh_connection(lambda: _read_moved(after, ids))
        )
        self.counts["looks"] += 1
        for batch, frame in moved:
            followed = asked[batch.topic]
            if self._topics.get(batch.topic) is followed and followed.head == after[batch.topic]:
                self._deliver(followed, batch, frame)

    def _deliver(self, followed: FollowedTopic, batch: Batch, frame: Frame) -> None:
        followed.topic_id = batch.head.topic_id
        if batch.too_old:  # trimmed faster than read, or restored from a backup
            followed.head = batch.head.head
            for follower in tuple(followed.followers):
                follower.start_over(batch.topic)
            return
        followed.head = batch.last
        self.counts.update(topics_read=1, events=len(batch.texts), frames=1)
        for follower in tuple(followed.followers):
            follower.offer(frame)
            self.counts["offers"] += 1
        if batch.last < batch.head.head:
            self._wake.set()

    async def _watch(self) -> None:
        """Keep the wake adapter running; while it is down the safety look serves."""
        pause_s = 0.25
        while True:
            try:
                await watcher()(self._wake.set)
            except Exception as error:  # noqa: BLE001  # drivers raise what they like; events go on
                logger.warning("live events: wake-up lost (%s), again in %.2f s", error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(MAX_PAUSE_S, pause_s * 2)


def _read_moved(after: dict[str, int | None], ids: dict[str, int]) -> list[tuple[Batch, Frame]]:
    """Read on the tailer's thread; frames are built here, off the event loop, once for all."""
    batches = read_after(after, ids=ids).values()
    return [(batch, Frame.of(batch)) for batch in batches if batch.texts or batch.too_old]
