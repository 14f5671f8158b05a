"""Threads beside the event loop: for the ORM and services, for files, for reads over raw connections."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from django.db import connections

from experiments.tracking.database import Database
from platform_site.core.errors import Unavailable

ORM_THREADS: Final = 8
# Long reads of SQLite are work of this process: more of them at once only take more memory.
LOCAL_READER_THREADS: Final = 2
READER_THREADS: Final = 4
MAX_WAITING: Final = 512


class Pool:
    """Some threads and a bounded queue before them."""

    def __init__(self, name: str, n_threads: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._n_waiting = 0

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what the function returns.

        Raises:
            Unavailable: when too many calls wait already.
        """
        if self._n_waiting >= MAX_WAITING:
            raise Unavailable("The server is busy; try again in a moment.")
        self._n_waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, copy_context().run, function, *args)
        finally:
            self._n_waiting -= 1


class OrmPool(Pool):
    """Threads that may use the ORM; its connections are closed after each call."""

    def __init__(self) -> None:
        super().__init__("protocol-orm", ORM_THREADS)

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what the function returns.

        Raises:
            Unavailable: when too many calls wait already.
        """
        return await super().run(_with_fresh_connections, function, *args)


def _with_fresh_connections(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    finally:
        connections.close_all()


class OwnDatabase(threading.local):
    """A raw connection for each thread that asks."""

    def __init__(self) -> None:
        self._held: Database | None = None

    def get(self) -> Database:
        """Return this thread's connection, opened anew if it was lost."""
        if self._held is None or not self._held.is_usable:
            self._held = Database.open()
            if self._held.dialect == "postgresql":
                # Opening asked Django's connection of this thread for its settings.
                connections.close_all()
        return self._held

    def forget(self) -> None:
        """Close this thread's connection, after an error of the driver."""
        held, self._held = self._held, None
        if held is not None:
            held.close()
