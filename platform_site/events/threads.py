"""The threads on which the live path reads the database: fixed in number, hence the pool."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error, connection

READER_THREADS = 2
P = ParamSpec("P")
T = TypeVar("T")
readers = ThreadPoolExecutor(max_workers=READER_THREADS, thread_name_prefix="live-reader")
tailer_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live-tailer")


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a database read of one client on a reader thread and return its result.

    A connection that the server has closed in the meantime is replaced once.

    Raises:
        django.db.Error: when the database does not answer at all.
    """
    return await asyncio.get_running_loop().run_in_executor(
        readers, lambda: with_fresh_connection(lambda: function(*args, **kwargs))
    )


def with_fresh_connection(function: Callable[[], T]) -> T:
    """Call the function; after a broken connection close this thread's and call it once more."""
    try:
        return function()
    except Error:
        connection.close()
    try:
        return function()
    except Error:
        connection.close()
        raise


def close_connection() -> None:
    """Close this thread's connection (``connection.close`` itself would name the caller's)."""
    connection.close()
