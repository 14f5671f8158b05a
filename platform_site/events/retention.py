"""Forgetting old events: the log is for following along, what must last has its own table."""

import dataclasses
import time
from datetime import timedelta

from django.db.models import F

from platform_site.core.clock import now
from platform_site.core.transactions import write_transaction
from platform_site.events.models import Event, Topic

SLICE_EVENTS = 500  # 2,000 at once made publishers wait up to 0.4 s
PAUSE_S = 0.02


@dataclasses.dataclass(frozen=True)
class Keep:
    """What stays of a topic: the newest `events`, and of those what is younger than `age`."""

    events: int = 2000
    age: timedelta | None = None


DEFAULT = Keep()
BY_PREFIX: dict[str, Keep] = {
    "feed": Keep(events=20_000, age=timedelta(days=30)),
    "system": Keep(events=2000, age=timedelta(minutes=10)),
}


def trim_events(*, pause_s: float = PAUSE_S) -> int:
    """Delete events that need not be kept any more; return how many.

    One short write transaction per 500 events, the floor first in each, with a pause between them;
    interrupted at any point it leaves a log that is right. Followers whose place is gone are told.
    """
    shortest = min(keep.events for keep in (DEFAULT, *BY_PREFIX.values()))
    long_topics = Topic.objects.filter(head__gt=F("floor") + shortest)
    aging = [prefix for prefix, keep in BY_PREFIX.items() if keep.age is not None]
    topics = {topic.pk: topic for topic in long_topics.iterator()}
    for prefix in aging:
        for topic in Topic.objects.filter(key__startswith=f"{prefix}:", head__gt=F("floor")):
            topics.setdefault(topic.pk, topic)
    return sum(_trim_topic(topic, pause_s) for topic in topics.values())


def _trim_topic(topic: Topic, pause_s: float) -> int:
    goal = _goal(topic, BY_PREFIX.get(topic.key.partition(":")[0], DEFAULT))
    floor, deleted = topic.floor, 0
    while floor < goal:
        following = min(goal, floor + SLICE_EVENTS)
        with write_transaction():
            if not Topic.objects.filter(pk=topic.pk, floor=floor).update(floor=following):
                break  # somebody else is trimming this topic
            number, _ = Event.objects.filter(topic_id=topic.pk, seq__lte=following).delete()
        deleted += number
        floor = following
        time.sleep(pause_s)
    return deleted


def _goal(topic: Topic, keep: Keep) -> int:
    goal = topic.head - keep.events
    if keep.age is not None:
        newest_old = (
            Event.objects.filter(topic_id=topic.pk, at__lt=now() - keep.age)
            .order_by("-seq")
            .values_list("seq", flat=True)
            .first()
        )
        goal = max(goal, newest_old or 0)
    return goal
