"""Reading the event log: heads of topics and the events after a number, on either database.

A topic's number n + 1 cannot be taken before n is committed, so whoever sees ``head = n`` can read
1…n without a hole. WebSocket, SSE and polling all stand on `read_after`.
"""

import dataclasses
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from platform_site.core.errors import DomainError
from platform_site.events.models import Event, Topic

FRAME_EVENTS = 200
FRAME_BYTES = 256 * 1024
HEADS_PER_QUERY = 500


class TooOld(DomainError):
    """The events after this number are no longer kept (or never existed): reload, then follow."""

    code = "too_old"
    status = 410


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """How far a topic has come; numbers ``floor + 1`` … ``head`` can be read."""

    topic_id: int | None
    head: int
    floor: int


NOTHING_YET = Head(topic_id=None, head=0, floor=0)


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What follows a number in one topic.

    Attributes:
        first: number of the first event in `texts`; ``after + 1`` when there is none.
        texts: each event as the JSON text that goes over the wire, in order, without a hole.
        too_old: events between the number asked for and `first` are gone for good.
    """

    topic: str
    head: Head
    first: int
    texts: tuple[str, ...]
    too_old: bool

    @property
    def last(self) -> int:
        """Number of the last event in the batch, or of the one before it."""
        return self.first + len(self.texts) - 1

    def frame(self) -> str:
        """Return the frame as every skin sends it."""
        return (
            f'{{"topic":{json.dumps(self.topic)},"from":{self.first},"to":{self.last},'
            f'"events":[{",".join(self.texts)}]}}'
        )

    def error(self) -> TooOld:
        """Return the refusal for a reader whose place is gone."""
        return TooOld(
            f"Events of {self.topic} are kept from number {self.head.floor + 1} to"
            f" {self.head.head}; reload and follow again.",
            topic=self.topic,
            floor=self.head.floor,
            head=self.head.head,
        )


def heads(keys: Collection[str], ids: Mapping[str, int] | None = None) -> dict[str, Head]:
    """Return the head of each topic that exists; one query per 500 topics.

    Args:
        keys: topic keys.
        ids: row ids already known (looking up by id costs less than half).
    """
    known = ids or {}
    found: dict[str, Head] = {}
    for chunk in _chunks(keys):
        by_id = [known[key] for key in chunk if key in known]
        by_key = [key for key in chunk if key not in known]
        wanted = Q(pk__in=by_id) if by_id else Q()
        if by_key:
            wanted |= Q(key__in=by_key)
        rows = Topic.objects.filter(wanted).values_list("key", "pk", "head", "floor")
        for key, pk, head, floor in rows:
            found[key] = Head(topic_id=pk, head=head, floor=floor)
    return found


def read_after(
    after: Mapping[str, int | None],
    *,
    limit: int = FRAME_EVENTS,
    ids: Mapping[str, int] | None = None,
) -> dict[str, Batch]:
    """Return for each topic the events after a number; 1 query + 1 per topic that has some.

    Args:
        after: topic key -> last number seen; None begins with the oldest event kept.
        limit: most events per topic; a batch also ends near 256 KiB.
        ids: row ids already known.
    """
    now = heads(after.keys(), ids)
    return {
        key: _read_topic(key, seen, now.get(key, NOTHING_YET), limit) for key, seen in after.items()
    }


def _read_topic(key: str, seen: int | None, head: Head, limit: int) -> Batch:
    start = head.floor if seen is None else seen
    too_old = start < head.floor or start > head.head
    if too_old or start == head.head or head.topic_id is None:
        return Batch(topic=key, head=head, first=start + 1, texts=(), too_old=too_old)
    rows = (
        Event.objects.filter(topic_id=head.topic_id, seq__gt=start, seq__lte=head.head)
        .order_by("seq")
        .values_list("seq", "kind", "data", "at")[:limit]
    )
    numbers, texts = _within_frame(list(rows))
    # Retention may have moved the floor between the two queries.
    moved = not numbers or numbers[0] != start + 1
    if moved and seen is None and numbers:
        start, moved = numbers[0] - 1, False
    return Batch(topic=key, head=head, first=start + 1, texts=() if moved else texts, too_old=moved)


def _within_frame(
    rows: list[tuple[int, str, str, datetime]],
) -> tuple[list[int], tuple[str, ...]]:
    numbers: list[int] = []
    texts: list[str] = []
    size = 0
    for seq, kind, data, at in rows:
        text = event_text(seq, kind, data, at)
        size += len(text)
        if texts and size > FRAME_BYTES:
            break
        numbers.append(seq)
        texts.append(text)
    return numbers, tuple(texts)


def event_text(seq: int, kind: str, data: str, at: datetime) -> str:
    """Return one event as JSON; the stored data is JSON already and goes through unparsed."""
    return f'{{"seq":{seq},"kind":{json.dumps(kind)},"data":{data},"at":"{at.isoformat()}"}}'


def as_objects(batch: Batch) -> list[dict[str, Any]]:
    """Return the batch's events as plain dictionaries ``{seq, kind, data, at}``."""
    return [json.loads(text) for text in batch.texts]


def _chunks(keys: Collection[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while chunk := list(itertools.islice(remaining, HEADS_PER_QUERY)):
        yield chunk
