"""What wakes the tailers after a commit; losing a knock costs a second, never an event.

Followers in this process are woken directly. Other processes: SQLite's see the commit themselves,
PostgreSQL's are notified (after the commit, because NOTIFY inside it serialises all commits), and
where LISTEN cannot reach, the channel layer carries the topic's name. None of it carries an event.
"""

from collections.abc import Callable
from typing import Literal

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection, transaction

PG_CHANNEL = "assay_events"
LAYER_GROUP = "assay.events"
WakeMode = Literal["sqlite", "listen", "channel-layer", "poll"]
Listener = Callable[[], None]
_listeners: set[Listener] = set()


def wake_mode() -> WakeMode:
    """Return what wakes tailers of other processes: LIVE_WAKE, or what fits the database."""
    chosen: str = getattr(settings, "LIVE_WAKE", "auto")
    if connection.vendor == "sqlite" and chosen in {"auto", "listen"}:
        return "sqlite"
    if chosen == "channel-layer":
        return "channel-layer"
    return "poll" if chosen == "poll" else "listen"


def add_listener(listener: Listener) -> None:
    """Call the function (from any thread) after each commit of this process that published."""
    _listeners.add(listener)


def remove_listener(listener: Listener) -> None:
    """Undo `add_listener`."""
    _listeners.discard(listener)


class _Knock:
    """One knock per transaction, naming each topic once."""

    def __init__(self) -> None:
        self.topic_keys: set[str] = set()

    def strike(self) -> None:
        """Wake everybody; called after the commit."""
        for listener in tuple(_listeners):
            listener()
        mode = wake_mode()
        if mode == "listen":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_notify(%s, key) FROM unnest(%s::text[]) AS key",
                    [PG_CHANNEL, sorted(self.topic_keys)],
                )
        elif mode == "channel-layer" and (layer := get_channel_layer()) is not None:
            async_to_sync(layer.group_send)(LAYER_GROUP, {"type": "knock"})


def knock_on_commit(topic_key: str) -> None:
    """Wake the tailers once the current transaction has committed."""
    for _, function, _ in transaction.get_connection().run_on_commit:
        waiting = getattr(function, "__self__", None)
        if isinstance(waiting, _Knock):
            waiting.topic_keys.add(topic_key)
            return
    knock = _Knock()
    knock.topic_keys.add(topic_key)
    transaction.on_commit(knock.strike, robust=True)
