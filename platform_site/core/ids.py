"""Identifiers that we hand out."""

import os
import re
import threading
import uuid
from typing import Final

RUN_ID = re.compile(r"^[0-9a-f]{32}$")
RESERVE_BYTES: Final = 4096


class _RandomReserve:
    """Bytes of the system's generator, asked for many at a time.

    Each question to the system lets other threads run; taking its turn back cost a busy server's
    event loop up to a millisecond per request (2026-11-20). A forked child begins with nothing.
    """

    def __init__(self) -> None:
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._position = 0

    def take(self, n_bytes: int) -> bytes:
        with self._lock:
            if self._position + n_bytes > len(self._bytes):
                self._bytes, self._position = os.urandom(RESERVE_BYTES), 0
            taken = self._bytes[self._position : self._position + n_bytes]
            self._position += n_bytes
            return taken


_reserve: Final = _RandomReserve()


def new_run_id() -> str:
    """Return a random run id: 32 hexadecimal digits, as MLflow clients expect."""
    return uuid.UUID(bytes=_reserve.take(16), version=4).hex


def new_request_id() -> str:
    """Return a short random id that ties an answer to its log lines."""
    return _reserve.take(8).hex()
