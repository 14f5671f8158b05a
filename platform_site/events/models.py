"""The event log: a topic hands out gap-free numbers, an event is one row."""

from django.db import models


class Topic(models.Model):
    """A stream of events; its row lock is what orders them."""

    key = models.CharField(max_length=120, unique=True)
    head = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(default=0)

    class Meta:
        """Numbers 1…floor are deleted, floor + 1…head can be read."""

        constraints = [
            models.CheckConstraint(
                condition=models.Q(floor__gte=0) & models.Q(floor__lte=models.F("head")),
                name="topic_floor_within_head",
            ),
        ]

    def __str__(self) -> str:
        """Return the key and the newest number."""
        return f"{self.key}@{self.head}"


class Event(models.Model):
    """One thing that happened, with absolute values, so that replaying it does no harm."""

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=60)
    data = models.TextField()
    at = models.DateTimeField()

    class Meta:
        """The unique key serves the only read there is: topic = t and seq > n, in order."""

        constraints = [
            models.UniqueConstraint(fields=["topic", "seq"], name="event_number_once"),
        ]

    def __str__(self) -> str:
        """Return topic, number and kind."""
        return f"{self.topic_id}#{self.seq} {self.kind}"
