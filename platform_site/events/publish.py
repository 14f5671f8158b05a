"""Writing to the event log: the only function that tells anybody anything."""

import dataclasses
import json
from typing import Any, ClassVar

from django.db import connection

from platform_site.core.clock import now
from platform_site.core.json_parser import finite
from platform_site.core.transactions import in_transaction
from platform_site.events.knock import knock_on_commit
from platform_site.events.models import Event

MAX_EVENT_BYTES = 256 * 1024
NEXT_NUMBER = (
    "INSERT INTO events_topic (key, head, floor) VALUES (%s, 1, 0) "
    "ON CONFLICT (key) DO UPDATE SET head = events_topic.head + 1 RETURNING id, head"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiveEvent:
    """Base of all events: a frozen dataclass per kind, JSON-clean absolute values."""

    KIND: ClassVar[str]

    def to_data(self) -> dict[str, Any]:
        """Return the fields as they go over the wire."""
        data: dict[str, Any] = finite(dataclasses.asdict(self))
        return data


def publish(topic_key: str, event: LiveEvent) -> int:
    """Append the event to the topic inside the caller's transaction; return its number.

    Call it last in the transaction, with several topics in sorted order: the topic's row stays
    locked until the commit, which is what keeps numbers gap-free and in commit order.

    Raises:
        RuntimeError: when no transaction is open.
        ValueError: when the event is larger than 256 KiB, which no frame could carry.
    """
    if not in_transaction():
        raise RuntimeError("publish() needs the transaction of the change it tells about")
    data = json.dumps(event.to_data(), separators=(",", ":"), allow_nan=False)
    if len(data) > MAX_EVENT_BYTES:
        raise ValueError(f"{event.KIND} for {topic_key} has {len(data)} bytes; split it")
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [topic_key])
        topic_id, seq = cursor.fetchone()
    Event.objects.create(
        topic_id=topic_id,
        seq=seq,
        kind=event.KIND,
        data=data,
        at=now(),
    )
    knock_on_commit(topic_key)
    return int(seq)
