"""Wall-clock time, in one place so that tests can control it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return timezone.now().astimezone(UTC)


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return int(timezone.now().timestamp() * 1000)


def epoch_ms(moment: datetime | None) -> int | None:
    """Return the whole milliseconds since the epoch that passed by the moment, None for None."""
    return None if moment is None else (moment - EPOCH) // timedelta(milliseconds=1)
