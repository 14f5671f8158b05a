"""Wall-clock time, in one place so that tests can control it."""

from datetime import UTC, datetime

from django.utils import timezone


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return timezone.now().astimezone(UTC)


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return int(timezone.now().timestamp() * 1000)


def epoch_ms(moment: datetime | None) -> int | None:
    """Return the moment in milliseconds since the epoch, None for None."""
    return None if moment is None else round(moment.timestamp() * 1000)
