"""What a web process listens to so that its tailer looks at once: one port, four adapters.

Each adapter runs until it is cancelled and calls ``wake`` whenever something may have been
published by any process. A wake too many costs one query, a wake too few one second.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import get_channel_layer
from django.db import connections

from platform_site.events.knock import LAYER_GROUP, PG_CHANNEL, wake_mode

SQLITE_LOOK_S = 0.010
POLL_S = 0.1
Wake = Callable[[], None]


def watcher() -> Callable[[Wake], Awaitable[None]]:
    """Return the adapter for this installation."""
    return {
        "sqlite": watch_sqlite,
        "listen": listen_postgres,
        "channel-layer": receive_knocks,
        "poll": poll,
    }[wake_mode()]


async def watch_sqlite(wake: Wake) -> None:
    """Ask the database file every 10 ms whether somebody else committed.

    3 µs a look, without a system call that waits, so it may run on the event loop. The connection
    must never write: its own commits would not show. An in-memory database has no other process.
    """
    path = str(connections["default"].settings_dict["NAME"])
    if "memory" in path:
        await asyncio.Event().wait()
    looker = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        looker.execute("PRAGMA query_only=ON")
        seen = None
        while True:
            try:
                (version,) = looker.execute("PRAGMA data_version").fetchone()
            except sqlite3.OperationalError:  # busy: somebody is writing right now
                version = None
            if version != seen or version is None:
                seen = version
                wake()
            await asyncio.sleep(SQLITE_LOOK_S)
    finally:
        looker.close()


async def listen_postgres(wake: Wake) -> None:
    """LISTEN on a connection of our own; it needs a direct one, not a transaction pooler's."""
    import psycopg  # not installed-in-memory where SQLite is used

    parameters: dict[str, Any] = {
        name: value
        for name, value in connections["default"].get_connection_params().items()
        if name not in {"cursor_factory", "context", "prepare_threshold"}
    }
    connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    async with connection:
        await connection.execute(f'LISTEN "{PG_CHANNEL}"')
        wake()  # what was published before LISTEN took effect
        async for _ in connection.notifies():
            wake()


async def receive_knocks(wake: Wake) -> None:
    """Receive knocks over the channel layer, where LISTEN cannot reach (LIVE_WAKE=channel-layer)."""
    layer = get_channel_layer()
    if layer is None:
        await poll(wake)
        return
    channel = await layer.new_channel()
    await layer.group_add(LAYER_GROUP, channel)
    try:
        wake()
        while True:
            await layer.receive(channel)
            wake()
    finally:
        await layer.group_discard(LAYER_GROUP, channel)


async def poll(wake: Wake) -> None:
    """Wake ten times a second, where nothing else can (LIVE_WAKE=poll)."""
    while True:
        await asyncio.sleep(POLL_S)
        wake()
