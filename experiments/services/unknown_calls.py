"""Counting calls of clients that this server does not implement, in a table that stays small."""

from typing import Final

from django.db.models import F

from experiments.models import UnknownCall
from platform_site.core.clock import now
from platform_site.core.transactions import write_transaction

MAX_ROWS: Final = 1000
MAX_PATH_CHARS: Final = 200
MAX_CLIENT_CHARS: Final = 100


def record_unknown_calls(counts: dict[tuple[str, str], tuple[int, str]]) -> None:
    """Add the counts of calls, given as (method, path) → (count, client).

    A new call is not recorded when the table is full.
    """
    moment = now()
    with write_transaction():
        n_rows = UnknownCall.objects.count()
        for (method, path), (n_calls, client) in counts.items():
            known = UnknownCall.objects.filter(method=method[:10], path=path[:MAX_PATH_CHARS])
            changed = known.update(
                n_calls=F("n_calls") + n_calls, last_at=moment, client=client[:MAX_CLIENT_CHARS]
            )
            if changed or n_rows >= MAX_ROWS:
                continue
            UnknownCall.objects.create(
                method=method[:10],
                path=path[:MAX_PATH_CHARS],
                client=client[:MAX_CLIENT_CHARS],
                n_calls=n_calls,
                first_at=moment,
                last_at=moment,
            )
            n_rows += 1
