"""The one way to write: a durable, timed transaction that refuses to be nested."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

logger = logging.getLogger("assay.transactions")
SLOW_WRITE_S = 1.0


@contextmanager
def write_transaction() -> Iterator[None]:
    """Open the caller's only write transaction; on SQLite it takes the write lock at once.

    Raises:
        RuntimeError: when a transaction is already open (services never call one another).
    """
    began = time.perf_counter()
    with transaction.atomic(durable=True):
        yield
    took_s = time.perf_counter() - began
    if took_s > SLOW_WRITE_S:
        logger.warning("write transaction took %.2f s", took_s)


def in_transaction() -> bool:
    """Whether a transaction is open on the default connection."""
    is_open: bool = transaction.get_connection().in_atomic_block
    return is_open
