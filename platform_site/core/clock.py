"""Wall-clock time, in one place so that tests can control it."""

from datetime import UTC, datetime

from django.utils import timezone


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return timezone.now().astimezone(UTC)


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return int(timezone.now().timestamp() * 1000)
