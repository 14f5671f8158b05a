"""Things that tests of the live path share: an event, a topic prefix, publishing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from asgiref.sync import SyncToAsync
from django.db import connections

from platform_site.core.errors import NotFound
from platform_site.core.transactions import write_transaction
from platform_site.events import threads
from platform_site.events.publish import LiveEvent, publish


@dataclass(frozen=True, kw_only=True)
class Said(LiveEvent):
    """Somebody said a number."""

    KIND: ClassVar[str] = "test.said"
    value: int
    text: str = ""


def may_follow(user, identity: str) -> None:
    """Topics test:<number> are open to everybody but Charlie."""
    int(identity)
    if user.username == "charlie":
        raise NotFound("No such test.")


def say(topic: str, *values: int, text: str = "") -> list[int]:
    """Publish one event per value in one transaction; return their numbers."""
    with write_transaction():
        return [publish(topic, Said(value=value, text=text)) for value in values]


def close_live_connections() -> None:
    """Close the connections of all threads that the live path and asgiref keep."""
    executors = [threads.tailer_thread, SyncToAsync.single_thread_executor]
    for executor in executors:
        executor.submit(threads.close_connection).result()
    together = threading.Barrier(threads.READER_THREADS)

    def close_one() -> None:
        together.wait(10)
        threads.close_connection()

    for waiting in [threads.readers.submit(close_one) for _ in range(threads.READER_THREADS)]:
        waiting.result()


@contextmanager
def database_in_a_file(path: Path) -> Iterator[None]:
    """Move the test database into a WAL file, as the product has it.

    The in-memory one has a shared cache, in which readers and writers on several threads get in
    each other's way, and no other process could see its commits.
    """
    in_memory = connections["default"]
    if in_memory.vendor != "sqlite" or "memory" not in str(in_memory.settings_dict["NAME"]):
        yield
        return
    settings_dict = in_memory.settings_dict
    name, kept = settings_dict["NAME"], in_memory.connection
    close_live_connections()
    settings_dict["NAME"] = str(path / "live.sqlite3")
    in_file = connections.create_connection("default")
    connections["default"] = in_file
    try:
        in_file.ensure_connection()
        kept.backup(in_file.connection)
        yield
    finally:
        close_live_connections()
        in_file.close()
        settings_dict["NAME"] = name
        connections["default"] = in_memory
