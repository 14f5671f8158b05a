"""Writing to the event log: the only function that tells anybody anything."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import connection

from platform_site.core.clock import now
from platform_site.core.json_parser import finite
from platform_site.core.transactions import in_transaction
from platform_site.events.knock import knock_on_commit
from platform_site.events.models import Event

# Plain SQL: building model instances took a third of the CPU of a busy fold (2026-11-20).
INSERT_EVENT = (
    "INSERT INTO events_event (topic_id, seq, kind, data, at) VALUES (%s, %s, %s, %s, %s)"
)
MAX_EVENT_BYTES = 256 * 1024
NEXT_NUMBER = (
    "INSERT INTO events_topic (key, head, floor) VALUES (%s, 1, 0) "
    "ON CONFLICT (key) DO UPDATE SET head = events_topic.head + 1 RETURNING id, head"
)
NEXT_NUMBERS = (
    "INSERT INTO events_topic (key, head, floor) VALUES {values} "
    "ON CONFLICT (key) DO UPDATE SET head = events_topic.head + excluded.head "
    "RETURNING key, id, head"
)
TOPICS_AT_ONCE = 100


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
    _require_transaction()
    data = _text_of(topic_key, event)
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


def publish_many(events: Iterable[tuple[str, LiveEvent]]) -> None:
    """Append events to their topics as `publish` would, in any number, with few statements.

    Raises:
        RuntimeError: when no transaction is open.
        ValueError: when an event is larger than 256 KiB.
    """
    _require_transaction()
    by_topic: dict[str, list[LiveEvent]] = {}
    for topic_key, event in events:
        by_topic.setdefault(topic_key, []).append(event)
    at = connection.ops.adapt_datetimefield_value(now())
    ordered = sorted(by_topic)
    for start in range(0, len(ordered), TOPICS_AT_ONCE):
        topic_keys = ordered[start : start + TOPICS_AT_ONCE]
        heads = _take_numbers({key: len(by_topic[key]) for key in topic_keys})
        rows = [
            (
                heads[key][0],
                heads[key][1] - len(by_topic[key]) + number,
                event.KIND,
                _text_of(key, event),
                at,
            )
            for key in topic_keys
            for number, event in enumerate(by_topic[key], start=1)
        ]
        with connection.cursor() as cursor:
            cursor.executemany(INSERT_EVENT, rows)
        for key in topic_keys:
            knock_on_commit(key)


def _take_numbers(amounts: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return number and new head of each topic, after raising its head by so much."""
    values = ", ".join(["(%s, %s, 0)"] * len(amounts))
    params = [value for key, amount in amounts.items() for value in (key, amount)]
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBERS.format(values=values), params)
        return {key: (topic_id, head) for key, topic_id, head in cursor.fetchall()}


def _require_transaction() -> None:
    if not in_transaction():
        raise RuntimeError("publish() needs the transaction of the change it tells about")


def _text_of(topic_key: str, event: LiveEvent) -> str:
    data = json.dumps(event.to_data(), separators=(",", ":"), allow_nan=False)
    if len(data) > MAX_EVENT_BYTES:
        raise ValueError(f"{event.KIND} for {topic_key} has {len(data)} bytes; split it")
    return data
