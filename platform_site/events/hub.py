"""The live connections of this process: limits, heartbeats, and asking again who may listen."""

import asyncio
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

from django.db import Error

from platform_site.core.errors import DomainError, TooMany
from platform_site.events.follower import Follower, heartbeat
from platform_site.events.identity import Visitor
from platform_site.events.tailer import Tailer
from platform_site.events.threads import read

logger = logging.getLogger("assay.live")
HEARTBEAT_S = 15.0
RECHECK_S = 60.0
MAX_PER_USER = 20
MAX_PER_PROCESS = 2000
MAX_UNKNOWN = 100


@dataclasses.dataclass(slots=True, eq=False)
class Line:
    """One live connection of a person.

    Attributes:
        end: called when the person loses the right to listen.
        checked_at_s: when the rights were last looked at (monotonic clock).
    """

    visitor: Visitor
    follower: Follower
    end: Callable[[DomainError], None]
    checked_at_s: float


class Hub:
    """All live connections of one event loop, over one tailer."""

    def __init__(self) -> None:
        self.tailer = Tailer()
        self.lines: set[Line] = set()
        self.unknown = 0
        self._per_user: Counter[int] = Counter()
        self._chores: list[asyncio.Task[None]] = []

    def admit_unknown(self) -> None:
        """Count a socket that has yet to say who it is; undo with `dismiss_unknown`.

        Raises:
            TooMany: when too many of them wait already, or the process is full.
        """
        if self.unknown >= MAX_UNKNOWN or len(self.lines) + self.unknown >= MAX_PER_PROCESS:
            raise TooMany("Too many live connections here; try again later.")
        self.unknown += 1

    def dismiss_unknown(self) -> None:
        """The socket has said who it is, or is gone."""
        self.unknown -= 1

    def open(
        self, visitor: Visitor, *, on_slow: Callable[[], None], end: Callable[[DomainError], None]
    ) -> Line:
        """Count a person's new connection and return it; undo with `close`.

        Raises:
            TooMany: above 20 connections of this person or 2,000 of this process.
        """
        if self._per_user[visitor.user_id] >= MAX_PER_USER:
            raise TooMany(f"At most {MAX_PER_USER} live connections per person.")
        if len(self.lines) + self.unknown >= MAX_PER_PROCESS:
            raise TooMany("Too many live connections here; try again later.")
        line = Line(visitor, Follower(self.tailer, on_slow), end, time.monotonic())
        self.lines.add(line)
        self._per_user[visitor.user_id] += 1
        if not self._chores:
            loop = asyncio.get_running_loop()
            self._chores = [
                loop.create_task(self._beat_forever(), name="live-heartbeat"),
                loop.create_task(self._recheck_forever(), name="live-recheck"),
            ]
        return line

    def close(self, line: Line) -> None:
        """The connection is gone; with the last one everything stops."""
        line.follower.close()
        if line not in self.lines:
            return
        self.lines.discard(line)
        self._per_user[line.visitor.user_id] -= 1
        self._per_user += Counter()  # forget people without connections
        if not self.lines:
            for chore in self._chores:
                chore.cancel()
            self._chores = []

    def beat(self) -> None:
        """Give every client a sign of life."""
        message = heartbeat()
        for line in tuple(self.lines):
            line.follower.tell(message)

    async def recheck(self, *, older_than_s: float = RECHECK_S) -> None:
        """Ask again for each line whether its person may still listen, and end those who may not."""
        due_s = time.monotonic() - older_than_s
        for line in [line for line in self.lines if line.checked_at_s <= due_s]:
            if line not in self.lines:
                continue
            line.checked_at_s = time.monotonic()
            try:
                await read(line.visitor.check, tuple(line.follower.places))
            except DomainError as error:
                line.end(error)

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self.beat()

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S / 4)
            try:
                await self.recheck(older_than_s=RECHECK_S * 3 / 4)
            except Error:
                logger.warning("live events: no database, rights are checked again shortly")


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop: one per web process."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
